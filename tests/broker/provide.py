"""Which Kafka the tests run on: one given, one in Docker, or one started natively."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from tests.broker.container import kafka_container
from tests.broker.jars import NoKafkaError, jars
from tests.broker.native import NativeKafka

Broker = AbstractContextManager[str]
"""Runs for the length of the block; the value is its bootstrap address."""


@contextlib.contextmanager
def provide(
    container: Callable[[], Broker] = kafka_container,
    required: Callable[[], object] = jars,
    native: Callable[[], AbstractContextManager[NativeKafka]] = NativeKafka,
) -> Iterator[str]:
    """Run or find a broker for the length of the block; the value is its bootstrap address.

    Raises:
        NoKafkaError: there is no way to one here.
    """
    if given := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield given
        return
    with contextlib.ExitStack() as stack:
        try:
            address = stack.enter_context(container())
        except NoKafkaError as why:
            required()
            sys.stderr.write(f"tests: {why}: starting Kafka with Java\n")
            address = stack.enter_context(native()).bootstrap
        yield address
