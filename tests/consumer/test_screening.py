"""Bad outcomes become dead letters; good ones only move the offset."""

import msgspec
import pytest

from consumer.batch.edges import as_it_is
from consumer.batch.process import Outcome
from consumer.outcomes.reading import read_outcome
from consumer.outcomes.screening import own_settings, screened
from consumer.settings.settings import Delivery, Membership, read_settings
from schemas import examples
from schemas.alert import Source
from schemas.contract.parse import shipped
from schemas.dead_letter import Form, Header, Reason
from schemas.decoding.decoder import ClaimDecoder
from schemas.decoding.refusal import RefusedError
from tests.consumer.fakes import NOW, letter_of
from tests.harness.kafka import FakeMessage

DECODER = ClaimDecoder(shipped("auto"))
GOOD = [msgspec.json.encode(example) for example in examples.OUTCOMES]
BAD = {
    Reason.EMPTY: b"",
    Reason.NOT_UTF8: b'{"claim_id": "\xff", "outcome": "fraud"}',
    Reason.NOT_JSON: b"fraud",
    Reason.INVALID: b'{"claim_id": "c", "outcome": "maybe"}',
    Reason.TOO_DEEP: b'{"note":' + b"[" * 99_999 + b"]" * 99_999 + b"}",
}


def of(*values: bytes | None, misfits: dict[Source, int] | None = None) -> Outcome:
    messages = [FakeMessage(v, n, topic="found", partition=n % 2) for n, v in enumerate(values)]
    return screened(messages, NOW, as_it_is, DECODER, misfits or {})


def test_good_outcomes_only_move_the_offset() -> None:
    made = of(*GOOD)
    assert made.dead_letters == []
    assert made.offsets == {("found", 0): 3, ("found", 1): 2}
    assert made.outcomes == {}


@pytest.mark.parametrize("reason", BAD)
def test_a_bad_one_is_kept_as_it_was_with_its_reason(reason: Reason) -> None:
    made = of(GOOD[0], BAD[reason], GOOD[1])
    (letter,) = made.dead_letters
    assert (letter.key, letter.value) == (b"key", BAD[reason])
    said = letter_of(letter)
    assert (said.reason, said.topic, said.partition, said.offset) == (reason, "found", 1, 1)
    assert made.letter_sources == [Source("found", 1, 1)]
    assert made.outcomes == {("found", 1): 1}
    assert made.offsets == {("found", 0): 3, ("found", 1): 2}
    assert made.reasons == {reason: 1}


def test_a_refusal_names_the_place_and_no_value() -> None:
    with pytest.raises(RefusedError) as refused:
        read_outcome(b'{"claim_id": "Jane Roe", "outcome": "fraud", "amount_saved": "much"}')
    assert refused.value.path == "$.amount_saved"
    assert "Roe" not in str(refused.value)
    assert "much" not in str(refused.value)


def test_a_dead_letter_that_did_not_fit_is_cut() -> None:
    large = b"x" * 50_000
    made = of(large, misfits={Source("found", 0, 0): 1})
    (letter,) = made.dead_letters
    assert letter_of(letter).value is Form.CUT
    assert len(letter.value or b"") < 2_000


def test_headers_that_nothing_can_carry_are_left_out() -> None:
    headers: list[Header] = [(f"h{number}", b"") for number in range(1_001)]
    made = screened([FakeMessage(b"", 7, headers=headers)], NOW, as_it_is, DECODER, {})
    (letter,) = made.dead_letters
    assert not {name for name, _ in letter.headers or ()} & {"h0", "h1000"}
    assert letter_of(letter).offset == 7


def test_the_session_is_the_process_s_own_whatever_the_worker_s_is() -> None:
    found = own_settings(
        read_settings(
            {
                "CONSUMER_GROUP": "g",
                "DELIVERY": "at-least-once",
                "KAFKA_ISOLATION_LEVEL": "read_uncommitted",
                "KAFKA_GROUP_PROTOCOL": "consumer",
                "KAFKA_COMPRESSION_TYPE": "zstd",
            }
        )
    )
    assert found.consumer_group == "g-outcomes"
    assert (found.delivery, found.membership) == (Delivery.EXACTLY_ONCE, Membership.DYNAMIC)
    assert found.claims_topic == "fraud-outcomes"
    assert found.alerts_topic == found.dead_letter_topic == "outcomes-dead-letter"
    assert (found.librdkafka, found.group_protocol) == ({"compression.type": "zstd"}, "classic")
