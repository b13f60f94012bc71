"""``python -m consumer outcomes``: live precision and recall, from alerts and outcomes.

Reads both topics from their beginning at every start, without a group: all its knowledge is in the
topics, so nothing has to be stored. One instance is enough.
"""

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Final, Protocol

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition
from prometheus_client import Counter, Gauge

from consumer.kafka.client import (
    common_config,
    kafka_error,
    make_consumer,
    report_client_error,
    serve,
    stopped,
)
from consumer.kafka.portions import take
from consumer.kafka.reading import records
from consumer.kafka.topics import READS, require_topics
from consumer.monitoring.live_quality import KEPT, LiveQuality, precision, recall
from consumer.registry.wire import json_of
from consumer.settings.settings import Settings
from consumer.telemetry.health import Loop
from consumer.telemetry.metrics import ProcessMetrics
from schemas.decoding.refusal import RefusedError
from schemas.outcome import FraudOutcome
from schemas.unreadable import UNREADABLE

log = logging.getLogger(__name__)

VERSIONS: Final = 20
"""Number of model versions with their own series; all others are combined in one more."""
LONGEST_ID: Final = 128
"""Characters of a claim's id: neither a claim nor an outcome may have a longer one."""
BATCH: Final = 2_000
TIMEOUT_S: Final = 30.0
LOOK_EVERY_S: Final = 10.0
CLOCKS_DIFFER: Final = dt.timedelta(days=1)
"""Also covers local times that were published as UTC."""


class _AlertView(msgspec.Struct, frozen=True):
    """The fields of an alert that are needed."""

    claim_id: Annotated[str, msgspec.Meta(max_length=LONGEST_ID)]
    """Bounded, since half a million are remembered: a longer one is counted as unreadable."""
    model_version: Annotated[str, msgspec.Meta(max_length=200)]
    fraudulent: bool


class HasTimestamp(Protocol):
    """The timestamp of a consumed record: its type, and milliseconds since 1970."""

    def timestamp(self) -> tuple[int, int]: ...  # noqa: D102


class OutcomeMetrics:
    """Metrics of the outcomes process."""

    def __init__(self, metrics: ProcessMetrics) -> None:
        registry, label = metrics.registry, ["model_version"]
        self.precision = Gauge(
            "fraud_scorer_live_precision",
            "Frauds among decided claims that were referred.",
            label,
            registry=registry,
        )
        self.recall = Gauge(
            "fraud_scorer_live_recall",
            "Referred claims among decided frauds.",
            label,
            registry=registry,
        )
        self.decided = Gauge(
            "fraud_scorer_decided_claims",
            "Claims with an outcome.",
            [*label, "referred", "fraud"],
            registry=registry,
        )
        self.unreadable = Counter(
            "fraud_scorer_outcomes_unreadable",
            "Records of the alerts or outcomes topic that could not be read.",
            ["topic"],
            registry=registry,
        )

    def show(self, quality: LiveQuality) -> None:
        """Set every gauge and remove series that no longer have a value."""
        cells = quality.summed(VERSIONS)
        versions = {cell.model_version for cell in cells}
        _set(
            self.decided,
            {(c.model_version, str(c.referred), str(c.fraud)): cells[c] for c in cells},
        )
        _set(self.precision, {(v,): precision(cells, v) for v in versions})
        _set(self.recall, {(v,): recall(cells, v) for v in versions})


def _set(gauge: Gauge, values: Mapping[tuple[str, ...], float | None]) -> None:
    """Set the series that have a value and remove all others, with no gap in between."""
    shown = {labels: value for labels, value in values.items() if value is not None}
    for labels, value in shown.items():
        gauge.labels(*labels).set(value)
    for sample in next(iter(gauge.collect())).samples:
        labels = tuple(sample.labels.values())
        if labels not in shown:
            gauge.remove(*labels)


