"""Checks of `doctor` on a topic's replicas: what survives the loss of a broker."""

from typing import Final

from confluent_kafka import KafkaError

from consumer.doctor.asked import AskedTopic
from consumer.doctor.findings import Diagnosis, grant, ok, unknown, warning, wrong
from consumer.errors import KafkaStoppedError

STOPS: Final = KafkaStoppedError.exit_code
_ADVICE_REPLICATION: Final = (
    "raise it with kafka-reassign-partitions.sh; new topics: "
    "python -m consumer topics --replication-factor 3"
)


def durability(topic: AskedTopic) -> Diagnosis:
    """Check what survives of the topic when a broker is lost."""
    replication = min((p.replicas for p in topic.partitions), default=0)
    shape = f"{len(topic.partitions)} partitions, replication {replication}"
    if leaderless := [n for n, p in enumerate(topic.partitions) if p.leader is None]:
        text = f"{shape}, no leader for partitions {leaderless}"
        return wrong(topic.name, text, "bring their brokers back", STOPS)
    if isinstance(topic.config, KafkaError):
        text = f"{shape}; its settings are unknown: {topic.config.str()}"
        return unknown(topic.name, text, grant("DescribeConfigs", topic.name))
    needed = int(topic.config.get("min.insync.replicas") or 1)
    shape += f", min.insync {needed}"
    in_sync = min((p.in_sync for p in topic.partitions), default=0)
    if in_sync < needed:
        text = f"{shape}, only {in_sync} in sync: Kafka rejects writes"
        return wrong(
            topic.name, text, "bring the brokers back, or lower min.insync.replicas", STOPS
        )
    if replication > 1 and topic.config.get("unclean.leader.election.enable") == "true":
        text = f"{shape}, unclean leader election: acknowledged records may be lost"
        return wrong(topic.name, text, "set unclean.leader.election.enable=false")
    return _replicated(topic.name, shape, replication, needed, in_sync)


def _replicated(name: str, shape: str, replication: int, needed: int, in_sync: int) -> Diagnosis:
    if in_sync < replication:
        text = f"{shape}, only {in_sync} in sync"
        return warning(name, text, "find the broker that is down or lagging")
    if replication < 3:
        text = f"{shape}: losing a disk can lose acknowledged records"
        return warning(name, text, _ADVICE_REPLICATION)
    if needed < 2:
        text = f"{shape}: a single replica may acknowledge a record and then be lost"
        return warning(name, text, "set min.insync.replicas=2")
    if needed == replication:
        text = f"{shape}: nothing can be written while any one broker is down"
        return warning(name, text, f"set min.insync.replicas={replication - 1}")
    return ok(name, shape)
