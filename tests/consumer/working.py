"""A worker in hand, with a session that does what the test says."""

from collections.abc import Callable, Sequence
from typing import Any, cast

from consumer.batch.process import Outcome, process
from consumer.batch.records import Message
from consumer.intake.source import Poll
from consumer.publishing.misfits import Misfits
from consumer.session.session import Aborted, Committed, Rewound
from consumer.settings.settings import Settings
from consumer.telemetry.health import Loop
from consumer.telemetry.metrics import Metrics
from consumer.telemetry.tracing import UNTRACED, Traces
from consumer.worker.dead_letter_budget import DeadLetterBudget
from consumer.worker.observe import Observer
from consumer.worker.worker import Batch, Worker
from model.scoring.scorer import Scorer
from tests.consumer.fakes import NOW, FakeScorer

Event = Committed[Batch] | Aborted | Rewound


class FakeSession:
    """Brings the batches it is given; commits when it is told."""

    def __init__(self, *batches: Sequence[Message]) -> None:
        self.batches = list(batches)
        self.due: list[Event] = []
        self.published: list[tuple[Outcome, Batch]] = []
        self.accepts = True
        self.settled = 0
        self.on_poll: Callable[[], object] = lambda: None
        self.assigned = {("claims", 0)}

    def poll(self) -> Poll:
        self.on_poll()
        return Poll(cast(Any, self.batches.pop(0)) if self.batches else [], rebalanced=False)

    def publish(self, outcome: Outcome, tag: Batch) -> bool:
        if self.accepts:
            self.published.append((outcome, tag))
        return self.accepts

    def settle(self) -> bool:
        self.settled += 1
        self.due += [Committed(tag, 1.0) for _, tag in self.published]
        return True

    def events(self) -> list[Event]:
        found, self.due = self.due, []
        return found

    def watch(self) -> None: ...

    def lag(self) -> dict[tuple[str, int], int]:
        return {("claims", 0): 5}


class Unmeasured(Observer):
    """Counts, and measures nothing: a fake scorer has nothing to measure against."""

    def measure(self, outcome: Outcome, scorer: Scorer) -> None: ...


class Made:
    """A worker with its parts."""

    def __init__(self, session: FakeSession, traces: Traces = UNTRACED) -> None:
        self.session, self.metrics, self.misfits = session, Metrics(), Misfits()
        self.loop = Loop()
        self.worker = Worker(
            session,
            process,
            lambda: cast(Scorer, FakeScorer()),
            budget=DeadLetterBudget(Settings(instance_id="i", dead_letter_max_consecutive=3)),
            observer=Unmeasured(self.metrics),
            metrics=self.metrics,
            loop=self.loop,
            misfits=self.misfits,
            traces=traces,
            clock=lambda: NOW,
        )

    def turns(self, count: int) -> None:
        """Run, and be told to stop in that turn."""
        left = iter(range(count - 1))
        self.session.on_poll = lambda: None if next(left, None) is not None else self.worker.stop()
        self.worker.run()

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"fraud_scorer_{name}", labels)
