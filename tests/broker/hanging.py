"""Transactions that a broker keeps open although their coordinator holds them to be over.

They are found with Kafka's own tool (KIP-664), as an operator would.
"""

import subprocess
from collections.abc import Iterable
from typing import NamedTuple

from tests.broker.jars import jars

TIMEOUT_S = 120
OLD_MINUTES = 1
"""Open for so long, a transaction of these tests hangs."""


class Hanging(NamedTuple):
    """The place where it is open."""

    topic: str
    partition: int
    producer_id: int
    start_offset: int


def hanging(bootstrap: str, broker_ids: Iterable[int]) -> list[Hanging]:
    """Every transaction that hangs on these brokers."""
    return sorted({found for broker in broker_ids for found in _on(bootstrap, broker)})


def _on(bootstrap: str, broker_id: int) -> list[Hanging]:
    limit = ["--max-transaction-timeout", str(OLD_MINUTES)]
    done = _tool(bootstrap, "find-hanging", "--broker-id", str(broker_id), *limit)
    assert done.returncode == 0, done
    return parse(done.stdout)


def parse(answer: str) -> list[Hanging]:
    """The rows of the tool's table."""
    header, *rows = [line.split() for line in answer.splitlines() if line.strip()]
    assert header[:6] == [
        "Topic", "Partition", "ProducerId", "ProducerEpoch", "CoordinatorEpoch", "StartOffset",
    ], header  # fmt: skip
    return [Hanging(row[0], int(row[1]), int(row[2]), int(row[5])) for row in rows]


def _tool(bootstrap: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    name = "org.apache.kafka.tools.TransactionsCommand"
    command = ["java", "-cp", f"{jars()}/*", name, "--bootstrap-server", bootstrap, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
