"""Transactions the brokers hold open: the one question the client library cannot ask."""

import io
import socket
import struct
from collections.abc import Sequence
from typing import NamedTuple

from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient

from tests.broker import wait
from tests.broker.read import QUIET, end_offsets

LIST_TRANSACTIONS = 66
LOADING = KafkaError.COORDINATOR_LOAD_IN_PROGRESS
ENDED = frozenset({"Empty", "CompleteCommit", "CompleteAbort", "Dead"})


class Transaction(NamedTuple):
    """A transactional id as its coordinator sees it."""

    transactional_id: str
    producer_id: int
    state: str


def transactions(bootstrap: str) -> list[Transaction]:
    """Every transactional id the cluster's coordinators know."""
    admin = AdminClient({"bootstrap.servers": bootstrap, **QUIET})
    nodes = admin.list_topics(timeout=30).brokers.values()
    return sorted({t for n in nodes for t in _ask(str(n.host), n.port)})


def open_transactions(bootstrap: str) -> list[Transaction]:
    """Transactions that were begun and are neither committed nor aborted."""
    return [t for t in transactions(bootstrap) if t.state not in ENDED]


def coordinator_of(bootstrap: str, transactional_id: str) -> int:
    """Port of the broker that coordinates the transactional id.

    Raises:
        LookupError: no broker knows it.
    """
    admin = AdminClient({"bootstrap.servers": bootstrap, **QUIET})
    for node in admin.list_topics(timeout=30).brokers.values():
        if transactional_id in {t.transactional_id for t in _ask(str(node.host), node.port)}:
            return node.port
    raise LookupError(transactional_id)


def unstable_partitions(bootstrap: str, topics: Sequence[str]) -> list[tuple[str, int]]:
    """Partitions whose readers are held back by a transaction without an end."""
    stable = end_offsets(bootstrap, topics, "read_committed")
    written = end_offsets(bootstrap, topics, "read_uncommitted")
    return sorted(where for where, end in written.items() if stable[where] < end)


def _ask(host: str, port: int) -> list[Transaction]:
    # In a tuple: no transaction at all is an answer, too.
    (found,) = wait.until(lambda: _answer(host, port), "a transaction coordinator to load")
    return found


def _answer(host: str, port: int) -> tuple[list[Transaction]] | None:
    """The broker's answer, None while it is still loading its transaction log."""
    # header v2: key, version, correlation id, client id, no tags; body v0: no filters, no tags
    request = struct.pack(">hhih", LIST_TRANSACTIONS, 0, 1, -1) + b"\0" + b"\1\1\0"
    with socket.create_connection((host, port), timeout=30) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        stream = connection.makefile("rb")
        (size,) = struct.unpack(">i", stream.read(4))
        return _parse(io.BytesIO(stream.read(size)))


def _parse(answer: io.BytesIO) -> tuple[list[Transaction]] | None:
    _, _, _, error = struct.unpack(">ibih", answer.read(11))
    if error == LOADING:
        return None
    assert error == 0, f"ListTransactions answered error {error}"
    for _ in range(_varint(answer) - 1):
        _string(answer)
    return ([_transaction(answer) for _ in range(_varint(answer) - 1)],)


def _transaction(answer: io.BytesIO) -> Transaction:
    name = _string(answer)
    (producer_id,) = struct.unpack(">q", answer.read(8))
    state = _string(answer)
    assert _varint(answer) == 0, "tagged fields are not expected"
    return Transaction(name, producer_id, state)


def _string(answer: io.BytesIO) -> str:
    return answer.read(_varint(answer) - 1).decode()


def _varint(answer: io.BytesIO) -> int:
    value = shift = 0
    while True:
        (byte,) = answer.read(1)
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
        shift += 7
