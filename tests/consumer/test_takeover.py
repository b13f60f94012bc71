"""Where reading starts, depending on what is visible in the outputs."""

from collections.abc import Mapping
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from consumer.batch.alerts import referrals
from consumer.batch.process import process
from consumer.intake.evidence import Evidence, source_of
from consumer.intake.takeover import Judged, Start, TakeOver, judge
from consumer.kafka.outputs import Ends
from consumer.kafka.receipts import Place, Receipt, Receipts
from tests.consumer.fakes import NOW, FakeScorer, claim
from tests.harness.kafka import FakeMessage

P0 = ("claims", 0)
RECEIPT = Receipt(1_000, 100, 10, "group-w1")


@pytest.mark.parametrize(
    ("visible", "start", "missing"),
    [
        (range(100, 110), Start(110), 0),
        ([*range(90, 100), *range(100, 110)], Start(110), 0),
        (range(100, 120), Start(110, frozenset(range(110, 120))), 0),
        (range(100, 106), Start(100, frozenset(range(100, 106))), 4),
        ([], Start(100), 10),
        ([*range(100, 103), 115], Start(100, frozenset([100, 101, 102, 115])), 7),
    ],
    ids=["whole", "older ones", "offsets lost", "some outputs lost", "all lost", "both"],
)
def test_what_is_missing_is_read_again_and_what_is_there_left_out(
    visible: Any, start: Start, missing: int
) -> None:
    assert judge(110, RECEIPT, visible) == (start, missing)


def test_without_a_receipt_the_committed_offset_counts() -> None:
    assert judge(110, None, [108, 112]) == (Start(110), 0)


@given(
    st.sets(st.integers(0, 60)), st.sets(st.integers(0, 60)), st.integers(0, 30), st.integers(0, 30)
)
def test_every_claim_has_one_outcome_whatever_was_marked(
    published: set[int], lost: set[int], begin: int, length: int
) -> None:
    """Publish, lose any of the last outcomes or the offset, take over, read on: once each."""
    committed = begin + length
    counted = {o for o in published if begin <= o < committed}
    visible = {o for o in published if o < begin} | {o for o in published - lost if o >= begin}
    start, _ = judge(committed, Receipt(0, begin, len(counted), "w"), visible)
    again = {o for o in published if o >= start.offset and o not in start.done}
    assert visible | again == published
    assert not visible & again


@pytest.mark.parametrize("begin", [101, 9_999_999_999_999_999_999])
def test_a_receipt_that_begins_after_its_offset_is_none(begin: int) -> None:
    found = judge(100, Receipt(0, begin, 3, "w"), {101, 102})
    assert found == Judged(Start(100), 0)


class Outputs(Ends):
    """One output partition; `opened` is what is open at each question."""

    def __init__(self) -> None:
        self.opened: list[dict[Place, int]] = []
        self.asked: list[Mapping[Place, int]] = []
        self.end = 50
        self.answers = True

    def written(self) -> dict[Place, int]:
        return {("alerts", 0): self.end}

    def open(self, written: Mapping[Place, int]) -> dict[Place, int]:
        if not self.answers:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        self.asked.append(written)
        return self.opened.pop(0) if self.opened else {}


class FakeEvidence(Evidence):
    """Finds what it is given, at the second step."""

    def __init__(self, found: Mapping[Place, set[int]], *asked: object) -> None:
        self.found = dict(found)
        self.seen = 0
        self.asked = asked
        self.steps = 0

    def step(self, _: float) -> bool:
        self.steps += 1
        return self.steps > 1

    def close(self) -> None:
        self.steps = -99


class Looked:
    """Every search of the outputs, and what the next one finds."""

    def __init__(self) -> None:
        self.visible: Mapping[Place, set[int]] = {}
        self.made: list[FakeEvidence] = []

    def __call__(self, ends: Any, since_ms: int, of: Any) -> FakeEvidence:
        self.made.append(FakeEvidence(self.visible, dict(ends), since_ms, sorted(of)))
        return self.made[-1]


@pytest.fixture
def receipts() -> Receipts:
    return Receipts("group-w1")


@pytest.fixture
def outputs() -> Outputs:
    return Outputs()


@pytest.fixture
def looked() -> Looked:
    return Looked()


@pytest.fixture
def over(receipts: Receipts, outputs: Outputs, looked: Looked) -> TakeOver:
    return TakeOver(receipts, outputs, looked)


