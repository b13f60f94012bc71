"""Queries of `doctor` to the brokers: answers, including refusals, as values."""

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from typing import Any, Final, NamedTuple, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType

from consumer.kafka.client import NEVER_S, kafka_error

ANSWER_S: Final = 5.0
"""Maximum duration of a request."""

AskedConfig = Mapping[str, str | None] | KafkaError
"""Settings by name, or the reason why they are unknown."""
_Value = TypeVar("_Value")


class AskedBroker(NamedTuple):
    """A broker."""

    id: int
    address: str
    """The advertised address that clients of this listener connect to."""
    config: AskedConfig


class Replicas(NamedTuple):
    """Leader and replicas of a partition."""

    leader: int | None
    replicas: int
    in_sync: int


class AskedTopic(NamedTuple):
    """A topic."""

    name: str
    partitions: tuple[Replicas, ...]
    rights: frozenset[str]
    """Operations this principal is authorized for, in capitals."""
    config: AskedConfig


class AskedGroup(NamedTuple):
    """A consumer group."""

    kind: str
    """Protocol: ``classic`` or ``consumer``; ``unknown`` for a group that does not exist."""
    state: str
    assignor: str
    members: tuple[tuple[str, str], ...]
    """Client id and host of each."""
    rights: frozenset[str]


def ask_nodes(client: AdminClient) -> list[AskedBroker]:
    """The brokers, each asked at its own advertised address.

    Raises:
        KafkaException: no broker answers.
    """
    found = client.describe_cluster(request_timeout=ANSWER_S).result().nodes
    resources = [ConfigResource(ResourceType.BROKER, str(node.id)) for node in found]
    configs = _configs(client, resources)
    return [
        AskedBroker(node.id, f"{node.host}:{node.port}", config)
        for node, config in zip(found, configs, strict=True)
    ]


def ask_topics(client: AdminClient, names: Iterable[str]) -> dict[str, AskedTopic | KafkaError]:
    """The topics, or why there is no answer, in the order of the names."""
    wanted = list(names)
    asked = client.describe_topics(
        TopicCollection(wanted), include_authorized_operations=True, request_timeout=ANSWER_S
    )
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in wanted]
    configs = dict(zip(wanted, _configs(client, resources), strict=True))
    answers = {name: _answer(asked[name]) for name in wanted}
    return {
        name: found if isinstance(found, KafkaError) else _topic(found, configs[name])
        for name, found in answers.items()
    }


def _topic(found: Any, config: AskedConfig) -> AskedTopic:
    partitions = tuple(
        Replicas(p.leader.id if p.leader else None, len(p.replicas), len(p.isr))
        for p in found.partitions
    )
    return AskedTopic(found.name, partitions, _rights(found), config)


def ask_group(client: AdminClient, name: str) -> AskedGroup | KafkaError:
    """The group, or why there is no answer."""
    asked = client.describe_consumer_groups(
        [name], include_authorized_operations=True, request_timeout=NEVER_S
    )
    found = _answer(asked[name], ANSWER_S)
    if isinstance(found, KafkaError):
        return found
    return AskedGroup(
        found.type.name.lower(),
        found.state.name.lower(),
        found.partition_assignor,
        tuple((member.client_id, member.host) for member in found.members),
        _rights(found),
    )


def _rights(found: Any) -> frozenset[str]:
    return frozenset(operation.name for operation in found.authorized_operations or ())


def _configs(client: AdminClient, resources: list[ConfigResource]) -> list[AskedConfig]:
    asked = client.describe_configs(resources, request_timeout=ANSWER_S)
    return [_config(_answer(asked[resource])) for resource in resources]


def _config(found: Any) -> AskedConfig:
    if isinstance(found, KafkaError):
        return found
    return {name: entry.value for name, entry in found.items()}


def _answer(future: "Future[_Value]", seconds: float | None = None) -> _Value | KafkaError:
    try:
        return future.result(seconds)
    except TimeoutError:
        return KafkaError(KafkaError._TIMED_OUT, f"no answer within {seconds} s")
    except KafkaException as error:
        return kafka_error(error)
