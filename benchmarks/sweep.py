"""``python -m benchmarks.sweep``: what open transactions cost a start, by output partitions.

Each row: a look at a broker with nothing open, and a sweep, medians of `TRIES` in milliseconds.
"""

import statistics
import time
from collections.abc import Callable
from functools import partial

from confluent_kafka import Producer

from consumer.kafka.producing import make_producer
from consumer.kafka.topics import create_topics
from consumer.publishing.leftovers import Leftovers
from consumer.settings.settings import Settings, read_settings
from tests.broker import topics
from tests.broker.native import NativeKafka

PARTITIONS = (1, 5, 25)
"""Of each of the two output topics."""
TRIES = 9
TIMEOUT_S = 30.0


def main() -> None:
    """Print the table."""
    with NativeKafka() as kafka:
        print("output partitions | look, ms | sweep, ms")
        for partitions in PARTITIONS:
            settings = _settings(kafka.direct)
            create_topics(settings, partitions, 1)
            look, sweep = _measure(settings, _initialised(settings))
            print(f"{2 * partitions:17} | {look:8.0f} | {sweep:9.0f}")


def _measure(settings: Settings, producer: Producer) -> tuple[float, float]:
    outputs = settings.alerts_topic, settings.dead_letter_topic
    leftovers = Leftovers(settings, settings.claims_topic, outputs)
    leftovers.sweep(producer, TIMEOUT_S)  # coordinators are found
    return (
        _median_ms(partial(leftovers.clear, producer, TIMEOUT_S)),
        _median_ms(lambda: _swept(settings, leftovers)),
    )


def _swept(settings: Settings, leftovers: Leftovers) -> None:
    """With a second producer, as the one that swept is not used for anything else."""
    leftovers.sweep(_initialised(settings), TIMEOUT_S)
    _initialised(settings)


def _initialised(settings: Settings) -> Producer:
    producer = make_producer(settings)
    producer.init_transactions(TIMEOUT_S)
    return producer


def _median_ms(act: Callable[[], object]) -> float:
    times = []
    for _ in range(TRIES):
        started = time.perf_counter()
        act()
        times.append(1e3 * (time.perf_counter() - started))
    return statistics.median(times)


def _settings(bootstrap: str) -> Settings:
    name = topics.fresh_name("sweep")
    return read_settings(
        {
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "CLAIMS_TOPIC": f"{name}.claims",
            "ALERTS_TOPIC": f"{name}.alerts",
            "DEAD_LETTER_TOPIC": f"{name}.dead",
            "OUTCOMES_TOPIC": f"{name}.outcomes",
            "CONSUMER_GROUP": name,
            "INSTANCE_ID": "w1",
        }
    )


if __name__ == "__main__":
    main()
