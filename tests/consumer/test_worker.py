"""The loop's own decisions, with a session that does what the test says."""

import pytest

from consumer.errors import AbortedError, KafkaStoppedError, TooLargeError
from consumer.session.session import Aborted, Committed, Rewound
from consumer.worker.worker import MAX_ABORTS_IN_A_ROW
from schemas.alert import Source
from tests.consumer.fakes import claim
from tests.consumer.working import FakeSession, Made
from tests.harness.kafka import FakeMessage


def test_a_batch_is_published_and_counted_once_it_is_committed() -> None:
    made = Made(FakeSession([FakeMessage(claim("a"), 1), FakeMessage(b"no", 2)]))
    made.session.settle = lambda: True  # type: ignore[method-assign]
    made.turns(1)
    ((outcome, batch),) = made.session.published
    assert (len(outcome.alerts), len(outcome.dead_letters)) == (1, 1)
    assert made.value("claims_scored_total") == 0
    made.session.due = [Committed(batch, 1.0)]
    made.turns(1)
    assert made.value("claims_scored_total") == 1


def test_stopping_settles_and_counts_the_last_batch() -> None:
    made = Made(FakeSession([FakeMessage(claim("a"), 1)]))
    made.turns(1)
    assert made.session.settled == 1
    assert made.value("claims_scored_total") == 1


def test_what_is_given_up_is_not_measured() -> None:
    made = Made(FakeSession([FakeMessage(claim("a"), 1)]))
    made.session.accepts = False
    made.turns(1)
    assert made.value("claims_scored_total") == 0


def test_aborts_without_end_stop_the_worker() -> None:
    made = Made(FakeSession())
    made.session.due = [Aborted(AbortedError("fenced")) for _ in range(MAX_ABORTS_IN_A_ROW)]
    with pytest.raises(KafkaStoppedError, match="in a row"):
        made.turns(2)
    assert made.value("transactions_total", outcome="aborted") == MAX_ABORTS_IN_A_ROW


def test_a_commit_in_between_begins_the_count_again() -> None:
    made = Made(FakeSession())
    aborts = [Aborted(AbortedError("fenced")) for _ in range(MAX_ABORTS_IN_A_ROW - 1)]
    made.session.due = [*aborts, Committed(None, 1.0), *aborts]
    made.turns(2)


def test_what_does_not_fit_is_learnt_and_not_counted_against_it() -> None:
    made = Made(FakeSession())
    source = Source(topic="claims", partition=0, offset=1)
    error = TooLargeError("too large", frozenset({source}))
    fruitless = [Aborted(AbortedError("x"))] * (MAX_ABORTS_IN_A_ROW - 1)
    made.session.due = [*fruitless, Aborted(error), *fruitless]
    made.turns(1)
    assert made.misfits.counts == {source: 1}


def test_the_budget_forgets_what_is_read_again() -> None:
    bad = [FakeMessage(b"no", 1), FakeMessage(b"no", 2)]
    made = Made(FakeSession(bad, bad))
    left = iter(range(2))

    def poll() -> None:
        made.session.due = [Rewound()]
        if next(left, None) is None:
            made.worker.stop()

    made.session.on_poll = poll
    made.worker.run()
    assert len(made.session.published) == 2


def test_lag_and_assignment_are_shown() -> None:
    made = Made(FakeSession())
    made.turns(1)
    assert (made.loop.assigned, made.loop.lag) == (1, 5)
