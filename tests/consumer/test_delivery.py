"""Actions on each error of a transaction, and their order."""

import math
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest
from confluent_kafka import KafkaError

from consumer.batch.alerts import referrals
from consumer.batch.process import process
from consumer.batch.records import Record
from consumer.errors import AbortedError, KafkaStoppedError, TooLargeError
from consumer.kafka.receipts import Receipts
from consumer.kafka.watchdog import Watchdog
from consumer.publishing.delivery import AtLeastOnce
from consumer.publishing.leftovers import Leftovers
from consumer.publishing.publication import Publication
from consumer.publishing.sizes import ALONE, ALONE_S, LARGE_BYTES
from consumer.publishing.transactions import ExactlyOnce
from consumer.settings.settings import Settings
from tests.consumer.fakes import NOW, FakeScorer, claim
from tests.harness.kafka import FakeBroker, FakeMessage, FakeProducer

SETTINGS = Settings(instance_id="w1")


TOO_LARGE = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE, "too large", txn_requires_abort=True)
PURGED = KafkaError(KafkaError._PURGE_QUEUE, "purged", txn_requires_abort=True)
SKIPPED = KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "skipped", txn_requires_abort=True)
HIDDEN = [("commit", TOO_LARGE), ("offsets [(0, 43)] generation 1", PURGED), ("commit", SKIPPED)]
"""Errors of a transaction in which a record was refused because of its size."""


class FakeLeftovers(Leftovers):
    """Writes down when it is asked to end what was left open."""

    def __init__(self, calls: list[str], *, found: bool = False) -> None:
        self.calls = calls
        self.found = found

    def clear(self, producer: Any, timeout_s: float) -> bool:
        self.calls.append("clear")
        return self.found

    def sweep(self, producer: Any, timeout_s: float) -> None:
        self.calls.append("sweep")


def receipts() -> Receipts:
    made = Receipts("fraud-scorer-w1")
    made.taken(("claims", 0), 40, 1_700_000_000_000)
    return made


OFFSETS = "offsets [(0, 43)] generation 1"
PRODUCED = ["produce fraud-alerts", "produce claims-dead-letter"]
WHOLE = ["begin", *PRODUCED, OFFSETS, "commit"]


@pytest.fixture
def calls() -> list[str]:
    return []


@pytest.fixture
def faults() -> dict[str, KafkaError]:
    return {}


class Producers(list[FakeProducer]):
    """Makes producers; holds every one that was made."""

    def __init__(self, calls: list[str], faults: dict[str, KafkaError]) -> None:
        self._calls = calls
        self._faults = faults

    def __call__(self, settings: Settings) -> Any:
        made = FakeProducer(
            FakeBroker(),
            transactional=settings.delivery == "exactly-once",
            calls=self._calls,
            faults=self._faults,
            properties=settings.librdkafka,
        )
        self.append(made)
        return made


@pytest.fixture
def producers(calls: list[str], faults: dict[str, KafkaError]) -> Producers:
    return Producers(calls, faults)


@pytest.fixture
def watchdog() -> Iterator[Watchdog]:
    made = Watchdog(3_600)
    yield made
    made.close()


@pytest.fixture
def publisher(producers: Producers, calls: list[str], watchdog: Watchdog) -> Iterator[ExactlyOnce]:
    made = ExactlyOnce(SETTINGS, watchdog, receipts(), FakeLeftovers(calls), producers)
    assert calls == ["init", "clear"]
    calls.clear()
    yield made
    made.close()


@pytest.fixture
def publication() -> Publication:
    """One alert, one dead letter."""
    batch = [FakeMessage(claim(), 41), FakeMessage(b"bad", 42)]
    return Publication.of(process(batch, FakeScorer(), NOW), SETTINGS)


def publish(
    publisher: ExactlyOnce | AtLeastOnce, publication: Publication, calls: list[str]
) -> None:
    publisher.publish(publication, "generation 1", lambda: calls.append("done"))
    publisher.settle()


