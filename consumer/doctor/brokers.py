"""Checks of `doctor` on the brokers: reachability, version, and cluster settings."""

from collections.abc import Iterator, Sequence
from typing import Final

from confluent_kafka import KafkaError

from consumer.doctor.asked import AskedBroker
from consumer.doctor.findings import Diagnosis, grant, ok, unknown, warning, wrong
from consumer.errors import KafkaStoppedError

REFUSED_NOT_SILENT: Final = frozenset(
    {KafkaError.CLUSTER_AUTHORIZATION_FAILED, KafkaError.TOPIC_AUTHORIZATION_FAILED}
)
"""A broker that refuses has been reached."""
DAY_MINUTES: Final = 24 * 60
LEAKY: Final = "4.3.0, 4.3.1 and 4.4.0"
"""One-node Apache Kafka in these versions can leave transactions open after a kill."""


def judge_nodes(nodes: Sequence[AskedBroker], timeout_ms: int | None) -> Iterator[Diagnosis]:
    """All findings about the brokers.

    Args:
        nodes: each asked at its advertised address.
        timeout_ms: maximum duration of a transaction; None without transactions.
    """
    yield reached(nodes)
    yield version(len(nodes))
    yield settings_of(nodes, timeout_ms)


def unreachable(servers: str, reasons: Sequence[str], waited_s: float) -> Diagnosis:
    """No broker answers.

    Args:
        servers: the addresses that were tried.
        reasons: errors of the client in the meantime, in order.
        waited_s: how long it waited, in seconds.
    """
    why = "; ".join(dict.fromkeys(reasons)) or "the client gives no reason"
    return wrong(
        "brokers",
        f"no answer from {servers} within {waited_s:g} s: {why}",
        "check KAFKA_BOOTSTRAP_SERVERS, the security settings and the brokers",
        KafkaStoppedError.exit_code,
    )


def reached(nodes: Sequence[AskedBroker]) -> Diagnosis:
    """Check that every broker answers at the address it advertises."""
    where = ", ".join(f"{node.id} at {node.address}" for node in nodes)
    silent = [
        f"{node.id} at {node.address} ({node.config.str()})"
        for node in nodes
        if isinstance(node.config, KafkaError) and node.config.code() not in REFUSED_NOT_SILENT
    ]
    if silent:
        return wrong(
            "brokers",
            f"{len(nodes)} advertised, no answer from {', '.join(silent)}",
            "advertised.listeners of a broker must be an address this machine can reach",
            KafkaStoppedError.exit_code,
        )
    return ok("brokers", f"{len(nodes)} reached at the advertised addresses: {where}")


def version(nodes: int) -> Diagnosis:
    """Report that the client cannot query the version; it matters on one node."""
    if nodes > 1:
        return unknown("broker version", "clients cannot query it", "ask the broker operators")
    return warning(
        "broker version",
        f"unknown, and there is one node: Kafka {LEAKY} on one node can leave a transaction open "
        "after a kill",
        "make sure it is a different version, or run three nodes (docs/exactly-once.md)",
    )


def settings_of(nodes: Sequence[AskedBroker], timeout_ms: int | None) -> Diagnosis:
    """Broker limits that can prevent a worker from starting or expire its committed offsets."""
    known = [node.config for node in nodes if not isinstance(node.config, KafkaError)]
    if not known:
        text = "unknown: no right to query them"
        return unknown("broker settings", text, grant("DescribeConfigs", "the cluster"))
    longest_ms = min(int(config.get("transaction.max.timeout.ms") or 900_000) for config in known)
    kept = min(int(config.get("offsets.retention.minutes") or 10_080) for config in known)
    text = f"transaction.max.timeout.ms {longest_ms}, offsets.retention.minutes {kept}"
    if timeout_ms is not None and timeout_ms > longest_ms:
        return wrong(
            "broker settings",
            f"{text}: KAFKA_TRANSACTION_TIMEOUT_MS is {timeout_ms}, longer than the brokers allow",
            "lower KAFKA_TRANSACTION_TIMEOUT_MS",
            KafkaStoppedError.exit_code,
        )
    if kept < DAY_MINUTES:
        return warning(
            "broker settings",
            f"{text}: a group without workers for that long loses its offsets and scores again",
            "raise offsets.retention.minutes above the longest outage",
        )
    return ok("broker settings", text)
