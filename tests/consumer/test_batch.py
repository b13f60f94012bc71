"""A batch of records in; alerts, dead letters and offsets out."""

import datetime as dt
import math
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.batch.alerts import all_alerts, referrals
from consumer.batch.process import Outcome, next_offsets, process
from consumer.batch.records import coordinates
from consumer.errors import ScoringBugError
from model.history.features import ClaimHistory
from model.scoring.scorer import Assessment
from schemas.alert import Decision, ReasonItem, Source
from schemas.claim import Claim, Role, fields_by_role
from schemas.dead_letter import ATTEMPT_HEADER, Header, Reason
from schemas.decoding.refusal import RefusedError
from schemas.decoding.size import MAX_CLAIM_BYTES
from tests.consumer.fakes import NOW, FakeScorer, alert_of, claim, decode, letter_of
from tests.harness.bad_records import BAD
from tests.harness.kafka import FakeMessage


def outcome(*messages: FakeMessage, referrals_only: bool = False) -> Outcome:
    wanted = referrals if referrals_only else all_alerts
    return process(messages, FakeScorer(), NOW, wanted=wanted)


@pytest.mark.parametrize("kind", BAD)
def test_what_is_refused_and_where(kind: str) -> None:
    value, reason, path = BAD[kind]
    with pytest.raises(RefusedError) as refused:
        decode(value)
    assert (refused.value.reason, refused.value.path) == (reason, path)
    assert str(refused.value)


@pytest.mark.parametrize(
    "value",
    [
        b'{"claim_id": "c1", "field_of_a_later_version": [1, {"a": null}]}',
        b'{"claim_id": "c1", "vehicle_make": "a make nobody has heard of"}',
        b' {"claim_id": "c1"}\n',
        b'{"claim_id": "c0", "claim_id": "c1"}',
        b'{"claim_id": "c1", "claim_amount": null}',
    ],
)
def test_what_is_accepted(value: bytes) -> None:
    assert decode(value).claim_id == "c1"


def test_the_largest_claim_is_accepted() -> None:
    value = claim("c1")
    assert decode(value + b" " * (MAX_CLAIM_BYTES - len(value))).claim_id == "c1"


ENVELOPE = b'{"specversion": "1.0", "id": "1", "source": "intake", "type": "claim", "data": %s}'
STRUCTURED: list[Header] = [("content-type", b"application/cloudevents+json; charset=utf-8")]


def test_a_structured_cloudevent_holds_the_claim_in_data() -> None:
    assert decode(ENVELOPE % claim("c7"), STRUCTURED).claim_id == "c7"


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (ENVELOPE % b'{"claim_id": "c1", "witnesses": -1}', "$.data.witnesses"),
        (ENVELOPE % b"[]", "$.data"),
        (b'{"specversion": "1.0"}', "$"),
        (claim(), "$"),
    ],
)
def test_the_path_of_a_fault_leads_into_the_envelope(value: bytes, path: str) -> None:
    with pytest.raises(RefusedError) as refused:
        decode(value, STRUCTURED)
    assert (refused.value.reason, refused.value.path) == (Reason.INVALID, path)


def test_an_alert_for_each_claim_under_the_claims_key() -> None:
    made = outcome(
        FakeMessage(claim("c1", 700), 10, key=b"k1", partition=2),
        FakeMessage(claim("c2"), 11, key=None, partition=2),
    )
    assert [record.key for record in made.alerts] == [b"k1", None]
    first, second = map(alert_of, made.alerts)
    assert (first.claim_id, first.fraud_probability, first.claim_amount) == ("c1", 0.7, 700)
    assert (first.fraudulent, first.decision, first.human_review_required) == (
        True, Decision.REFER, True,
    )  # fmt: skip
    assert (second.fraudulent, second.decision, second.human_review_required) == (
        False, Decision.PASS, False,
    )  # fmt: skip
    assert first.source == Source("claims", 2, 10)
    assert (first.model, first.model_version, first.model_sha256) == ("fake", "1", "f" * 64)
    assert first.scored_at == NOW
    assert (len(made.claims), made.referred, made.dead_letters) == (2, 1, [])


def test_the_threshold_itself_is_a_referral() -> None:
    (record,) = outcome(FakeMessage(claim("c1", 500))).alerts
    assert alert_of(record).fraudulent