def test_alerts_dead_letters_and_offsets_in_one_transaction(
    publisher: ExactlyOnce, publication: Publication, calls: list[str]
) -> None:
    publish(publisher, publication, calls)
    publish(publisher, publication, calls)
    assert calls == [*WHOLE, "done"] * 2


ABORTABLE = KafkaError(KafkaError.UNKNOWN_PRODUCER_ID, "abortable", txn_requires_abort=True)
UNKNOWN = KafkaError(KafkaError._TIMED_OUT, "unknown", retriable=True)
FATAL = KafkaError(KafkaError._FATAL, "fatal", fatal=True)
FENCED = KafkaError(KafkaError.PRODUCER_FENCED, "fenced")
LATE = KafkaError(KafkaError.ILLEGAL_GENERATION, "rebalanced", txn_requires_abort=True)


@pytest.mark.parametrize("step", ["produce fraud-alerts", OFFSETS, "commit"])
@pytest.mark.parametrize("error", [ABORTABLE, LATE])
def test_after_an_abort_the_producer_is_never_used_again(
    publisher: ExactlyOnce,
    producers: Producers,
    publication: Publication,
    calls: list[str],
    faults: dict[str, KafkaError],
    step: str,
    error: KafkaError,
) -> None:
    faults[step] = error
    with pytest.raises(AbortedError):
        publish(publisher, publication, calls)
    assert calls == [*WHOLE[: WHOLE.index(step) + 1], "abort", "purge", "init", "clear"]
    assert len(producers) == 2
    calls.clear()
    publish(publisher, publication, calls)
    assert calls == [*WHOLE, "done"]


@pytest.mark.parametrize("step", ["begin", OFFSETS, "commit"])
def test_after_an_unknown_outcome_the_producer_is_never_used_again(
    publisher: ExactlyOnce,
    producers: Producers,
    publication: Publication,
    calls: list[str],
    faults: dict[str, KafkaError],
    step: str,
) -> None:
    faults[step] = UNKNOWN
    with pytest.raises(AbortedError):
        publish(publisher, publication, calls)
    assert calls == [*WHOLE[: WHOLE.index(step) + 1], "purge", "init", "clear"]
    assert len(producers) == 2


def test_the_producer_that_swept_at_the_start_publishes_nothing(
    producers: Producers, calls: list[str], watchdog: Watchdog
) -> None:
    made = ExactlyOnce(SETTINGS, watchdog, receipts(), FakeLeftovers(calls, found=True), producers)
    assert calls == ["init", "clear", "init"]
    assert id(made._producer) == id(producers[1])
    made.close()


def test_an_abort_of_unknown_outcome_discards_the_producer(
    publisher: ExactlyOnce,
    producers: Producers,
    publication: Publication,
    calls: list[str],
    faults: dict[str, KafkaError],
) -> None:
    faults.update({"commit": ABORTABLE, "abort": UNKNOWN})
    with pytest.raises(AbortedError):
        publish(publisher, publication, calls)
    assert calls[-4:] == ["abort", "purge", "init", "clear"]
    assert len(producers) == 2


@pytest.mark.parametrize("step", ["begin", "produce fraud-alerts", OFFSETS, "commit"])
@pytest.mark.parametrize("error", [FATAL, FENCED])
def test_a_fatal_error_stops_the_worker(
    publisher: ExactlyOnce,
    producers: Producers,
    publication: Publication,
    calls: list[str],
    faults: dict[str, KafkaError],
    step: str,
    error: KafkaError,
) -> None:
    faults[step] = error
    with pytest.raises(KafkaStoppedError, match="publishing"):
        publish(publisher, publication, calls)
    assert "done" not in calls
    assert len(producers) == 1


