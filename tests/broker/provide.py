"""The Kafka that tests run on."""

import contextlib
from collections.abc import Iterator

from tests.broker.container import kafka_container
from tests.broker.jars import jars
from tests.broker.native import NativeKafka
from tests.harness import servers


def provide() -> servers.Server:
    """Run or find a broker for the length of the block; the value is its bootstrap address.

    Raises:
        NoKafkaError: on entry: there is no way to one here.
    """
    return servers.provide("KAFKA_BOOTSTRAP_SERVERS", kafka_container, jars, _native)


@contextlib.contextmanager
def _native() -> Iterator[str]:
    with NativeKafka() as kafka:
        yield kafka.bootstrap
