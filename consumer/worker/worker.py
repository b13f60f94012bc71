"""The loop: poll a batch, process it, publish its outcome with its offsets."""

import datetime as dt
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from consumer.batch.process import Outcome
from consumer.batch.records import Message
from consumer.errors import AbortedError, KafkaStoppedError, TooLargeError
from consumer.intake.source import Poll
from consumer.kafka.receipts import Place
from consumer.publishing.misfits import Misfits
from consumer.session.session import Aborted, Committed, Rewound
from consumer.telemetry.health import Loop
from consumer.telemetry.metrics import Metrics
from consumer.telemetry.tracing import UNTRACED, BatchTrace, Traces
from consumer.worker.dead_letter_budget import DeadLetterBudget
from consumer.worker.observe import Counted, Observer, Seen, timestamps
from model.scoring.scorer import Scorer

LAG_EVERY_S: Final = 1.0
MAX_ABORTS_IN_A_ROW: Final = 20

Assess = Callable[[Sequence[Message], Scorer, dt.datetime], Outcome]
"""Turns a batch into what to publish; see `consumer.batch.process.process`."""


@dataclass
class Batch:
    """A batch that is being committed."""

    counted: Counted
    created_ms: npt.NDArray[np.float64]
    trace: BatchTrace
    seen: Seen | None = None


class Claims(Protocol):
    """What the worker asks of its session; see `consumer.session.session.Session`."""

    def poll(self) -> Poll: ...  # noqa: D102
    def publish(self, outcome: Outcome, tag: Batch) -> bool: ...  # noqa: D102
    def settle(self) -> bool: ...  # noqa: D102
    def events(self) -> Sequence[Committed[Batch] | Aborted | Rewound]: ...  # noqa: D102
    def watch(self) -> None: ...  # noqa: D102
    def lag(self) -> Mapping[Place, int]: ...  # noqa: D102
    @property
    def assigned(self) -> set[Place]: ...  # noqa: D102


class Remembers(Protocol):
    """What the worker asks of its memory; see `consumer.memory.recall.Memory`."""

    def catch_up(self, wait_s: float = 0.0) -> None: ...  # noqa: D102
    def committed(self) -> None: ...  # noqa: D102
    def void(self) -> None: ...  # noqa: D102


def utc_now() -> dt.datetime:
    """The system clock's time."""
    return dt.datetime.now(dt.UTC)


class Worker:
    """Scores claims until asked to stop."""

    def __init__(
        self,
        session: Claims,
        assess: Assess,
        scorer: Callable[[], Scorer],
        *,
        budget: DeadLetterBudget,
        observer: Observer,
        metrics: Metrics,
        loop: Loop,
        misfits: Misfits,
        traces: Traces = UNTRACED,
        memory: Remembers | None = None,
        clock: Callable[[], dt.datetime] = utc_now,
    ) -> None:
        """Nothing is polled yet.

        Args:
            session: where claims come from and outcomes go.
            assess: turns a batch into its outcome.
            scorer: the model to use for the next batch.
            budget: stops the worker before it publishes too many dead letters.
            observer: measures batches.
            metrics: where counts go.
            loop: updated on every iteration and commit.
            misfits: records whose outcome does not fit its topic; `assess` looks at them.
            traces: receives every batch.
            memory: of earlier claims, which `assess` consults; None: nothing is remembered.
            clock: becomes ``scored_at`` and ``failed_at``.
        """
        self._session = session
        self._assess = assess
        self._scorer = scorer
        self._budget = budget
        self._observer = observer
        self._metrics = metrics
        self._loop = loop
        self._misfits = misfits
        self._traces = traces
        self._memory = memory
        self._clock = clock
        self._lag_due = 0.0
        self._aborts = 0
        self._stopping = False

    def stop(self) -> None:
        """Finish the batch in flight, commit it and return from `run`. Safe in a signal handler."""
        self._stopping = self._loop.stopping = True

    def run(self) -> None:
        """Score until `stop`.

        Raises:
            ScorerError: why the worker stopped; nothing is lost.
        """
        while not self._stopping:
            self._turn()
        self._session.settle()
        self._note_events()

    def _turn(self) -> None:
        self._watch_lag()
        with self._metrics.stage.labels("poll").time():
            batch = self._session.poll()
        if batch.rebalanced:
            self._metrics.rebalances.inc()
        self._note_events()
        if self._memory is not None:
            # After the poll: what others have committed meanwhile is seen too.
            self._memory.catch_up()
        if batch.messages:
            self._score_and_publish(batch.messages)

    def _score_and_publish(self, messages: Sequence[Message]) -> None:
        scorer = self._scorer()
        trace = self._traces.batch(messages)
        with self._metrics.stage.labels("process").time():
            outcome = self._assess(messages, scorer, self._clock())
        trace.scored(outcome, scorer)
        self._budget.check(len(messages), len(outcome.dead_letters))
        batch = Batch(Counted.of(outcome), timestamps(messages), trace)
        with self._metrics.stage.labels("publish").time():
            published = self._session.publish(outcome, batch)
        if published:
            batch.seen = self._observer.measure(outcome, scorer)

    def _note_events(self) -> None:
        for event in self._session.events():
            if isinstance(event, Committed):
                self._committed(event)
            elif isinstance(event, Aborted):
                self._aborted(event.error)
            else:
                self._budget.void()
                if self._memory is not None:
                    self._memory.void()

    def _committed(self, event: Committed[Batch]) -> None:
        if (batch := event.tag) is not None:
            self._observer.committed(batch.counted, batch.seen, batch.created_ms, event.at_s)
            batch.trace.committed(event.at_s)
            if self._memory is not None and batch.counted.remembered:
                self._memory.committed()
        self._aborts = 0
        self._loop.progressed()

    def _aborted(self, error: AbortedError) -> None:
        self._metrics.transactions.labels("aborted").inc()
        self._traces.aborted(str(error))
        if isinstance(error, TooLargeError) and self._misfits.learnt(error):
            self._aborts = 0  # progress, although nothing is committed
            return
        self._aborts += 1
        if self._aborts >= MAX_ABORTS_IN_A_ROW:
            raise KafkaStoppedError(f"{self._aborts} transactions in a row aborted: {error}")

    def _watch_lag(self) -> None:
        self._loop.turned()
        if time.monotonic() < self._lag_due:
            return
        self._lag_due = time.monotonic() + LAG_EVERY_S
        self._session.watch()
        lags, assigned = self._session.lag(), len(self._session.assigned)
        self._metrics.set_lags(lags.items())
        self._metrics.assigned.set(assigned)
        self._loop.assigned = assigned
        self._loop.lag = sum(lags.values())
