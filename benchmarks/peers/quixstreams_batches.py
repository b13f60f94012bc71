"""Quix Streams in batches: a `BatchingSink`, the form its documentation has for batches.

The sink publishes with a producer of its own: at least once.
"""

from confluent_kafka import Producer
from quixstreams import Application
from quixstreams.sinks import BatchingSink, SinkBatch

from benchmarks.loops.job import job
from benchmarks.loops.scoring import scoring

told = job()


class Alerts(BatchingSink):
    """Scores a partition's batch when a checkpoint is due, and publishes it."""

    def __init__(self) -> None:
        super().__init__()
        self._score = scoring(told)
        self._producer = Producer({"bootstrap.servers": told.bootstrap, "linger.ms": 0})

    def write(self, batch: SinkBatch) -> None:
        """Publish one alert for each claim and wait for the brokers' word."""
        for claims in batch.iter_chunks(n=told.batch):
            found = list(claims)
            values = self._score([claim.value for claim in found])
            for claim, value in zip(found, values, strict=True):
                self._producer.produce(told.alerts, value, claim.key)
            self._producer.flush()


if __name__ == "__main__":
    app = Application(
        broker_address=told.bootstrap,
        consumer_group=told.group,
        auto_offset_reset="earliest",
        commit_every=told.batch * 4,
        auto_create_topics=False,
        consumer_extra_config={"isolation.level": "read_committed"},
        loglevel="ERROR",
    )
    claims = app.topic(told.claims, value_deserializer="bytes", key_deserializer="bytes")
    app.dataframe(claims).sink(Alerts())
    app.run()