def test_the_same_record_has_the_same_alert_id() -> None:
    message = FakeMessage(claim("c1", 3), 10)
    assert outcome(message)[:4] == outcome(message)[:4]
    ids = {alert_of(outcome(FakeMessage(claim("c1"), n)).alerts[0]).alert_id for n in range(5)}
    assert len(ids) == 5


def test_only_referrals_are_published_when_asked() -> None:
    messages = [FakeMessage(claim(f"c{n}", n * 100), n) for n in range(10)]
    made = outcome(*messages, FakeMessage(b"bad", 10), referrals_only=True)
    assert [alert_of(r).claim_id for r in made.alerts] == [f"c{n}" for n in range(5, 10)]
    assert (len(made.claims), made.referred, len(made.dead_letters)) == (10, 5, 1)
    assert len(made.probabilities) == 10
    assert made.offsets == {("claims", 0): 11}


def test_the_model_is_called_once_for_a_batch() -> None:
    scorer = FakeScorer()
    process([FakeMessage(claim(f"c{n}"), n) for n in range(100)], scorer, NOW)
    assert len(scorer.calls) == 1


def test_a_batch_of_bad_records_does_not_bother_the_model() -> None:
    scorer = FakeScorer()
    made = process([FakeMessage(b"", 3)], scorer, NOW)
    assert (scorer.calls, len(made.claims), made.offsets) == ([], 0, {("claims", 0): 4})


def test_an_empty_batch_has_no_outcome() -> None:
    made = outcome()
    assert (made.alerts, made.dead_letters, made.offsets) == ([], [], {})


def test_a_dead_letter_is_the_record_itself_with_the_reason() -> None:
    own: list[Header] = [("trace", b"\x00\xff"), ("trace", None), ("", b"")]
    value = b'{"claim_id": 17}'
    made = outcome(FakeMessage(value, 42, key=b"\xffk", headers=own, partition=3))
    (record,) = made.dead_letters
    assert (record.key, record.value) == (b"\xffk", value)
    assert list(record.headers or ())[:3] == own
    letter = letter_of(record)
    assert (letter.reason, letter.path) == (Reason.INVALID, "$.claim_id")
    assert (letter.topic, letter.partition, letter.offset) == ("claims", 3, 42)
    assert (letter.failed_at, letter.attempt) == (NOW, 1)
    assert letter.message == "is not a text, but a number"
    assert made.reasons == {Reason.INVALID: 1}


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [([b"1"], 2), ([b"41"], 42), ([], 1), ([b""], 1), ([None], 1), ([b"-1"], 1), ([b"x"], 1),
     ([b"9" * 5_000], 1), ([b"2", b"7"], 3)],
)  # fmt: skip
def test_attempts_are_counted_on(attempts: list[bytes | None], expected: int) -> None:
    headers: list[Header] = [(ATTEMPT_HEADER, value) for value in attempts]
    (record,) = outcome(FakeMessage(b"bad", headers=headers)).dead_letters
    assert letter_of(record).attempt == expected
    assert [name for name, _ in record.headers or ()].count(ATTEMPT_HEADER) == 1


def test_headers_may_come_as_a_dictionary() -> None:
    (record,) = outcome(FakeMessage(b"bad", headers={"a": b"1", "b": None})).dead_letters
    assert list(record.headers or ())[:2] == [("a", b"1"), ("b", None)]


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans())))
def test_offsets_are_the_last_of_each_partition_plus_one(rows: list[tuple[int, bool]]) -> None:
    messages = [
        FakeMessage(claim() if good else b"bad", 100 + n, partition=partition)
        for n, (partition, good) in enumerate(rows)
    ]
    expected = {("claims", partition): 101 + n for n, (partition, _) in enumerate(rows)}
    made = outcome(*messages)
    assert made.offsets == next_offsets(map(coordinates, messages)) == expected
    assert len(made.alerts) + len(made.dead_letters) == len(rows)


@pytest.mark.parametrize("culprit", [0, 1, 6, 12])
def test_a_model_that_raises_is_bisected_to_the_record(culprit: int) -> None:
    messages = [FakeMessage(claim(f"c{n}"), 500 + n, partition=1) for n in range(13)]
    messages.insert(4, FakeMessage(b"bad", 700))
    scorer = FakeScorer(raises_on=f"c{culprit}")
    with pytest.raises(ScoringBugError, match=rf"fake 1 raised .*claims\[1\]@{500 + culprit}\."):
        process(messages, scorer, NOW)
    assert len(scorer.calls) <= 6


