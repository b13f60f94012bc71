"""Sends claims from a file to the claims topic, as events of their contract."""

import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from consumer.errors import KafkaStoppedError, SettingsError
from consumer.kafka.topics import WRITES, require_topics
from consumer.settings.settings import Settings
from consumer.stop import Stop
from consumer.tools.sender import ClaimRecord, Sender, paced
from consumer.waiting import aloud
from model.artifact.store import ArtifactError, read_contract, read_manifest
from model.cli.terminal import counting, remark
from model.offline.rejected import RejectedRows
from schemas.cli.named import named
from schemas.contract.errors import ContractError
from schemas.contract.model import Contract
from schemas.decoding.decoder import ClaimDecoder
from schemas.decoding.refusal import RefusedError
from schemas.decoding.rows import CellFault
from schemas.decoding.size import check_size
from schemas.printable import listed
from schemas.tables.batches import Rejected
from schemas.tables.events import Outgoing, OutgoingFile, key_of, open_outgoing
from schemas.tables.rows import TableError


class SentFile(NamedTuple):
    """What became of a file."""

    sent: int
    """Claims that Kafka has acknowledged."""
    rejected: int
    """Rows that are not claims."""
    stopped: bool
    """Whether a signal ended it before the end of the file."""


def contract_of(contract: str | None, model: Path | None) -> Contract:
    """The contract in a file, a shipped one by name, or a model's.

    Raises:
        SettingsError: there is none.
    """
    try:
        if model is not None:
            folder = model.resolve()
            return read_contract(folder, read_manifest(folder))
        return named(Path(contract or ""))
    except (ArtifactError, ContractError, OSError) as error:
        raise SettingsError(str(error)) from error


def send(
    settings: Settings, contract: Contract, data: Path, *, rate: float, stop: Stop
) -> SentFile:
    """Send the claims of a file to CLAIMS_TOPIC, in its order.

    Args:
        settings: where Kafka is and the topic's name.
        contract: what the claims are.
        data: the file; see `schemas.tables.opening.open_table`.
        rate: claims per second; 0 for as fast as Kafka accepts them.
        stop: ends it, after waiting for what was sent.

    Raises:
        SettingsError: the file cannot be read, or lacks a column.
        KafkaStoppedError: Kafka does not answer within 30 s, the topic is missing, or a record was
            refused; it says how many were acknowledged.
    """
    with aloud(settings):
        require_topics(settings, {settings.claims_topic: WRITES})
    return send_by(Sender(settings), contract, data, rate=rate, stop=stop)


def send_by(sender: Sender, contract: Contract, data: Path, *, rate: float, stop: Stop) -> SentFile:
    """The same, with a sender whose topic exists.

    Raises:
        SettingsError: the file cannot be read, or lacks a column.
        KafkaStoppedError: Kafka does not answer within 30 s, or refuses a record.
    """
    ended = threading.Event()
    stop.gracefully(ended.set, sender.unknown)
    try:
        with open_outgoing(data, ClaimDecoder(contract)) as file, counting() as progress:
            _say_what_is_unused(file)
            refused = RejectedRows(file.name)
            task = progress.add_task("reading", total=None)
            paced(
                sender,
                _records(file, contract, refused, ended, partial(remark, progress)),
                rate,
                ended,
                lambda: progress.update(task, description=f"{sender.acknowledged:,} claims sent"),
            )
            sender.finish()
    except TableError as error:
        sender.finish()
        raise SettingsError(f"{error}; {_acknowledged(sender)}") from error
    except KafkaStoppedError as error:
        raise KafkaStoppedError(f"{error}; {_acknowledged(sender)}") from error
    sys.stderr.writelines(f"{line}\n" for line in refused.summary())
    return SentFile(sender.acknowledged, refused.total, stop.asked)


def _acknowledged(sender: Sender) -> str:
    return f"{sender.acknowledged:,} claims are in {sender.topic}"


def _records(
    file: OutgoingFile,
    contract: Contract,
    refused: RejectedRows,
    ended: threading.Event,
    tell: Callable[[str], object],
) -> Iterator[ClaimRecord]:
    for row in file.rows:
        if ended.is_set():  # perhaps no row of the file is a claim
            return
        fault = row.fault or _too_large(row)
        if fault is None:
            yield key_of(contract, row.claim).encode(), row.event
            continue
        for line in refused.add([Rejected(row.line, fault)]):
            tell(line)


def _too_large(row: Outgoing) -> CellFault | None:
    try:
        check_size(row.event)
    except RefusedError as refused:
        return CellFault("", "", str(refused))
    return None


def _say_what_is_unused(file: OutgoingFile) -> None:
    unused = file.columns.unused if file.columns is not None else ()
    if unused:
        sys.stderr.write(f"not sent, as not in the contract: columns {listed(unused)}\n")
