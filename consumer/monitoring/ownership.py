"""Monitors, alongside the loop, which partitions nobody owns and how far the group is behind."""

import contextlib
import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, wait
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from consumer.background import in_background
from consumer.kafka import group
from consumer.kafka.group import Group, ask, reader
from consumer.kafka.topics import admin
from consumer.settings.settings import Settings

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 10.0
STEP_S: Final = 0.2


class GroupMetrics:
    """Metrics of the group. Without a recent answer from Kafka they have no series, not 0."""

    def __init__(self, registry: CollectorRegistry, topic: str) -> None:
        self._topic = topic
        self._stable: Mapping[int, int] = {}
        self.unowned = Gauge(
            "fraud_scorer_unowned_partitions",
            "Partitions of the claims topic that are not assigned to any member of the group.",
            ["topic"],
            registry=registry,
        )
        self.lag = Gauge(
            "fraud_scorer_group_lag",
            "Offsets the group could read but has not committed, whoever owns the partition.",
            ["topic", "partition"],
            registry=registry,
        )
        self.held_back = Gauge(
            "fraud_scorer_held_back",
            "Offsets behind a producer's transaction that was open at the last two checks.",
            ["topic", "partition"],
            registry=registry,
        )
        self.checked_at = Gauge(
            "fraud_scorer_group_checked_timestamp_seconds",
            "When Kafka last reported the state of the group; 0 until then.",
            registry=registry,
        )
        self.failed = Counter(
            "fraud_scorer_group_checks_failed",
            "Checks of the group that Kafka did not answer.",
            registry=registry,
        )

    def show(self, found: Group) -> None:
        """Report an answer. Series are updated in place: a scrape never finds them missing."""
        for number, part in found.partitions.items():
            label = self._topic, str(number)
            stuck = self._stable.get(number) == part.stable
            self.lag.labels(*label).set(part.lag)
            self.held_back.labels(*label).set(part.held_back if stuck else 0)
        self._stable = {number: part.stable for number, part in found.partitions.items()}
        self.unowned.labels(self._topic).set(len(found.unowned))
        self.checked_at.set(time.time())

    def unknown(self) -> None:
        """Report that there was no answer."""
        self.failed.inc()
        for gauge in (self.unowned, self.lag, self.held_back):
            gauge.clear()


class GroupWatch:
    """Queries Kafka in its own thread; neither waits for the loop nor delays it."""

    def __init__(
        self, settings: Settings, registry: CollectorRegistry, timeout_s: float = group.TIMEOUT_S
    ) -> None:
        """Connect.

        Args:
            settings: connection, group and topic.
            registry: of the metrics.
            timeout_s: maximum duration of a request to Kafka, in seconds.

        Raises:
            SettingsError: the client refuses its configuration.
        """
        self._group, self._topic = settings.consumer_group, settings.claims_topic
        self._settings = settings
        self._timeout_s = timeout_s
        self._client = admin(settings)
        self._reader = reader(settings)
        self._metrics = GroupMetrics(registry, settings.claims_topic)
        self._unowned: frozenset[int] = frozenset()
        self._stopped = threading.Event()

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Check every `LOOK_EVERY_S` seconds while the body runs."""
        try:
            with in_background(self._watch, "group", self._stopped):
                yield
        finally:
            self._reader.close()

    def _watch(self) -> None:
        while not self._stopped.is_set():
            self.look()
            self._stopped.wait(LOOK_EVERY_S)

    def look(self) -> None:
        """Query and report; a failure is logged and counted, and the last answer is withdrawn."""
        self._client.poll(0)  # serves the client's log lines
        self._reader.poll(0)
        try:
            found = ask(
                self._client, self._reader, self._group, self._topic, self._wait, self._timeout_s
            )
        except _StoppedError:
            return
        except Exception as error:  # noqa: BLE001 - a dead watch would show its last answer forever
            log.warning("group %s: its state is unknown: %s", self._group, error)
            self._metrics.unknown()
            self._client = admin(self._settings)
        else:
            self._metrics.show(found)
            # Seen once, it is a rebalance, or a group that is just starting.
            if lasting := found.unowned & self._unowned:
                log.warning("partitions without an owner: %s", sorted(lasting))
            self._unowned = found.unowned

    def _wait(self, futures: Iterable[Future[Any]]) -> None:
        """Wait until all are done.

        Raises:
            KafkaException: time is up.
        """
        asked, end = list(futures), time.monotonic() + group.limit_s(self._timeout_s)
        while wait(asked, STEP_S).not_done:
            if self._stopped.is_set():
                raise _StoppedError
            if time.monotonic() > end:
                raise group.late()


class _StoppedError(Exception):
    """The worker is stopping; nobody needs the answer any more."""