@pytest.mark.parametrize(("step", "error"), HIDDEN)
def test_records_that_may_not_fit_are_sent_one_by_one(
    publisher: ExactlyOnce,
    producers: Producers,
    publication: Publication,
    calls: list[str],
    faults: dict[str, KafkaError],
    step: str,
    error: KafkaError,
) -> None:
    """Once more compressed and alone; if they fit then, later batches are sent as before."""
    publisher._sizes._clock = lambda: now[0]
    now = [1_000.0]
    faults[step] = error
    with pytest.raises(TooLargeError) as refused:
        publish(publisher, publication, calls)
    assert refused.value.sources == frozenset(), "not known yet"
    assert calls == [*WHOLE[: WHOLE.index(step) + 1], "purge", "init", "clear"]
    assert producers[-1].properties == ALONE
    calls.clear()
    nothing = Publication((), publication.offsets, publication.outcomes)
    publish(publisher, nothing, calls)
    publish(publisher, publication, calls)
    publish(publisher, publication, calls)
    assert len(producers) == 2, "large records come in series"
    now[0] += ALONE_S
    publish(publisher, nothing, calls)
    assert len(producers) == 3
    assert producers[-1].properties == {}


def test_offsets_alone_prove_nothing(
    publisher: ExactlyOnce,
    producers: Producers,
    publication: Publication,
    calls: list[str],
    faults: dict[str, KafkaError],
) -> None:
    now = [1_000.0]
    publisher._sizes._clock = lambda: now[0]
    faults["commit"] = TOO_LARGE
    with pytest.raises(TooLargeError):
        publish(publisher, publication, calls)
    now[0] += ALONE_S
    nothing = Publication((), publication.offsets, publication.outcomes)
    publish(publisher, nothing, calls)
    publish(publisher, nothing, calls)
    assert len(producers) == 2


def test_as_long_as_large_records_come_they_are_sent_alone(
    publisher: ExactlyOnce,
    producers: Producers,
    publication: Publication,
    calls: list[str],
    faults: dict[str, KafkaError],
) -> None:
    now = [1_000.0]
    publisher._sizes._clock = lambda: now[0]
    faults["commit"] = TOO_LARGE
    with pytest.raises(TooLargeError):
        publish(publisher, publication, calls)
    alerts, letters = publication.outputs
    large = alerts._replace(records=[Record(b"k" * (LARGE_BYTES + 1), b"a", [])])
    long = publication._replace(outputs=(large, letters))
    for _ in range(3):
        publish(publisher, long, calls)
        now[0] += ALONE_S - 1
    publish(publisher, publication, calls)
    assert len(producers) == 2
    now[0] += ALONE_S
    publish(publisher, publication, calls)
    publish(publisher, publication, calls)
    assert len(producers) == 3


def test_what_does_not_fit_alone_is_named(
    publisher: ExactlyOnce,
    producers: Producers,
    publication: Publication,
    calls: list[str],
    faults: dict[str, KafkaError],
) -> None:
    faults["commit"] = TOO_LARGE
    with pytest.raises(TooLargeError):
        publish(publisher, publication, calls)
    for _ in range(2):
        calls.clear()
        producers[-1].unfit = {"claims-dead-letter"}
        with pytest.raises(TooLargeError, match=r"publishing: MSG_SIZE_TOO_LARGE") as refused:
            publish(publisher, publication, calls)
        assert [source.offset for source in refused.value.sources] == [42]
        # Neither offsets nor a commit, which would wait for what is queued behind it.
        assert calls == ["begin", *PRODUCED, "purge", "init", "clear"]
    assert [p.properties for p in producers] == [{}, ALONE, ALONE, ALONE]


def test_a_record_the_client_refuses_is_named_too(
    publisher: ExactlyOnce,
    publication: Publication,
    calls: list[str],
    faults: dict[str, KafkaError],
) -> None:
    for offsets in ([], [41]):
        faults["produce fraud-alerts"] = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE, "client's limit")
        with pytest.raises(TooLargeError) as refused:
            publish(publisher, publication, calls)
        assert [s.offset for s in refused.value.sources] == offsets