def follow(
    settings: Settings, metrics: ProcessMetrics, loop: Loop, stopping: threading.Event
) -> LiveQuality:
    """Read alerts and outcomes until asked to stop.

    Raises:
        KafkaStoppedError: a topic is missing, or Kafka does not let it continue.
    """
    topics = f"{settings.alerts_topic} and {settings.outcomes_topic}"
    wanted = settings.alerts_topic, settings.outcomes_topic
    require_topics(settings, dict.fromkeys(wanted, READS))
    quality, instruments, opened = LiveQuality(), OutcomeMetrics(metrics), json_of(settings)
    consumer = make_consumer(
        {
            **common_config(settings),
            "group.id": f"{settings.consumer_group}-outcomes",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "error_cb": report_client_error,
        }
    )
    partitions = _Partitions(consumer, wanted)
    try:
        while not stopping.is_set():
            partitions.look()
            loop.assigned = partitions.count
            messages = take(consumer, BATCH, 0.2)
            complete = not quality.forgotten
            for message in records(messages, topics):
                _take(message, settings, quality, instruments, opened)
            if complete and quality.forgotten:
                log.warning("more than %d claims: the oldest are no longer counted", KEPT)
            if messages:
                instruments.show(quality)
            loop.turned()
    except KafkaException as error:
        serve(consumer)
        raise stopped(error, f"reading {topics}") from error
    finally:
        consumer.close()
    return quality


def credible(decided_at: dt.datetime, published: dt.datetime) -> dt.datetime | None:
    """The time of a decision; None if its record was published before it.

    Args:
        decided_at: the time stated in the finding.
        published: when its record was published; clocks may differ by `CLOCKS_DIFFER`.
    """
    return decided_at if decided_at - published <= CLOCKS_DIFFER else None


def published_at(message: HasTimestamp, now: dt.datetime) -> dt.datetime:
    """The time a record was published if it is plausible, else now."""
    _, stated_ms = message.timestamp()
    ms = min(stated_ms, int(now.timestamp() * 1_000))
    return dt.datetime.fromtimestamp(ms / 1_000, dt.UTC) if ms > 0 else now


class _Partitions:
    """All partitions of some topics, including those added later, from their beginning."""

    def __init__(self, consumer: Consumer, topics: Iterable[str]) -> None:
        self._consumer = consumer
        self._topics = tuple(topics)
        self._known: set[tuple[str, int]] = set()
        self._due = 0.0

    @property
    def count(self) -> int:
        """How many are read."""
        return len(self._known)

    def look(self) -> None:
        """Start reading new partitions, if a check is due.

        Raises:
            KafkaException: Kafka refuses, or a topic is gone.
        """
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + LOOK_EVERY_S
        found = {(topic, p) for topic in self._topics for p in self._of(topic)} - self._known
        if found:
            self._consumer.incremental_assign(
                [TopicPartition(*place, OFFSET_BEGINNING) for place in sorted(found)]
            )
            self._known |= found

    def _of(self, topic: str) -> Iterable[int]:
        try:
            found = self._consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic]
        except KafkaException as error:
            if not self._known:
                raise
            log.warning(
                "could not check for new partitions of %s: %s", topic, kafka_error(error).str()
            )
            return ()
        if found.error is not None and not found.error.retriable():
            raise KafkaException(found.error)
        return list(found.partitions)


def _take(
    message: Message,
    settings: Settings,
    quality: LiveQuality,
    instruments: OutcomeMetrics,
    opened: Callable[[bytes], bytes],
) -> None:
    value = message.value() or b""
    try:
        if message.topic() == settings.alerts_topic:
            alert = msgspec.json.decode(opened(value), type=_AlertView)
            quality.alert(alert.claim_id, alert.model_version, referred=alert.fraudulent)
        else:
            outcome = msgspec.json.decode(value, type=FraudOutcome)
            decided_at = credible(
                outcome.decided_at, published_at(message, dt.datetime.now(dt.UTC))
            )
            if decided_at is None:
                log.warning(
                    "decided_at=%s is in the future, so the next finding replaces it: %s[%s]@%s",
                    outcome.decided_at.isoformat(),
                    message.topic(),
                    message.partition(),
                    message.offset(),
                )
            quality.outcome(outcome.claim_id, outcome.outcome, decided_at)
    except (*UNREADABLE, RefusedError) as fault:
        instruments.unreadable.labels(message.topic()).inc()
        log.warning(
            "unreadable: %s[%s]@%s: %s",
            message.topic(),
            message.partition(),
            message.offset(),
            fault,
        )
