"""librdkafka configurations: what the guarantee depends on, and what the environment adds."""

import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient

from consumer.errors import KafkaStoppedError, SettingsError
from consumer.settings.settings import Delivery, Membership, Settings

log = logging.getLogger(__name__)

TRANSACTION_TIMEOUT_MS: Final = 15_000
STATISTICS_EVERY_MS: Final = 1_000
FETCH_MAX_BYTES: Final = 52_428_800
"""The client's default for ``fetch.max.bytes``."""
RESPONSE_BYTES: Final = 512

CONSUMER_ONLY: Final = (
    "auto.offset.reset",
    "check.crcs",
    "fetch.",
    "group.",
    "heartbeat.interval.ms",
    "isolation.level",
    "max.poll.interval.ms",
    "queued.",
    "session.timeout.ms",
)
PRODUCER_ONLY: Final = (
    "acks",
    "batch.",
    "compression.",
    "delivery.timeout.ms",
    "linger.ms",
    "max.in.flight",
    "message.max.bytes",
    "message.send.max.retries",
    "message.timeout.ms",
    "partitioner",
    "queue.buffering.",
    "request.required.acks",
    "request.timeout.ms",
    "retries",
    "retry.backoff.",
    "sticky.partitioning.",
    "transaction.",
)
MANAGED_BY_BROKER: Final = ("heartbeat.interval.ms", "session.timeout.ms")
"""Rejected by the client under ``group.protocol=consumer``."""

UNANSWERED: Final = frozenset(
    {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TIMED_OUT,
        KafkaError._TRANSPORT,
        KafkaError._WAIT_COORD,
    }
)
"""Errors that only say that there was no answer."""
REFUSED: Final = frozenset(
    {
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
    }
)
"""Errors that waiting does not resolve."""
FENCED: Final = frozenset(
    {
        KafkaError.FENCED_MEMBER_EPOCH,
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.STALE_MEMBER_EPOCH,
        KafkaError.UNKNOWN_MEMBER_ID,
    }
)
"""Refusals of a member whose rebalance callback is still pending."""

TRANSIENT: Final = frozenset(
    {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._MAX_POLL_EXCEEDED,
        KafkaError._RESOLVE,
        KafkaError._TIMED_OUT,
        KafkaError._TRANSPORT,
        KafkaError._WAIT_COORD,
    }
)
"""Errors that the client recovers from by itself."""

NEVER_S: Final = 3_600.0
"""For a request to a coordinator. If the client itself gives up while looking for the coordinator,
it aborts the process when it finds it (librdkafka 2.16 drops its reference to the request twice). A
caller that stops waiting has to discard the client instead."""
REASON_S: Final = 120.0
"""Errors that a client reported earlier are assumed to be resolved."""

Config = dict[str, str | int | float | bool]


def common_config(settings: Settings) -> Config:
    """Connection and security: shared by every client."""
    shared = {
        name: value
        for name, value in settings.librdkafka.items()
        if not name.startswith(CONSUMER_ONLY + PRODUCER_ONLY)
    }
    return {
        "bootstrap.servers": settings.kafka_bootstrap_servers,
        "client.id": f"{settings.consumer_group}-{settings.instance_id}",
        "reconnect.backoff.ms": 250,
        "reconnect.backoff.max.ms": 5_000,
        # An address that drops packets is reported before the first wait for an answer ends.
        "socket.connection.setup.timeout.ms": 10_000,
        **shared,
    }


def consumer_config(settings: Settings) -> Config:
    """The worker's consumer: never commits by itself, reads committed records only."""
    config: Config = {
        **common_config(settings),
        "group.id": settings.consumer_group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        "queued.max.messages.kbytes": 32_768,
        "fetch.queue.backoff.ms": 10,
        **_fetched_at_most(settings),
        "statistics.interval.ms": STATISTICS_EVERY_MS,
        **_only(settings, CONSUMER_ONLY),
    }
    if settings.group_protocol == "classic":
        # Eager: a static member that dies between the two phases of a cooperative rebalance
        # leaves partitions that nobody owns (docs/decisions/0013).
        config["partition.assignment.strategy"] = "range"
        config.setdefault("session.timeout.ms", 15_000)
    else:
        for name in MANAGED_BY_BROKER:
            config.pop(name, None)
    if settings.membership is Membership.STATIC:
        config["group.instance.id"] = settings.instance_id
    return config


