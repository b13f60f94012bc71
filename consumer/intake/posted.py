"""Assembles the intake of posted claims that API_FORWARD enables."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from msgspec.structs import replace

from consumer.intake.forwarding import WITHIN_S, Forwarder
from consumer.intake.reachable import Reachable
from consumer.kafka.producing import make_producer
from consumer.kafka.topics import WRITES, require_topics
from consumer.publishing.alone import sent_alone
from consumer.settings.settings import Delivery, Forward, Settings
from consumer.telemetry.health import Check
from consumer.web.forwarding import Take

IMPOSED: Final = {
    "batch.size": "65536",
    "delivery.timeout.ms": str(int(WITHIN_S * 1_000)),
    "message.timeout.ms": "",  # another name of the one above
}
"""Properties that the environment cannot change."""


class Intake(NamedTuple):
    """What becomes of posted claims, in the server's terms: by default, nothing."""

    take: Take | None = None
    """Produces them."""
    ready: tuple[Check, ...] = ()
    healthy: tuple[Check, ...] = ()
    unknown: Callable[[], str | None] = lambda: None
    """Describes what Kafka has not answered."""


def producer_settings(settings: Settings) -> Settings:
    """Settings of a producer that sends at once and gives up on a record in time.

    A batch of several records has at most 64 kB, which most topics take: Kafka refuses one that
    does not fit as a whole, and then each of its records is sent again, alone.
    """
    own = {name: value for name, value in settings.librdkafka.items() if name not in IMPOSED}
    librdkafka = {"linger.ms": "0", **own, **{n: v for n, v in IMPOSED.items() if v}}
    return replace(settings, delivery=Delivery.AT_LEAST_ONCE, librdkafka=librdkafka)


@contextlib.contextmanager
def intake(settings: Settings) -> Iterator[Intake]:
    """The intake that API_FORWARD enables, while the body runs; then waits for what is in flight.

    Raises:
        KafkaStoppedError: the claims topic or the right to write to it is missing.
        SettingsError: the client rejects a KAFKA_* setting.
    """
    if settings.api_forward is Forward.OFF:
        yield Intake()
        return
    topic = settings.claims_topic
    require_topics(settings, {topic: WRITES})
    own = producer_settings(settings)
    producer = make_producer(own)
    forwarder = Forwarder(producer, lambda: make_producer(sent_alone(own)), topic)
    reachable = Reachable(producer, topic)
    with forwarder.running(), reachable.watched():
        yield Intake(forwarder.take, (reachable.fault,), (forwarder.broken,), forwarder.unknown)
