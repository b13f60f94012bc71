"""Faust (faust-streaming): an agent that takes batches with `stream.take`.

At least once: a batch is acknowledged after its alerts were handed to the producer.
"""

import tempfile

import faust

from benchmarks.loops.job import job
from benchmarks.loops.scoring import scoring

told = job()
score = scoring(told)
app = faust.App(
    told.group,
    broker=f"kafka://{told.bootstrap}",
    value_serializer="raw",
    key_serializer="raw",
    topic_disable_leader=True,
    topic_partitions=4,
    consumer_auto_offset_reset="earliest",
    stream_buffer_maxsize=2 * told.batch,
    consumer_max_fetch_size=4 * 1024 * 1024,
    producer_linger=0,
    web_enabled=False,
    datadir=tempfile.mkdtemp(prefix="faust-"),
)
claims = app.topic(told.claims, value_type=bytes, key_type=bytes)
alerts = app.topic(told.alerts, value_type=bytes, key_type=bytes)


@app.agent(claims)
async def scorer(stream: "faust.StreamT[bytes]") -> None:
    """Score what has arrived: up to a batch, or whatever came within a twentieth of a second."""
    async for events in stream.take_events(told.batch, within=0.05):
        values = score([event.value for event in events])
        sent = [
            await alerts.send(key=event.key, value=value)
            for event, value in zip(events, values, strict=True)
        ]
        for one in sent:
            await one


if __name__ == "__main__":
    app.main()
