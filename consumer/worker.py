"""The loop: poll a batch, process it, publish its outcome with its offsets."""

import datetime as dt
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
from confluent_kafka import Message, TopicPartition

from consumer.batch import Outcome, process
from consumer.budget import DeadLetterBudget
from consumer.delivery import make_publisher
from consumer.errors import AbortedError, KafkaStoppedError, TooLargeError
from consumer.health import Health
from consumer.metrics import Metrics
from consumer.misfits import Misfits
from consumer.observe import Observer, timestamps
from consumer.sealing import make_seal
from consumer.settings import Publish, Settings
from consumer.shadow import Shadow
from consumer.source import ClaimSource
from consumer.tracing import UNTRACED, BatchTrace, Traces
from consumer.watchdog import Watchdog
from consumer.wire import make_wire
from model.scorer import Scorer

log = logging.getLogger(__name__)

LAG_EVERY_S = 1.0
MAX_ABORTS_IN_A_ROW = 20


class Worker:
    """Scores claims until told to stop."""

    def __init__(
        self,
        settings: Settings,
        scorer: Callable[[], Scorer],
        metrics: Metrics,
        health: Health,
        watchdog: Watchdog,
        shadow: Shadow | None = None,
        traces: Traces = UNTRACED,
    ) -> None:
        """Connect to Kafka and join the group.

        Args:
            settings: see `consumer.settings`.
            scorer: the model to use for the next batch.
            metrics: where counts go.
            health: told of every turn and commit.
            watchdog: ends the process when a step of a transaction is stuck.
            shadow: a challenger that scores the same batches.
            traces: told of every batch.
        """
        self._settings = settings
        self._scorer = scorer
        self._metrics = metrics
        self._health = health
        self._observer = Observer(metrics, shadow)
        self._traces = traces
        self._budget = DeadLetterBudget(settings)
        self._misfits = Misfits()
        self._process = partial(
            process,
            referrals_only=settings.publish is Publish.REFERRALS,
            seal=make_seal(settings),
            wire=make_wire(settings),
            misfits=self._misfits.counts,
        )
        self._watchdog = watchdog
        # The publisher first: it may have to wait for Kafka or be refused, and a consumer that has
        # joined must be polled, and cannot be let go of without closing it.
        self._publisher = make_publisher(settings, watchdog, self._commit)
        self._source = ClaimSource(settings, self._settled, self._busy)
        self._committed: dict[tuple[str, int], int] = {}
        self._lag_due = 0.0
        self._aborts = 0
        self._stopping = False

    def stop(self) -> None:
        """Finish the batch in hand, commit it and return from `run`. Safe in a signal handler."""
        self._stopping = self._health.stopping = True

    def run(self) -> None:
        """Score until `stop`.

        Raises:
            ScorerError: what stopped the worker; nothing is lost by it.
        """
        try:
            while not self._stopping:
                self._turn()
            self._settled()
        finally:
            with self._watchdog.step("close"):
                self._publisher.close()
                self._source.close()

    def _turn(self) -> None:
        self._watch_lag()
        with self._metrics.stage.labels("poll").time():
            batch = self._source.poll()
        if batch.rebalanced:
            self._metrics.rebalances.inc()
            self._rewind(aborted=False)
        elif batch.messages:
            self._score_and_publish(batch.messages)
        elif not self._settled():
            # Nothing new comes in that would show that the last batch was not committed.
            self._rewind(aborted=True)

    def _score_and_publish(self, messages: Sequence[Message]) -> None:
        now = dt.datetime.now(dt.UTC)
        scorer = self._scorer()
        trace = self._traces.batch(messages)
        with self._metrics.stage.labels("process").time():
            outcome = self._process(messages, scorer, now)
        trace.scored(outcome, scorer)
        self._budget.check(len(messages), len(outcome.dead_letters))
        done = partial(self._done, outcome, timestamps(messages), trace)
        try:
            with self._metrics.stage.labels("publish").time():
                self._publisher.publish(outcome, self._source.group_metadata, done)
        except AbortedError as error:
            self._aborted(error)
            self._rewind(aborted=True)
        else:
            self._observer.scored(outcome, scorer)

    def _rewind(self, *, aborted: bool) -> None:
        self._budget.void()
        self._source.rewind(aborted=aborted)

    def _done(
        self, outcome: Outcome, created_ms: npt.NDArray[np.float64], trace: BatchTrace
    ) -> None:
        """A batch is committed; runs in the committing thread."""
        self._observer.committed(outcome, created_ms)
        trace.committed()
        self._committed.update(outcome.offsets)
        self._aborts = 0
        self._health.progressed()

    def _commit(self, offsets: list[TopicPartition]) -> None:
        self._source.commit(offsets)

    def _busy(self) -> bool:
        return self._publisher.busy()

    def _settled(self) -> bool:
        """Wait for the commit under way; False when it was aborted."""
        try:
            self._publisher.settle()
        except AbortedError as error:
            self._aborted(error)
            return False
        return True

    def _aborted(self, error: AbortedError) -> None:
        self._metrics.transactions.labels("aborted").inc()
        self._traces.aborted(str(error))
        if isinstance(error, TooLargeError) and self._misfits.learnt(error):
            return
        self._aborts += 1
        if self._aborts >= MAX_ABORTS_IN_A_ROW:
            raise KafkaStoppedError(f"{self._aborts} transactions in a row aborted: {error}")

    def _watch_lag(self) -> None:
        self._health.turned()
        if time.monotonic() < self._lag_due:
            return
        self._lag_due = time.monotonic() + LAG_EVERY_S
        lags = self._source.lag(dict(self._committed))
        self._metrics.set_lags(lags.items())
        self._metrics.assigned.set(len(self._source.assigned))
        self._health.assigned = len(self._source.assigned)
        self._health.lag = sum(lags.values())