def test_a_record_refused_while_others_are_queued_is_named_too(
    publisher: ExactlyOnce,
    producers: Producers,
    publication: Publication,
    calls: list[str],
    faults: dict[str, KafkaError],
) -> None:
    """The client queues nothing more then, and has not yet reported which one was refused."""
    faults["commit"] = TOO_LARGE
    with pytest.raises(TooLargeError):
        publish(publisher, publication, calls)
    producers[-1].unfit = {"fraud-alerts"}
    faults["produce claims-dead-letter"] = KafkaError(KafkaError._STATE, "erroneous state")
    with pytest.raises(TooLargeError) as refused:
        publish(publisher, publication, calls)
    assert [s.offset for s in refused.value.sources] == [41]


def test_nothing_is_published_after_a_batch_that_was_not(
    publisher: ExactlyOnce,
    publication: Publication,
    calls: list[str],
    faults: dict[str, KafkaError],
) -> None:
    """The commit of a batch fails while the next one is scored: that one must not go out."""
    faults["commit"] = ABORTABLE
    publisher.publish(publication, "generation 1", lambda: calls.append("done"))
    with pytest.raises(AbortedError):
        publisher.publish(publication, "generation 1", lambda: calls.append("done"))
    assert calls == [*WHOLE, "abort", "purge", "init", "clear"]


def test_starting_waits_for_kafka(
    producers: Producers,
    faults: dict[str, KafkaError],
    calls: list[str],
    watchdog: Watchdog,
) -> None:
    faults["init"] = UNKNOWN
    ExactlyOnce(SETTINGS, watchdog, receipts(), FakeLeftovers(calls), producers).close()
    assert calls == ["init", "init", "clear"]
    faults["init"] = KafkaError(KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "no")
    with pytest.raises(KafkaStoppedError, match="CONSUMER_GROUP/INSTANCE_ID"):
        ExactlyOnce(SETTINGS, watchdog, receipts(), FakeLeftovers(calls), producers)


@pytest.fixture
def at_least_once(producers: Producers, calls: list[str], watchdog: Watchdog) -> AtLeastOnce:
    settings = msgspec.structs.replace(SETTINGS, delivery="at-least-once")
    return AtLeastOnce(
        settings,
        watchdog,
        lambda offsets: calls.append(f"commit {offsets[0].offset}"),
        FakeLeftovers(calls),
        producers,
    )


def test_at_least_once_commits_what_was_acknowledged(
    at_least_once: AtLeastOnce, publication: Publication, calls: list[str]
) -> None:
    publish(at_least_once, publication, calls)
    assert calls == [*PRODUCED, "flush", "commit 43", "done"]


def test_at_least_once_commits_nothing_that_was_not(
    at_least_once: AtLeastOnce,
    producers: Producers,
    publication: Publication,
    calls: list[str],
) -> None:
    producers[0].undelivered = KafkaError(KafkaError._MSG_TIMED_OUT, "no")
    with pytest.raises(KafkaStoppedError, match="publishing"):
        publish(at_least_once, publication, calls)
    assert calls == [*PRODUCED, "flush"]


def test_at_least_once_finds_what_does_not_fit(
    at_least_once: AtLeastOnce,
    producers: Producers,
    publication: Publication,
    calls: list[str],
) -> None:
    for offsets in ([], [42]):
        producers[-1].unfit = {"claims-dead-letter"}
        with pytest.raises(TooLargeError) as refused:
            publish(at_least_once, publication, calls)
        assert [s.offset for s in refused.value.sources] == offsets
    assert [p.properties for p in producers] == [{}, ALONE, ALONE]
    assert not any(call.startswith("commit") for call in calls)
    publish(at_least_once, publication, calls)
    at_least_once._sizes._clock = lambda: math.inf
    publish(at_least_once, publication, calls)
    assert producers[-1].properties == {}
    assert calls[-1] == "done"


def test_offsets_of_a_batch_without_outcomes_are_committed(
    publisher: ExactlyOnce, calls: list[str]
) -> None:
    """PUBLISH=referrals and no referral: the claims are done all the same."""
    none = process([FakeMessage(claim(), 42)], FakeScorer(), NOW, wanted=referrals)
    assert np.array_equal(none.probabilities, [0.0])
    publish(publisher, Publication.of(none, SETTINGS), calls)
    assert calls == ["begin", OFFSETS, "commit", "done"]