class Broken(FakeScorer):
    """A model that answers, but not with a probability for each claim."""

    def __init__(self, answers: Sequence[float]) -> None:
        super().__init__()
        self.answers = dict(enumerate(answers))

    def score(
        self, claims: Sequence[Claim], histories: Sequence[ClaimHistory] | None = None
    ) -> npt.NDArray[np.float64]:
        known = (self.answers.get(int(claim.claim_id)) for claim in claims)
        return np.array([answer for answer in known if answer is not None], dtype=float)


@pytest.mark.parametrize(
    ("answers", "culprit"),
    [([0.1, float("nan"), 0.3], 1), ([0.1, 0.2, 1.5], 2), ([-0.1, 0.2, 0.3], 0), ([0.1, 0.2], 2)],
)
def test_an_answer_that_is_no_probability_is_a_bug(answers: list[float], culprit: int) -> None:
    messages = [FakeMessage(claim(str(n)), 100 + n) for n in range(3)]
    with pytest.raises(ScoringBugError, match=rf"not one probability .*@{100 + culprit}\."):
        process(messages, Broken(answers), NOW)


@pytest.mark.parametrize("contribution", [math.nan, math.inf, -math.inf])
def test_a_contribution_that_is_no_number_is_a_bug(contribution: float) -> None:
    """JSON would have it as null, which no alert may have there."""

    class Explaining(FakeScorer):
        def assess(
            self, claims: Sequence[Claim], histories: Sequence[ClaimHistory] | None = None
        ) -> Assessment:
            item = ReasonItem(
                code="C", text="t", feature="f", value=None, contribution=contribution
            )
            return super().assess(claims, histories)._replace(reasons=[(item,)] * len(claims))

    with pytest.raises(ScoringBugError, match="not a finite number"):
        process([FakeMessage(claim())], Explaining(), NOW)


def test_alerts_hold_no_personal_and_no_protected_field() -> None:
    secret = fields_by_role(Role.PERSONAL) + fields_by_role(Role.PROTECTED)
    fields = {n: 77.25 if n.endswith(("_age", "gains", "losses")) else "secret" for n in secret}
    value = msgspec.json.encode({"claim_id": "c1", "claim_amount": 1_000, **fields})
    (record,) = outcome(FakeMessage(value)).alerts
    assert record.value is not None
    assert b"secret" not in record.value
    assert b"77.25" not in record.value
    assert not {*secret} & {*msgspec.json.decode(record.value)}


def test_time_is_given_not_taken() -> None:
    later = NOW + dt.timedelta(days=1)
    made = process([FakeMessage(claim()), FakeMessage(b"bad", 1)], FakeScorer(), later)
    assert alert_of(made.alerts[0]).scored_at == later
    assert letter_of(made.dead_letters[0]).failed_at == later


@pytest.mark.parametrize("value", [claim(), b"bad"])
@pytest.mark.parametrize(
    "name", ["scorer.errors.x", "scorer.revision", "__streams.errors.x", ATTEMPT_HEADER]
)
def test_headers_named_like_those_of_the_product_count_as_well(value: bytes, name: str) -> None:
    outcome = process([FakeMessage(value, headers=[(name, b"")] * 1_002)], FakeScorer(), NOW)
    (record,) = outcome.dead_letters
    assert letter_of(record).reason is Reason.TOO_LARGE
    assert len(record.headers or ()) < 20


@pytest.mark.parametrize("value", [claim(), b"bad"])
@pytest.mark.parametrize(("count", "kept"), [(1_000, 1_000), (1_001, 0), (99_999, 0)])
def test_more_headers_than_can_be_told_with_its_own_are_refused(
    value: bytes, count: int, kept: int
) -> None:
    own: list[Header] = [("a", b"")] * count
    redriven: list[Header] = [("scorer.errors.attempt", b"1"), ("scorer.errors.redriven_from", b"")]
    outcome = process([FakeMessage(value, headers=[*own, *redriven])], FakeScorer(), NOW)
    assert outcome.outcomes == {("claims", 0): 1}
    if kept and value != b"bad":
        assert not outcome.dead_letters
        return
    (record,) = outcome.dead_letters
    assert [name for name, _ in record.headers or ()].count("a") == kept
    letter = letter_of(record)
    assert letter.path == ("headers" if not kept else "$")
    assert (letter.reason is Reason.TOO_LARGE) == (not kept)
