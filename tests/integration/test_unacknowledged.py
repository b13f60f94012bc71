"""Records that the broker has written and the client does not know of (docs/decisions/0019)."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException

from consumer.batch.process import process
from consumer.errors import AbortedError
from consumer.kafka.receipts import Receipts
from consumer.kafka.topics import create_topics
from consumer.kafka.watchdog import Watchdog
from consumer.publishing.leftovers import Leftovers
from consumer.publishing.publication import Publication
from consumer.publishing.transactions import ExactlyOnce
from consumer.settings.settings import Settings, read_settings
from tests.broker import ports, topics, wait
from tests.broker.native import NativeKafka
from tests.broker.proxy import PRODUCE, Proxy
from tests.broker.read import read_all
from tests.consumer.fakes import NOW, FakeScorer, claim
from tests.harness.kafka import FakeMessage

pytestmark = [pytest.mark.kafka]

LATE = KafkaError(KafkaError.ILLEGAL_GENERATION, "rebalanced", txn_requires_abort=True)
OFFLINE_S = 0.5


@pytest.fixture
def proxy(native: type[NativeKafka]) -> Iterator[Proxy]:
    (port,) = ports.free_ports(1)
    with native(advertised=[port]) as kafka, Proxy(port, kafka.node.port) as made:
        yield made


@pytest.fixture
def settings(proxy: Proxy) -> Settings:
    name = topics.fresh_name("t")
    made = read_settings(
        {
            "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{proxy.port}",
            "CLAIMS_TOPIC": "claims",
            "ALERTS_TOPIC": f"{name}.alerts",
            "DEAD_LETTER_TOPIC": f"{name}.dead",
            "OUTCOMES_TOPIC": f"{name}.outcomes",
            "CONSUMER_GROUP": name,
            "INSTANCE_ID": "w1",
        }
    )
    create_topics(made, 1, 1)
    return made


class Overtaken(ExactlyOnce):
    """Lets something happen before each commit."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.before_commit: Callable[[], object] = lambda: None

    def _commit(self, *given: Any, **named: Any) -> None:
        self.before_commit()
        super()._commit(*given, **named)


@pytest.fixture
def publisher(settings: Settings) -> Iterator[Overtaken]:
    watchdog, receipts = Watchdog(3_600), Receipts("w1")
    receipts.taken(("claims", 0), 0, int(NOW.timestamp() * 1_000))
    outputs = settings.alerts_topic, settings.dead_letter_topic
    leftovers = Leftovers(settings, settings.claims_topic, outputs)
    made = Overtaken(settings, watchdog, receipts, leftovers)
    yield made
    made.close()
    watchdog.close()


def published(settings: Settings, offset: int) -> Publication:
    outcome = process([FakeMessage(claim(f"c{offset}"), offset)], FakeScorer(), NOW)
    return Publication.of(outcome, settings)


def test_what_follows_an_abort_is_not_taken_for_what_it_purged(
    settings: Settings, publisher: Overtaken, proxy: Proxy
) -> None:
    """The answer to a record is lost with the connection, then the group rebalances."""
    reader = Consumer(
        {"bootstrap.servers": f"127.0.0.1:{proxy.port}", "group.id": settings.consumer_group}
    )
    metadata = reader.consumer_group_metadata()

    def publish(offset: int) -> None:
        publisher.publish(published(settings, offset), metadata, lambda: None)
        publisher.settle()

    def rebalanced() -> None:
        publisher._producer.flush(0.05)  # send what lingers
        wait.until(lambda: PRODUCE in proxy.met, "the record to be written")
        proxy.cut()
        time.sleep(OFFLINE_S)  # the client has the record in its queue again
        threading.Timer(OFFLINE_S, proxy.heal).start()
        raise KafkaException(LATE)

    publish(0)
    proxy.cut_answers(PRODUCE)
    publisher.before_commit = rebalanced
    with pytest.raises(AbortedError):
        publish(1)
    publisher.before_commit = lambda: None
    publish(1)
    publish(2)
    keys = [
        record.value for record in read_all(settings.kafka_bootstrap_servers, settings.alerts_topic)
    ]
    assert [f"c{n}".encode() in (value or b"") for n, value in enumerate(keys)] == [True] * 3
    reader.close()


def test_what_follows_a_sweep_is_not_taken_for_it(
    settings: Settings, publisher: ExactlyOnce, proxy: Proxy
) -> None:
    reader = Consumer(
        {"bootstrap.servers": f"127.0.0.1:{proxy.port}", "group.id": settings.consumer_group}
    )
    swept = publisher._producer
    publisher.sweep()
    assert publisher._producer is not swept
    publisher.publish(published(settings, 0), reader.consumer_group_metadata(), lambda: None)
    publisher.settle()
    assert len(read_all(settings.kafka_bootstrap_servers, settings.alerts_topic)) == 1
    reader.close()