def committed(text: str | None, offset: int = 110) -> list[TopicPartition]:
    topic, partition = P0
    return [
        TopicPartition(topic, partition, offset)
        if text is None
        else TopicPartition(topic, partition, offset, text)
    ]


def test_nothing_is_read_while_a_transaction_is_open_in_the_outputs(
    over: TakeOver, outputs: Outputs
) -> None:
    outputs.opened = [{("alerts", 0): 41}] * 2
    assert over.step(committed(None)) is None
    assert over.open == {("alerts", 0): 41}
    outputs.end = 70  # what comes later need not be waited for
    assert over.step(committed(None)) is None
    assert over.step(committed(None)) == {P0: Start(110)}
    assert [dict(asked) for asked in outputs.asked] == [{("alerts", 0): 50}] * 3


def test_the_outputs_are_read_from_the_receipts_time_to_where_they_ended(
    over: TakeOver, looked: Looked
) -> None:
    looked.visible = {P0: set(range(100, 104))}
    text = RECEIPT.text()
    assert over.step(committed(text)) is None
    assert over.step(committed(text)) == {P0: Start(100, frozenset(range(100, 104)))}
    assert [e.asked for e in looked.made] == [({("alerts", 0): 50}, 1_000, [P0])]


def own(receipts: Receipts) -> str:
    """This worker's own last receipt: ten outcomes, up to offset 110."""
    receipts.taken(P0, 100, 1_000)
    receipts.began(1_000)
    (written,) = receipts.write({P0: 110}, {P0: 10}, 1_000)
    receipts.committed()
    assert written.metadata is not None
    return written.metadata


def test_its_own_receipt_is_believed_unless_something_was_aborted(
    over: TakeOver, receipts: Receipts, looked: Looked
) -> None:
    text = own(receipts)
    assert over.step(committed(text)) == {P0: Start(110)}
    assert looked.made == []
    over.restart(distrust=True)
    assert over.step(committed(text)) is None
    assert over.step(committed(text)) == {P0: Start(100)}
    assert (
        over.step(committed(text)) is None
    )  # read by nobody since, but started again: not its own


def test_a_rebalance_in_between_begins_anew(
    over: TakeOver, outputs: Outputs, looked: Looked
) -> None:
    assert over.step(committed(RECEIPT.text())) is None
    over.restart(distrust=False)
    outputs.end = 60
    assert over.step(committed(RECEIPT.text())) is None
    assert [e.asked[0] for e in looked.made] == [{("alerts", 0): 50}, {("alerts", 0): 60}]
    assert looked.made[0].steps == -99


def test_without_partitions_nothing_is_asked(over: TakeOver, outputs: Outputs) -> None:
    assert over.step([]) == {}
    assert outputs.asked == []


def test_kafka_that_does_not_answer_is_asked_again(over: TakeOver, outputs: Outputs) -> None:
    outputs.answers = False
    assert over.step(committed(None)) is None
    outputs.answers = True
    assert over.step(committed(None)) == {P0: Start(110)}


def test_every_record_of_a_batch_names_its_claim() -> None:
    messages = [FakeMessage(claim(), 41, topic="a-b-7"), FakeMessage(b"bad", 42, topic="a-b-7")]
    outcome = process(messages, FakeScorer(), NOW)
    records = [*outcome.alerts, *outcome.dead_letters]
    written = [FakeMessage(r.value, headers=list(r.headers or ())) for r in records]
    assert [source_of(m) for m in written] == [(("a-b-7", 0), 41), (("a-b-7", 0), 42)]
    assert outcome.outcomes == {("a-b-7", 0): 2}


def test_only_what_is_published_is_counted() -> None:
    messages = [FakeMessage(claim("c", 100.0), 1), FakeMessage(claim("d", 900.0), 2)]
    outcome = process([*messages, FakeMessage(b"", 3)], FakeScorer(), NOW, wanted=referrals)
    assert outcome.outcomes == {P0: 2}


@pytest.mark.parametrize(
    "headers",
    [None, [], [("ce_id", b"x")], [("ce_id", b"a-b-c-d")], [("__streams.errors.topic", b"t")]],
)
def test_records_of_others_are_of_no_claim(headers: Any) -> None:
    assert source_of(FakeMessage(b"", headers=headers)) is None
