"""The loop: poll a batch, process it, publish its outcome with its offsets."""

import datetime as dt
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import numpy.typing as npt
from confluent_kafka import TopicPartition

from consumer.batch.process import Outcome, nothing_but, process
from consumer.dead_letters.sealing import make_seal
from consumer.errors import AbortedError, KafkaStoppedError, TooLargeError
from consumer.intake.source import ClaimSource, Poll
from consumer.intake.stalls import Stall, Stalls
from consumer.intake.takeover import TakeOver
from consumer.kafka.client import transactional_id
from consumer.kafka.outputs import Ends
from consumer.kafka.receipts import Place, Receipts
from consumer.kafka.topics import admin
from consumer.kafka.watchdog import Watchdog
from consumer.models.shadow import Shadow
from consumer.publishing.delivery import make_publisher
from consumer.publishing.leftovers import Leftovers
from consumer.publishing.misfits import Misfits
from consumer.publishing.prover import Prover
from consumer.registry.wire import make_wire
from consumer.settings.settings import Delivery, Publish, Settings
from consumer.telemetry.health import Health
from consumer.telemetry.metrics import Metrics
from consumer.telemetry.tracing import UNTRACED, BatchTrace, Traces
from consumer.worker.budget import DeadLetterBudget
from consumer.worker.observe import Observer, timestamps
from model.scoring.scorer import Scorer

log = logging.getLogger(__name__)

LAG_EVERY_S = 1.0
OPEN_LIMIT_S = 3.0
"""A transaction in the outputs that is open for longer may have been left open by a broker."""
RENEW_MS = 10_000
"""Receipts of partitions without claims are renewed when they are older."""
MAX_ABORTS_IN_A_ROW = 20


