"""Bytewax: source batches through `flat_map_batch`, its one way to see a batch without a wait.

At least once at best, and only with a recovery store, which is left out to its advantage.
"""

from bytewax import operators as op
from bytewax.connectors.kafka import KafkaSinkMessage, KafkaSourceMessage
from bytewax.connectors.kafka import operators as kafka
from bytewax.dataflow import Dataflow

from benchmarks.loops.job import job
from benchmarks.loops.scoring import scoring

told = job()
score = scoring(told)


def alerts(claims: list[KafkaSourceMessage]) -> list[KafkaSinkMessage]:
    """One alert for each claim, under its key."""
    values = score([claim.value or b"" for claim in claims])
    return [KafkaSinkMessage(c.key, value) for c, value in zip(claims, values, strict=True)]


flow = Dataflow("claims")
source = kafka.input(
    "claims",
    flow,
    brokers=[told.bootstrap],
    topics=[told.claims],
    add_config={"isolation.level": "read_committed"},
    batch_size=told.batch,
)
scored = op.flat_map_batch("score", source.oks, alerts)
kafka.output("alerts", scored, brokers=[told.bootstrap], topic=told.alerts)
