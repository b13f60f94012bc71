"""The position of the whole group in the claims topic, as reported by the brokers.

A worker's own lag covers the partitions it reads. Partitions that nobody reads are in no worker's
lag.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from itertools import chain
from typing import Any, Final, NamedTuple

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from consumer.kafka.client import NEVER_S, make_onlooker
from consumer.settings.settings import Settings

log = logging.getLogger(__name__)

TIMEOUT_S: Final = 5.0
"""Maximum duration of a request; `ask` sends two rounds of them."""


Wait = Callable[[Iterable[Future[Any]]], None]


def limit_s(timeout_s: float = TIMEOUT_S) -> float:
    """How long to wait for all answers to one round of requests, in seconds.

    Args:
        timeout_s: maximum duration of one request.
    """
    return 2 * timeout_s


def late() -> KafkaException:
    """The error to raise when the time is up."""
    return KafkaException(KafkaError(KafkaError._TIMED_OUT, "no answer in time"))


class Partition(NamedTuple):
    """Offsets of a partition."""

    committed: int
    """The group's next offset; negative if it has committed none."""
    first: int
    """Start of the log."""
    stable: int
    """Last stable offset: everything after it is behind an open transaction."""
    end: int

    @property
    def lag(self) -> int:
        """Offsets that can be read but are not committed."""
        return max(0, self.stable - max(self.committed, self.first))

    @property
    def held_back(self) -> int:
        """Offsets that cannot be read because of an open transaction."""
        return max(0, self.end - self.stable)


class Group(NamedTuple):
    """A group's partitions of one topic."""

    partitions: Mapping[int, Partition]
    owned: frozenset[int]
    """Those assigned to a member; none while a classic group rebalances."""

    @property
    def unowned(self) -> frozenset[int]:
        """Partitions nobody reads."""
        return frozenset(self.partitions) - self.owned


def reader(settings: Settings) -> Consumer:
    """A consumer that reads a group's offsets without being a member of the group.

    An AdminClient can be asked for them too, but crashes if the coordinator of the group has moved
    (librdkafka 2.16 looks for it again through a membership that an AdminClient does not have).
    """
    return make_onlooker(settings, "read_uncommitted")


def ask(
    client: AdminClient,
    reader: Consumer,
    group: str,
    topic: str,
    wait: Wait,
    timeout_s: float = TIMEOUT_S,
) -> Group:
    """Query the brokers, under either group protocol.

    Args:
        client: needs the rights of a consumer: Describe on the topic and the group.
        reader: of the group's offsets; see `reader`.
        group: `group.id`.
        topic: the topic the group reads.
        wait: returns when all futures are done; otherwise raises, within a few `timeout_s`.
        timeout_s: maximum duration of a request, in seconds.

    Raises:
        KafkaException: a request was refused or not answered in time. The client must not be used
            again.
    """
    limit = {"request_timeout": timeout_s}
    description = client.describe_topics(TopicCollection([topic]), **limit)[topic]
    wait([description])
    places = [TopicPartition(topic, p.id) for p in description.result().partitions]

    def offsets(spec: OffsetSpec, level: IsolationLevel) -> list[Future[Any]]:
        asked = client.list_offsets(dict.fromkeys(places, spec), isolation_level=level, **limit)
        return [asked[place] for place in places]

    first, last = OffsetSpec.earliest(), OffsetSpec.latest()  # type: ignore[no-untyped-call]
    requests = [
        offsets(first, IsolationLevel.READ_UNCOMMITTED),
        offsets(last, IsolationLevel.READ_COMMITTED),
        offsets(last, IsolationLevel.READ_UNCOMMITTED),
    ]
    members = client.describe_consumer_groups([group], request_timeout=NEVER_S)[group]
    committed = reader.committed(places, timeout=timeout_s)
    wait([*chain.from_iterable(requests), members])
    bounds = zip(*([f.result().offset for f in futures] for futures in requests), strict=True)
    next_offsets = {p.partition: _offset(p) for p in committed}
    return Group(
        {
            place.partition: Partition(next_offsets[place.partition], *bound)
            for place, bound in zip(places, bounds, strict=True)
        },
        frozenset(
            place.partition
            for member in members.result().members
            for place in member.assignment.topic_partitions
            if place.topic == topic
        ),
    )


def _offset(place: TopicPartition) -> int:
    if place.error is not None:
        raise KafkaException(place.error)
    return place.offset
