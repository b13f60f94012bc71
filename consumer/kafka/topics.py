"""Creates and checks the topics, with settings that suit the guarantee."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from consumer.errors import KafkaStoppedError
from consumer.kafka.client import (
    common_config,
    kafka_error,
    last_reason,
    refused_property,
    report_client_error,
    serve,
    stopped,
)
from consumer.settings.settings import Remember, Settings

log = logging.getLogger(__name__)

TIMEOUT_S: Final = 30.0
ASK_S: Final = 5.0
ABSENT: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
    }
)
"""A topic that does not exist or may not be seen: brokers do not say which."""
WEEK_MS: Final = str(7 * 24 * 3_600 * 1_000)
MONTH_MS: Final = str(30 * 24 * 3_600 * 1_000)
# A dead letter is the claim's record plus some headers; an alert has the claim's key, which may
# make up nearly all of its record: both must fit wherever the claim did.
CLAIM_BYTES: Final = 1_048_588
OUTCOME_BYTES: Final = 2 * CLAIM_BYTES


def wanted(settings: Settings, partitions: int, replication: int) -> list[NewTopic]:
    """The topics. Claims and alerts have as many partitions, so a key's alerts stay together."""
    durable = {"min.insync.replicas": str(max(1, replication - 1)), "cleanup.policy": "delete"}

    def topic(name: str, retention: str, max_bytes: int) -> NewTopic:
        config = {**durable, "retention.ms": retention, "max.message.bytes": str(max_bytes)}
        return NewTopic(name, partitions, replication, config=config)

    found = [
        topic(settings.claims_topic, WEEK_MS, CLAIM_BYTES),
        topic(settings.alerts_topic, MONTH_MS, OUTCOME_BYTES),
        topic(settings.dead_letter_topic, MONTH_MS, OUTCOME_BYTES),
        topic(settings.outcomes_topic, MONTH_MS, CLAIM_BYTES),
    ]
    if settings.memory is Remember.ON:
        # What is forgotten is gone from the disks within a week, and every view that follows the
        # log at least once a month hears of it.
        kept = {
            "cleanup.policy": "compact",
            "max.compaction.lag.ms": WEEK_MS,
            "delete.retention.ms": MONTH_MS,
        }
        remembered = NewTopic(
            settings.memory_topic, partitions, replication, config={**durable, **kept}
        )
        found.append(remembered)
    return found


def create_topics(settings: Settings, partitions: int, replication: int) -> dict[str, bool]:
    """Create missing topics; existing ones are left unchanged.

    Returns:
        For each topic, whether it was created.

    Raises:
        KafkaStoppedError: Kafka refuses or is not reachable.
    """
    created = {}
    client = admin(settings)
    topics = wanted(settings, partitions, replication)
    for name, future in client.create_topics(topics, request_timeout=TIMEOUT_S).items():
        try:
            future.result()
            created[name] = True
        except KafkaException as error:
            serve(client)
            if kafka_error(error).code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise stopped(error, f"creating topic {name}") from error
            created[name] = False
    return created


READS: Final = frozenset({"READ"})
WRITES: Final = frozenset({"WRITE"})
COUNTS_AND_WRITES: Final = frozenset({"READ", "WRITE"})
"""Rights on an output: what was published is counted before reading of a partition continues."""


def require_topics(settings: Settings, needed: Mapping[str, frozenset[str]]) -> None:
    """Refuse to start without the topics, or without a right that may be needed only later.

    Args:
        settings: connection.
        needed: by topic, the operations this principal must be authorized for.

    Raises:
        KafkaStoppedError: a topic or a right is missing, or Kafka is not reachable.
    """
    client = admin(settings)
    asked = client.describe_topics(
        TopicCollection(list(needed)),
        include_authorized_operations=True,
        request_timeout=TIMEOUT_S,
    )
    missing = []
    for name, answer in asked.items():
        try:
            found = answer.result()
        except KafkaException as error:
            if kafka_error(error).code() not in ABSENT:
                # The error may only say that there was no answer; the client's log says why.
                client.poll(1)
                asked_for = f"asking {settings.kafka_bootstrap_servers} for its topics"
                raise stopped(error, asked_for) from error
            missing.append(name)
            continue
        # None from a broker that does not report them.
        granted = {operation.name for operation in found.authorized_operations or ()}
        lacking = sorted(needed[name] - granted) if granted else []
        if lacking:
            raise KafkaStoppedError(
                f"{name}: the principal lacks the right {' and '.join(lacking)} "
                "(docs/security.md lists what each command needs)"
            )
    if missing:
        raise KafkaStoppedError(
            f"no topic {', '.join(missing)} at {settings.kafka_bootstrap_servers}, "
            "or no right to use it; create the topics with: python -m consumer topics"
        )


class KeptLog(NamedTuple):
    """A topic that keeps the latest record of each key."""

    topic_id: str
    """Changes if the topic is deleted and recreated."""
    tombstones_s: float
    """Seconds for which it shows that a key was forgotten (``delete.retention.ms``)."""


def require_log(settings: Settings) -> KeptLog:
    """Refuse to remember in a topic that does not keep what is remembered.

    Raises:
        KafkaStoppedError: there is no such topic, its records are deleted over time, or Kafka
            does not answer.
    """
    client, name = admin(settings), settings.memory_topic
    resource = ConfigResource(ResourceType.TOPIC, name)
    try:
        asked = client.describe_topics(TopicCollection([name]), request_timeout=TIMEOUT_S)
        found = asked[name].result()
        config = client.describe_configs([resource], request_timeout=TIMEOUT_S)[resource].result()
    except KafkaException as error:
        serve(client)
        raise stopped(error, f"asking about {name}") from error
    policy = config["cleanup.policy"].value
    if policy != "compact":
        raise KafkaStoppedError(
            f"{name}: cleanup.policy={policy}, so what is remembered would be deleted with time: "
            "set cleanup.policy=compact"
        )
    tombstones_ms = int(config["delete.retention.ms"].value)
    return KeptLog(str(found.topic_id), tombstones_ms / 1_000)


INTERNAL: Final = {
    "__transaction_state": "transaction.state.log.replication.factor",
    "__consumer_offsets": "offsets.topic.replication.factor",
}
"""Topics that Kafka creates for its coordinators, and the broker setting that may prevent it."""


def without_coordinator(settings: Settings) -> str:
    """Message suffix saying why there is no coordinator; empty if nothing is known."""
    try:
        found = admin(settings).list_topics(timeout=ASK_S)
    except KafkaException:
        return last_reason()  # that of the previous call: this one adds nothing
    missing = [
        f"{name} is missing or may not be seen: with {len(found.brokers)} brokers it cannot be "
        f"created if {setting} is larger"
        for name, setting in INTERNAL.items()
        if name not in found.topics
    ]
    return "".join(f"; {text}" for text in missing) + last_reason()


def admin(
    settings: Settings, on_error: Callable[[KafkaError], None] = report_client_error
) -> AdminClient:
    """An admin client for these settings.

    Args:
        settings: connection.
        on_error: receives errors that the client recovers from, when it is polled.

    Raises:
        SettingsError: the client rejects its configuration.
    """
    try:
        config: dict[str, Any] = {**common_config(settings), "error_cb": on_error}
        return AdminClient(config, logger=log)
    except KafkaException as error:
        raise refused_property(error) from error
