"""Whatever a record holds, it ends as one alert or one dead letter."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.batch.decode import headers_of
from consumer.batch.process import Outcome, process
from model.scoring.load import load as load_model
from model.scoring.scorer import Scorer
from schemas.dead_letter import Header, Reason
from schemas.decoding.refusal import RefusedError
from tests.consumer.fakes import NOW, FakeScorer, alert_of, letter_of
from tests.consumer.strange import Strange, headers, keys, strange_records
from tests.harness.kafka import FakeMessage


@pytest.fixture(scope="module")
def scorer(model_dir: Path) -> Scorer:
    return load_model(model_dir)


@pytest.fixture(scope="module")
def records() -> list[Strange]:
    return strange_records()


def messages(records: Sequence[Strange]) -> list[FakeMessage]:
    return [FakeMessage(v, n, key=k, headers=h) for n, (k, v, h) in enumerate(records)]


def check(batch: Sequence[FakeMessage], outcome: Outcome) -> None:
    """One outcome for each record, with the record's key, and its value when refused."""
    letters = {letter_of(record).offset: record for record in outcome.dead_letters}
    alerts = {}
    for record in outcome.alerts:
        alert = alert_of(record)
        assert alert.source is not None
        alerts[alert.source.offset] = record
    assert len(letters) + len(alerts) == len(batch)
    assert len(outcome.dead_letters) + len(outcome.alerts) == len(batch)
    assert {*letters} | {*alerts} == {message.offset() for message in batch}
    for message in batch:
        record = letters.get(message.offset()) or alerts[message.offset()]
        assert record.key == message.key()
        if message.offset() in letters:
            assert record.value == message.value()


@pytest.mark.slow
def test_ten_thousand_strange_records(records: list[Strange], scorer: Scorer) -> None:
    assert len(records) >= 10_000
    reasons: Counter[Reason] = Counter()
    scored = 0
    for start in range(0, len(records), 500):
        batch = messages(records[start : start + 500])
        outcome = process(batch, scorer, NOW)
        check(batch, outcome)
        reasons += outcome.reasons
        scored += len(outcome.claims)
    assert {*reasons} == {*Reason}, "some reason was never met: the records are too tame"
    assert min(scored, reasons.total()) > 1_000, "one of the two sides is hardly tested"


@pytest.mark.slow
def test_one_by_one_they_fare_as_in_a_batch(records: list[Strange]) -> None:
    batch = messages(records[:1_000])
    together = process(batch, FakeScorer(), NOW)
    alone = [process([message], FakeScorer(), NOW) for message in batch]
    assert together.alerts == [r for outcome in alone for r in outcome.alerts]
    assert together.dead_letters == [r for outcome in alone for r in outcome.dead_letters]


@given(st.lists(st.tuples(keys, st.binary(max_size=40) | st.none(), headers), max_size=10))
def test_any_bytes(records: list[Strange]) -> None:
    batch = messages(records)
    check(batch, process(batch, FakeScorer(), NOW))


class NamelessHeader(FakeMessage):
    """A record with a header's name that is not UTF-8, as the Kafka client hands it over."""

    def headers(self) -> list[Header] | None:
        try:
            b"\xff".decode()
        except UnicodeDecodeError as error:
            raise SystemError("returned a result with an exception set") from error
        return None


def test_a_header_the_client_cannot_hand_over() -> None:
    message = NamelessHeader(b'{"claim_id": "c"}', 5)
    with pytest.raises(RefusedError):
        headers_of(message)
    (record,) = process([message], FakeScorer(), NOW).dead_letters
    assert (record.key, record.value) == (b"key", b'{"claim_id": "c"}')
    assert (letter_of(record).reason, letter_of(record).offset) == (Reason.NOT_UTF8, 5)


def test_other_errors_of_the_client_are_not_swallowed() -> None:
    class Failing(FakeMessage):
        """The client fails for another reason."""

        def headers(self) -> None:
            raise SystemError("something else")

    with pytest.raises(SystemError):
        process([Failing(b"")], FakeScorer(), NOW)


def test_duplicate_keys_take_the_last_and_are_checked() -> None:
    good = FakeMessage(b'{"claim_id": "a", "claim_amount": 1, "claim_amount": 700}')
    bad = FakeMessage(b'{"claim_id": "a", "claim_amount": -1, "claim_amount": 700}', 1)
    outcome = process([good, bad], FakeScorer(), NOW)
    assert alert_of(outcome.alerts[0]).claim_amount == 700
    assert letter_of(outcome.dead_letters[0]).path == "$.claim_amount"


def test_an_alert_never_holds_what_json_cannot() -> None:
    value = b'{"claim_id": "\\u0000\\u2028\\"", "claim_amount": 1e-320}'
    (record,) = process([FakeMessage(value)], FakeScorer(), NOW).alerts
    assert record.value is not None
    assert msgspec.json.decode(record.value)["claim_id"] == '\0\u2028"'