def onlooker_config(settings: Settings, isolation: str) -> Config:
    """A consumer that queries the group, or reads, without being a member of it.

    Args:
        settings: connection and group.
        isolation: ``read_committed`` or ``read_uncommitted``, of records and of offsets.
    """
    return {
        **common_config(settings),
        "group.id": settings.consumer_group,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "isolation.level": isolation,
        **_fetched_at_most(settings),
        **_only(settings, ("fetch.",)),
    }


def _fetched_at_most(settings: Settings) -> Config:
    """A fetch that fits KAFKA_RECEIVE_MESSAGE_MAX_BYTES, if that is less than the client's 50 MB.

    The client requires 512 bytes more for a response than for the data fetched.
    """
    limit = settings.librdkafka.get("receive.message.max.bytes", "")
    if not limit.isdecimal() or int(limit) >= FETCH_MAX_BYTES + RESPONSE_BYTES:
        return {}
    return {"fetch.max.bytes": max(1, int(limit) - RESPONSE_BYTES)}


def producer_config(settings: Settings) -> Config:
    """The worker's producer; transactional in exactly-once mode.

    ``retry.backoff.ms`` is how long a transactional producer waits if the previous transaction is
    still completing (CONCURRENT_TRANSACTIONS): the default of 100 ms would limit the worker to
    ten transactions per second. The partitioner is the Java client's, so that an alert goes to
    the partition where other producers put the same key.
    """
    config: Config = {
        # The broker's limits decide what is too large, not the client's.
        "message.max.bytes": 100_000_000,
        **common_config(settings),
        "enable.idempotence": True,
        # A commit sends what lingers immediately, so this delays nothing and saves small requests.
        "linger.ms": 5,
        "partitioner": "murmur2_random",
        "retry.backoff.ms": 1,
        "queue.buffering.max.kbytes": 131_072,
        **_only(settings, PRODUCER_ONLY),
    }
    if settings.delivery is Delivery.EXACTLY_ONCE:
        config["transactional.id"] = transactional_id(settings)
        config.setdefault("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS)
    return config


def transactional_id(settings: Settings) -> str:
    """The id of this worker's transactions, the same after every restart.

    Neither part may contain a slash, so no workers of two groups share an id, and a right on the
    prefix ``CONSUMER_GROUP/`` covers no other group.
    """
    return f"{settings.consumer_group}/{settings.instance_id}"


def transaction_timeout_s(settings: Settings) -> float:
    """Seconds after which the coordinator ends a transaction that nobody ended."""
    return int(settings.librdkafka.get("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS)) / 1_000


def ignored(settings: Settings) -> list[str]:
    """Variables that have no effect with these settings."""
    if settings.group_protocol == "classic":
        return []
    return [variable_of(name) for name in MANAGED_BY_BROKER if name in settings.librdkafka]


def variable_of(name: str) -> str:
    """The variable that sets a property of the client."""
    return "KAFKA_" + name.upper().replace(".", "_")


def _only(settings: Settings, prefixes: tuple[str, ...]) -> dict[str, str]:
    return {n: v for n, v in settings.librdkafka.items() if n.startswith(prefixes)}


_PROPERTY: Final = re.compile(
    r"""roperty:?[ ]"([a-z0-9.]+)"|[`"]([a-z0-9]+(?:\.[a-z0-9]+)+)[`"]""", re.VERBOSE
)


def refused_property(error: KafkaException) -> SettingsError:
    """A client's rejection of its configuration, in terms of the environment."""
    text = kafka_error(error).str().strip()
    named = _PROPERTY.search(text)
    name = variable_of(named[1] or named[2]) if named else "a KAFKA_* setting"
    return SettingsError(f"{name} is refused by the Kafka client: {text}")


def make_onlooker(settings: Settings, isolation: str, more: Config | None = None) -> Consumer:
    """A consumer with `onlooker_config`, and with more properties if there are any.

    Raises:
        SettingsError: the client rejects a KAFKA_* setting.
    """
    return make_consumer({**onlooker_config(settings, isolation), **(more or {})})


def make_consumer(config: Mapping[str, Any]) -> Consumer:
    """A consumer of the client library that writes to the log.

    Raises:
        SettingsError: the client rejects a KAFKA_* setting.
    """
    try:
        return Consumer({**config, "logger": log})
    except KafkaException as error:
        raise refused_property(error) from error


def kafka_error(error: KafkaException) -> KafkaError:
    """The error inside the exception."""
    inner = error.args[0]
    assert isinstance(inner, KafkaError)
    return inner


class LastReason:
    """The last error that clients reported, as long as it may still apply."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing is reported yet; the clock is in seconds."""
        self._clock = clock
        self._last: tuple[str, float] | None = None

    def note(self, error: KafkaError) -> None:
        """Remember the error, in any thread."""
        if error.code() != KafkaError._ALL_BROKERS_DOWN:  # follows the error that says why
            self._last = error.str(), self._clock()

    def __str__(self) -> str:
        """Message suffix saying why there was no answer; empty if unknown."""
        if self._last is None or self._clock() - self._last[1] >= REASON_S:
            return ""
        return f"; the client's last error: {self._last[0]}"


_last_reason: Final = LastReason()
"""Of any client in this process."""


def report_client_error(error: KafkaError) -> None:
    """Callback of a client for errors it recovers from (a lost connection) or that are fatal.

    Clients call it only from their `poll`.
    """
    log.warning("kafka client: %s", error.str())
    _last_reason.note(error)


def last_reason() -> str:
    """Message suffix saying why there was no answer, with the address; empty if unknown."""
    return str(_last_reason)


def serve(client: Consumer | Producer | AdminClient) -> None:
    """Let a client report what went wrong before it is discarded.

    Raises:
        KafkaStoppedError: a right is missing, which some calls report as no answer.
    """
    try:
        said = client.poll(0)
    except KafkaException as error:  # a producer that has failed permanently reports it here
        raise stopped(error, "asking Kafka") from error
    if not isinstance(said, Message):
        return
    refusal = said.error()
    if refusal is not None and refusal.code() in REFUSED:
        topic = said.topic()
        raise stopped(KafkaException(refusal), f"reading {topic}" if topic else "asking Kafka")


def stopped(error: KafkaException, doing: str) -> KafkaStoppedError:
    """The operator's message when Kafka does not let it continue."""
    inner = kafka_error(error)
    hint = last_reason() if inner.code() in UNANSWERED else _HINTS.get(inner.code(), "")
    return KafkaStoppedError(f"{doing}: {inner.name()}: {inner.str()}{hint}")


_FENCED_HINT: Final = (
    "; another process took over with the same INSTANCE_ID (give each worker its own), or this one "
    "was stopped for longer than a transaction may last: a restart is safe"
)
_HINTS: Final = {
    KafkaError._FENCED: _FENCED_HINT,
    KafkaError.PRODUCER_FENCED: _FENCED_HINT,
    KafkaError.INVALID_PRODUCER_EPOCH: _FENCED_HINT,
    KafkaError.FENCED_INSTANCE_ID: _FENCED_HINT,
    KafkaError.UNRELEASED_INSTANCE_ID: "; the old session of this INSTANCE_ID has not ended yet",
    KafkaError.INCONSISTENT_GROUP_PROTOCOL: (
        "; another member of CONSUMER_GROUP (a worker of an earlier release?) assigns partitions "
        "differently: stop every worker of the group, wait until their sessions "
        "have ended (KAFKA_SESSION_TIMEOUT_MS, 15 s by default), then start them again. Committed "
        "offsets stay; see 'From an earlier release' in docs/runbook.md"
    ),
    KafkaError.UNKNOWN_TOPIC_OR_PART: "; create the topics with: python -m consumer topics",
    KafkaError._UNKNOWN_TOPIC: "; create the topics with: python -m consumer topics",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "; the principal lacks a right on a topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "; the principal may not read as CONSUMER_GROUP",
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: (
        "; the principal may not write with the transactional id CONSUMER_GROUP/INSTANCE_ID"
    ),
    KafkaError._BAD_COMPRESSION: (
        "; the batch is damaged, or unpacks to more than KAFKA_RECEIVE_MESSAGE_MAX_BYTES (100 MB): "
        "see 'A batch that cannot be unpacked' in docs/runbook.md"
    ),
    KafkaError.INVALID_TIMESTAMP: (
        "; the clock of this machine and the brokers' differ by more than a topic allows "
        "(message.timestamp.after.max.ms, message.timestamp.before.max.ms): doctor compares them"
    ),
    KafkaError.INVALID_RECORD: (
        "; an output topic is compacted, which refuses records without a key: set its "
        "cleanup.policy to delete"
    ),
    KafkaError.MSG_SIZE_TOO_LARGE: (
        "; a record is larger than the output topic accepts: raise its max.message.bytes"
    ),
}
