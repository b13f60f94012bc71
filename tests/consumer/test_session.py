"""The session's own decisions, with a source and a publisher that do what the test says."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import pytest

from consumer.batch.process import process
from consumer.errors import AbortedError
from consumer.intake.source import Poll
from consumer.kafka.receipts import Receipts
from consumer.kafka.watchdog import Watchdog
from consumer.publishing.publication import Publication
from consumer.session.session import (
    FEW_ALONE,
    Aborted,
    Callbacks,
    Clients,
    Committed,
    Rewound,
    Session,
)
from consumer.settings.settings import Settings
from tests.consumer.fakes import NOW, FakeScorer

PLACE = ("claims", 0)
NOTHING = Poll([], rebalanced=False)
SEVEN = process([], FakeScorer(), NOW)._replace(offsets={PLACE: 7})


class Source:
    """Brings what it is given; notes when it is set back."""

    group_metadata = None

    def __init__(self) -> None:
        self.assigned: frozenset[tuple[str, int]] = frozenset()
        self.void = False
        self.rewound: list[bool] = []
        self.most = 0
        self.polls: list[Poll] = []
        self.committed: dict[tuple[str, int], int] = {}
        self.closed = False

    def poll(self, most: int) -> Poll:
        self.most = most
        return self.polls.pop(0) if self.polls else NOTHING

    def rewind(self, *, aborted: bool) -> None:
        self.rewound.append(aborted)

    def lag(self, committed: dict[tuple[str, int], int]) -> dict[tuple[str, int], int]:
        self.committed = committed
        return {}

    def close(self) -> None:
        self.closed = True


class Publisher:
    """Its commits fail as often as it is told, when they are settled."""

    def __init__(self) -> None:
        self.failures = 0
        self.published: list[Publication] = []
        self.confirm = True
        self.sends_alone = False
        self.closed = False

    def publish(self, publication: Publication, _: object, done: Callable[[], None]) -> None:
        self.settle()
        self.published.append(publication)
        if self.confirm:
            done()

    def settle(self) -> None:
        if self.failures:
            self.failures -= 1
            raise AbortedError("fenced")

    def busy(self) -> bool:
        return False

    def alone(self) -> bool:
        return self.sends_alone

    def sweep(self) -> None:
        self.settle()

    def close(self) -> None:
        self.closed = True


class Quiet:
    """Stalls and prover: nothing is open."""

    def running(self) -> AbstractContextManager[None]:
        return nullcontext()

    def over(self) -> None: ...
    def open_for(self, _: float) -> dict[tuple[str, int], int]:
        return {}


class Made:
    """A session with its parts."""

    def __init__(self, settings: Settings) -> None:
        self.source, self.publisher = Source(), Publisher()
        watchdog = Watchdog(60, lambda: None)
        self.session: Session[str] = Session(settings, watchdog, lambda *_: None, self._make)
        watchdog.close()

    def _make(self, _: Settings, __: Watchdog, receipts: Receipts, asked: Callbacks) -> Clients:
        self.receipts, self.asked = receipts, asked
        quiet = cast(Any, Quiet())
        return Clients(self.publisher, cast(Any, self.source), quiet, quiet)


@pytest.fixture
def made() -> Iterator[Made]:
    found = Made(Settings(instance_id="i"))
    with found.session:
        yield found
    assert (found.source.closed, found.publisher.closed) == (True, True)


def test_nothing_is_connected_before_it_is_entered() -> None:
    found = Made(Settings(instance_id="i"))
    assert not hasattr(found, "asked")
    with found.session:
        assert found.asked.busy() is False


def test_what_is_committed_comes_back_with_its_tag(made: Made) -> None:
    assert made.session.publish(SEVEN, "first")
    ((committed,)) = made.session.events()
    assert isinstance(committed, Committed)
    assert committed.tag == "first"
    assert made.session.events() == []
    made.session.lag()
    assert made.source.committed == {PLACE: 7}


def test_a_failed_commit_is_noticed_when_nothing_new_comes(made: Made) -> None:
    made.publisher.failures = 1
    made.session.poll()
    aborted, rewound = made.session.events()
    assert isinstance(aborted, Aborted)
    assert isinstance(rewound, Rewound)
    assert made.source.rewound == [True]


def test_a_failed_commit_is_noticed_by_the_next_one(made: Made) -> None:
    made.publisher.failures = 1
    assert not made.session.publish(SEVEN, "second")
    assert [type(event) for event in made.session.events()] == [Aborted, Rewound]
    assert made.source.rewound == [True]
    assert made.publisher.published == []


def test_a_rebalance_voids_what_was_polled(made: Made) -> None:
    made.source.polls = [Poll([], rebalanced=True)]
    assert made.session.poll().rebalanced
    assert [type(event) for event in made.session.events()] == [Rewound]
    assert made.source.rewound == [False]


def test_an_abort_before_partitions_are_given_up_is_reported(made: Made) -> None:
    made.publisher.failures = 1
    assert made.asked.settle() is False
    assert [type(event) for event in made.session.events()] == [Aborted]


@pytest.mark.parametrize("failures", [0, 1])
def test_a_sweep_reads_everything_again(made: Made, failures: int) -> None:
    made.publisher.failures = failures
    made.asked.sweep()
    kinds = [type(event) for event in made.session.events()]
    assert kinds == [*[Aborted] * failures, Rewound]
    assert made.source.rewound == [True]


def test_a_first_receipt_goes_out_before_the_batch(made: Made) -> None:
    message = cast(Any, object())
    made.source.polls = [Poll([message], False, first={PLACE: 3})]
    assert made.session.poll().messages == [message]
    assert [outcome.offsets for outcome in made.publisher.published] == [{PLACE: 3}]
    (committed,) = made.session.events()
    assert isinstance(committed, Committed)
    assert committed.tag is None


def test_a_batch_waits_for_its_first_receipt(made: Made) -> None:
    made.source.polls = [Poll([cast(Any, object())], False, first={PLACE: 3})]
    made.publisher.failures = 1
    assert made.session.poll() == NOTHING
    assert made.source.rewound == [True]


def test_claims_that_have_their_outcome_are_passed(made: Made) -> None:
    made.source.polls = [Poll([], False, done={PLACE: 3}, offsets={PLACE: 9})]
    assert made.session.poll().messages == []
    (passed,) = made.publisher.published
    assert (passed.offsets, passed.outcomes) == ({PLACE: 9}, {PLACE: 3})


def test_batches_are_small_while_records_are_sent_alone(made: Made) -> None:
    made.session.poll()
    assert made.source.most == 1_000
    made.publisher.sends_alone = True
    made.session.poll()
    assert made.source.most == FEW_ALONE


def test_what_is_not_confirmed_is_unknown(made: Made) -> None:
    assert made.session.unknown() is None
    made.publisher.confirm = False
    made.session.publish(SEVEN, "first")
    assert "it is unknown whether the batch in flight was committed" in str(made.session.unknown())
    made.publisher.failures = 1
    assert made.session.settle() is False
    assert made.session.unknown() is None


def test_no_receipt_is_renewed_of_what_another_worker_may_have_read(made: Made) -> None:
    """A partition that comes back may have been read by others: its old offset must not return."""
    made.receipts.taken(PLACE, 10, 1_000)
    made.receipts.write({PLACE: 20}, {PLACE: 10}, 1_000)
    made.receipts.committed()
    made.source.assigned = frozenset({PLACE})
    made.source.void = True
    made.session.poll()
    assert made.publisher.published == []
    made.source.void = False
    made.session.poll()
    assert [outcome.offsets for outcome in made.publisher.published] == [{PLACE: 20}]


@pytest.mark.parametrize(("left_out", "scored", "end"), [(29, 40, 40), (40, 30, 40)])
def test_the_end_of_a_batch_is_committed_wherever_claims_were_left_out(
    left_out: int, scored: int, end: int
) -> None:
    p0, p1 = ("claims", 0), ("claims", 1)
    publication = Publication((), {p0: scored}, {p0: 5})
    merged = publication.joined({p0: 3}, {p0: left_out}, {p0: 7, p1: 9})
    assert (merged.offsets, merged.outcomes) == ({p0: end, p1: 9}, {p0: 8})
