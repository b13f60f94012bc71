"""Quix Streams: exactly once, which it offers for one message at a time."""

from quixstreams import Application

from benchmarks.loops.job import job
from benchmarks.loops.scoring import scoring

told = job()
score = scoring(told)

if __name__ == "__main__":
    app = Application(
        broker_address=told.bootstrap,
        consumer_group=told.group,
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_every=told.batch,
        auto_create_topics=False,
        consumer_extra_config={"isolation.level": "read_committed"},
        producer_extra_config={"retry.backoff.ms": 1},
        loglevel="ERROR",
    )
    claims = app.topic(told.claims, value_deserializer="bytes", key_deserializer="bytes")
    alerts = app.topic(told.alerts, value_serializer="bytes", key_serializer="bytes")
    app.dataframe(claims).apply(lambda value: score([value])[0]).to_topic(alerts)
    app.run()