class Worker:
    """Scores claims until asked to stop."""

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
            settings: see `consumer.settings.settings`.
            scorer: the model to use for the next batch.
            metrics: where counts go.
            health: updated on every iteration and commit.
            watchdog: ends the process if a step of a transaction is stuck.
            shadow: a challenger that scores the same batches.
            traces: receives every batch.
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
        outputs = settings.alerts_topic, settings.dead_letter_topic
        leftovers = Leftovers(settings, settings.claims_topic, outputs, watchdog.step)
        ends = Ends(admin(settings), outputs)
        self._receipts = Receipts(transactional_id(settings))
        self._prover = Prover(self._receipts, ends)
        self._stalls = Stalls(settings, self._sweep, leftovers, metrics.set_blocked)
        # The publisher first: it may have to wait for Kafka or be refused, and a consumer that has
        # joined must be polled, and cannot be discarded without closing it.
        self._publisher = make_publisher(
            settings, watchdog, self._commit, self._receipts, leftovers
        )
        take_over = TakeOver(settings, self._receipts, ends)
        self._source = ClaimSource(settings, self._settled, self._busy, take_over, self._stalls)
        self._exactly_once = settings.delivery is Delivery.EXACTLY_ONCE
        self._renew_due = 0.0
        self._committed: dict[tuple[str, int], int] = {}
        self._lag_due = 0.0
        self._aborts = 0
        self._stopping = False
        self._in_flight: Outcome | None = None

    def stop(self) -> None:
        """Finish the batch in flight, commit it and return from `run`. Safe in a signal handler."""
        self._stopping = self._health.stopping = True

    def unknown(self) -> str | None:
        """Describe for the operator what Kafka has not answered; None if there is nothing."""
        if self._in_flight is None:
            return None
        if self._exactly_once:
            return (
                "whether the batch in flight was committed is unknown; the next start finds out, "
                "and neither loses nor repeats a claim"
            )
        return "the batch in flight was not committed; the next start may repeat its alerts"

    def run(self) -> None:
        """Score until `stop`.

        Raises:
            ScorerError: the reason why the worker stopped; nothing is lost by it.
        """
        try:
            with self._prover.watching():
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
        elif batch.messages or batch.offsets:
            self._work_off(batch)
        elif not self._settled():
            # Nothing new arrives that would show that the last batch was not committed.
            self._rewind(aborted=True)
        elif stale := self._stale():
            self._publish_offsets(nothing_but(stale))

    def _work_off(self, batch: Poll) -> None:
        if (
            batch.first
            and self._exactly_once
            and not self._publish_offsets(nothing_but(batch.first))
        ):
            return
        if batch.messages:
            self._score_and_publish(batch)
        else:
            self._publish_offsets(nothing_but(batch.offsets)._replace(outcomes=dict(batch.done)))

    def _stale(self) -> dict[Place, int]:
        """Offsets whose receipts have to be renewed; checked once per second.

        Empty while partitions are being taken over: another worker may have read them meanwhile.
        """
        if not self._exactly_once or self._source.void or time.monotonic() < self._renew_due:
            return {}
        self._renew_due = time.monotonic() + LAG_EVERY_S
        old = time.time_ns() // 1_000_000 - RENEW_MS
        return self._receipts.stale(self._source.assigned, old)

    def _publish_offsets(self, outcome: Outcome) -> bool:
        """Commit only offsets; False if that was not possible and everything is rewound."""
        self._in_flight = outcome
        try:
            self._publisher.publish(
                outcome, self._source.group_metadata, partial(self._moved, outcome)
            )
        except AbortedError as error:
            self._aborted(error)
            self._rewind(aborted=True)
            return False
        return True

    def _score_and_publish(self, batch: Poll) -> None:
        messages = batch.messages
        now = dt.datetime.now(dt.UTC)
        scorer = self._scorer()
        trace = self._traces.batch(messages)
        with self._metrics.stage.labels("process").time():
            outcome = _with(self._process(messages, scorer, now), batch, self._stale())
        trace.scored(outcome, scorer)
        self._budget.check(len(messages), len(outcome.dead_letters))
        done = partial(self._done, outcome, timestamps(messages), trace)
        self._in_flight = outcome
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
        self._moved(outcome)

    def _moved(self, outcome: Outcome) -> None:
        self._committed.update(outcome.offsets)
        if self._in_flight is outcome:
            self._in_flight = None
        self._aborts = 0
        self._health.progressed()

    def _commit(self, offsets: list[TopicPartition]) -> None:
        self._source.commit(offsets)

    def _busy(self) -> bool:
        return self._publisher.busy()

    def _settled(self) -> bool:
        """Wait for the commit in flight; False if it was aborted."""
        try:
            self._publisher.settle()
        except AbortedError as error:
            self._aborted(error)
            return False
        return True

    def _sweep(self) -> None:
        """End what this worker's id left open, and check everything again."""
        try:
            self._publisher.sweep()
        except AbortedError as error:
            self._aborted(error)
        self._rewind(aborted=True)

    def _aborted(self, error: AbortedError) -> None:
        self._in_flight = None
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
        if held := self._prover.open_for(OPEN_LIMIT_S):
            self._stalls(Stall(self._prover.longest_s(), [], held))
        elif not self._source.void:
            self._stalls.over()
        lags = self._source.lag(dict(self._committed))
        self._metrics.set_lags(lags.items())
        self._metrics.assigned.set(len(self._source.assigned))
        self._health.assigned = len(self._source.assigned)
        self._health.lag = sum(lags.values())


def _with(outcome: Outcome, batch: Poll, stale: Mapping[Place, int]) -> Outcome:
    """The outcome, including claims of the batch that already had one, and stale receipts."""
    if not batch.offsets and not stale:
        return outcome
    counts = Counter(outcome.outcomes) + Counter(batch.done)
    offsets = {**stale, **outcome.offsets}
    for place, offset in batch.offsets.items():
        # Claims may follow the last skipped one, or the other way round.
        offsets[place] = max(offset, outcome.offsets.get(place, 0))
    return outcome._replace(outcomes=dict(counts), offsets=offsets)
