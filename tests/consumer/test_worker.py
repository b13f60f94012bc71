"""The loop's own decisions, with a source and a publisher that do what the test says."""

from collections.abc import Callable
from typing import Any

import pytest

from consumer.batch.process import Outcome, nothing_but
from consumer.errors import AbortedError, KafkaStoppedError
from consumer.intake.source import Poll
from consumer.kafka.watchdog import Watchdog
from consumer.settings.settings import Settings
from consumer.telemetry.health import Health
from consumer.telemetry.metrics import Metrics
from consumer.worker import worker as worker_module
from consumer.worker.worker import MAX_ABORTS_IN_A_ROW, Worker


class Source:
    """Brings nothing; notes when it is set back."""

    assigned: frozenset[tuple[str, int]] = frozenset()
    group_metadata = None
    void = False

    def __init__(self, *_: Any) -> None:
        self.rewound: list[bool] = []
        self.polls = 0
        self.rebalance_at = -1
        self.on_poll: Callable[[int], None] = lambda _: None

    def poll(self) -> Poll:
        self.polls += 1
        self.on_poll(self.polls)
        return Poll([], rebalanced=self.polls == self.rebalance_at)

    def rewind(self, *, aborted: bool) -> None:
        self.rewound.append(aborted)

    def lag(self, _: object) -> dict[tuple[str, int], int]:
        return {}

    def commit(self, _: object) -> None: ...

    def close(self) -> None: ...


class Publisher:
    """Its commits in flight fail the given number of times."""

    def __init__(self) -> None:
        self.failures = 0
        self.settled = 0
        self.published: list[Outcome] = []

    def publish(self, outcome: Outcome, _: object, done: Callable[[], None]) -> None:
        self.published.append(outcome)
        done()

    def settle(self) -> None:
        self.settled += 1
        if self.failures:
            self.failures -= 1
            raise AbortedError("fenced")

    def busy(self) -> bool:
        return False

    def sweep(self) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> tuple[Worker, Source, Publisher]:
    source, publisher = Source(), Publisher()
    monkeypatch.setattr(worker_module, "ClaimSource", lambda *_: source)
    monkeypatch.setattr(worker_module, "make_publisher", lambda *_: publisher)
    watchdog = Watchdog(60, lambda: None)
    made = Worker(Settings(instance_id="i"), lambda: None, Metrics(), Health(), watchdog)  # type: ignore[arg-type,return-value]
    watchdog.close()

    def stop(polls: int) -> None:
        if polls == 5:
            made.stop()

    source.on_poll = stop
    return made, source, publisher


def test_a_failed_commit_is_noticed_when_nothing_new_comes(
    made: tuple[Worker, Source, Publisher],
) -> None:
    worker, source, publisher = made
    publisher.failures = 1
    worker.run()
    assert source.rewound == [True]


def test_a_rebalance_voids_what_is_in_hand(made: tuple[Worker, Source, Publisher]) -> None:
    worker, source, _ = made
    source.rebalance_at = 2
    worker.run()
    assert source.rewound == [False]


def test_aborts_without_end_stop_the_worker(made: tuple[Worker, Source, Publisher]) -> None:
    worker, source, publisher = made
    publisher.failures = 1_000
    source.on_poll = lambda polls: worker.stop() if polls == 2 * MAX_ABORTS_IN_A_ROW else None
    with pytest.raises(KafkaStoppedError, match="in a row"):
        worker.run()
    assert len(source.rewound) == MAX_ABORTS_IN_A_ROW - 1


def test_stopping_settles_first(made: tuple[Worker, Source, Publisher]) -> None:
    worker, _, publisher = made
    worker.stop()
    worker.run()
    assert publisher.settled == 1


def test_no_receipt_is_renewed_of_what_another_worker_may_have_read(
    made: tuple[Worker, Source, Publisher],
) -> None:
    """A partition that comes back may have been read by others: its old offset must not return."""
    worker, source, publisher = made
    place = ("claims", 0)
    worker._receipts.taken(place, 10, 1_000)
    worker._receipts.write({place: 20}, {place: 10}, 1_000)
    worker._receipts.committed()
    source.assigned = frozenset({place})
    source.void = True
    worker.run()
    assert publisher.published == []
    source.void, source.polls, worker._stopping = False, 0, False
    worker.run()
    assert [outcome.offsets for outcome in publisher.published] == [{place: 20}]


@pytest.mark.parametrize(("left_out", "scored", "end"), [(29, 40, 40), (40, 30, 40)])
def test_the_end_of_a_batch_is_committed_wherever_claims_were_left_out(
    left_out: int, scored: int, end: int
) -> None:
    p0, p1 = ("claims", 0), ("claims", 1)
    outcome = nothing_but({p0: scored})._replace(outcomes={p0: 5})
    batch = Poll([], rebalanced=False, done={p0: 3}, offsets={p0: left_out})
    merged = worker_module._with(outcome, batch, {p0: 7, p1: 9})
    assert (merged.offsets, merged.outcomes) == ({p0: end, p1: 9}, {p0: 8})
