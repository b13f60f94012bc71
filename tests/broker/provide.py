"""Which Kafka the tests run on: one given, one in Docker, or one started natively."""

import contextlib
import os
import sys
from collections.abc import Iterator

from tests.broker.container import kafka_container
from tests.broker.jars import NoKafkaError, jars
from tests.broker.native import NativeKafka


@contextlib.contextmanager
def provide() -> Iterator[str]:
    """Run or find a broker for the length of the block; the value is its bootstrap address.

    Raises:
        NoKafkaError: there is no way to one here.
    """
    if given := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield given
        return
    with contextlib.ExitStack() as stack:
        try:
            address = stack.enter_context(kafka_container())
        except NoKafkaError as why:
            jars()
            sys.stderr.write(f"tests: {why}: starting Kafka with Java\n")
            address = stack.enter_context(NativeKafka()).bootstrap
        yield address
