"""The command `remember`: writes the history of old claims from a file to the log.

A row of a file always has the same keys, so remembering a file again changes nothing.
"""

import datetime as dt
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from consumer.batch.records import Record
from consumer.errors import KafkaStoppedError, SettingsError
from consumer.history.access.scan import BEGINNING, LogScan
from consumer.history.access.writing import BY_KEY, LogChange, LogWriter
from consumer.history.asked import secret_of
from consumer.kafka.topics import WRITES, require_log, require_topics
from consumer.memory.log import NoteTaker, finding_record
from consumer.settings.settings import Settings
from consumer.stop import Stop
from consumer.waiting import aloud
from model.cli.terminal import counting, remark
from model.features.facts import UNDATED, report_days
from model.history.facts import DAY, at_start_of
from model.history.keys import fingerprint
from model.history.plan import OUTCOME_DAYS, refuse_without_entities
from model.offline.rejected import RejectedRows
from schemas.alert import Source
from schemas.contract.model import Contract
from schemas.contract.places import json_path
from schemas.decoding.rows import CellFault
from schemas.memory import RememberedClaim
from schemas.tables.batches import Rejected
from schemas.tables.claims import ReadRow, open_claims
from schemas.tables.rows import TableError

ROWS: Final = 4_000
"""Per transaction."""


class RememberedFile(NamedTuple):
    """What became of a file."""

    claims: int
    findings: int
    undated: int
    """Claims with no known report date: they have no history and are part of none."""
    undecided: int
    """Labels with no known decision date, in a file where others have one."""
    early: int
    """Labels that are assumed to become known later than today: what is found until then counts."""
    assumed: bool
    """Whether findings are dated by the report of their claims, as the file does not date them."""
    rejected: int
    stopped: bool


def source_of(data: Path, row: int) -> Source:
    """The source of a fact stated in a row of a file: no topic has a colon in its name."""
    name = os.fsencode(data.name)  # which need not be UTF-8
    return Source(f"file:{blake2b(name, digest_size=8).hexdigest()}", 0, row)


def remember(settings: Settings, contract: Contract, data: Path, stop: Stop) -> RememberedFile:
    """Write the claims of a file, and what was found about them, to MEMORY_TOPIC.

    Args:
        settings: topic, connection and key.
        contract: of the claims.
        data: the file; see `schemas.tables.opening.open_table`.
        stop: ends it between two transactions.

    Raises:
        SettingsError: no key, or another than the topic's; the file cannot be read, or lacks a
            column; or the contract names nobody, or does not say when claims are reported.
        KafkaStoppedError: Kafka does not answer or refuses; it says how many are remembered.
    """
    _refuse_without(contract)
    secret = secret_of(settings)
    notes = NoteTaker(contract, secret)
    with aloud(settings):
        require_topics(settings, {settings.memory_topic: WRITES})
        require_log(settings)
    stop.gracefully()
    _refuse_another_key(settings, fingerprint(secret), stop)
    with aloud(settings):
        writer = LogWriter(settings, "remember")
    stop.gracefully(unknown=writer.unknown)
    today = dt.datetime.now(dt.UTC).date()
    done = RememberedFile(0, 0, 0, 0, 0, assumed=False, rejected=0, stopped=False)
    try:
        done = done._replace(assumed=not _states_when(data, contract, stop))
        with open_claims(data, contract) as file, counting() as shown:
            refused = RejectedRows(file.name)
            task = shown.add_task("reading", total=None)
            tell = partial(remark, shown)
            while not stop.asked:
                rows = list(islice(file.rows, ROWS))
                if not rows:
                    break
                good = _good(rows, contract, refused, tell, today)
                records, done = _records(good, contract, notes, data, done, today)
                writer.write(LogChange(BY_KEY, key, value) for key, value, *_ in records)
                shown.update(task, description=f"{done.claims:,} claims remembered")
    except TableError as error:
        raise SettingsError(f"{error}; {done.claims:,} claims are remembered") from error
    except KafkaStoppedError as error:
        raise KafkaStoppedError(
            f"{error}; of the file's claims {done.claims:,} at most are remembered"
        ) from error
    sys.stderr.writelines(f"{line}\n" for line in refused.summary())
    return done._replace(rejected=refused.total, stopped=stop.asked)


def _refuse_without(contract: Contract) -> None:
    try:
        refuse_without_entities(contract)
    except ValueError as error:
        raise SettingsError(str(error)) from error
    if contract.event.time is None:
        raise SettingsError(
            f"contract {contract.about.name} does not say on which day a claim is reported, which "
            "is when it became known: x-event, time"
        )


def _refuse_another_key(settings: Settings, own: str, stop: Stop) -> None:
    """Read as far as the first claim: all are hashed with one key, and every reader checks that.

    Raises:
        SettingsError: it was hashed with another key.
        KafkaStoppedError, StoppedError: see `LogScan.read`.
    """
    scan = LogScan(settings, stop, own)
    with closing(scan.read(BEGINNING, scan.ends())) as read:
        for records in read:
            if any(isinstance(record.told.fact, RememberedClaim) for record in records):
                return


def _states_when(data: Path, contract: Contract, stop: Stop) -> bool:
    """Whether any row says when its label was decided; meaningless if it was asked to stop."""
    if not contract.decided_path:
        return False
    with open_claims(data, contract) as file:
        return any(
            stop.asked or (row.label is not None and row.decided is not None) for row in file.rows
        )


def _good(
    rows: Sequence[ReadRow],
    contract: Contract,
    refused: RejectedRows,
    tell: Callable[[str], object],
    today: dt.date,
) -> list[ReadRow]:
    """The rows that can be remembered; the others are reported."""
    good = []
    for row in rows:
        fault = row.fault or _time_fault(row, contract, today)
        if fault is None:
            good.append(row)
            continue
        for line in refused.add([Rejected(row.line, fault)]):
            tell(line)
    return good


def _time_fault(row: ReadRow, contract: Contract, today: dt.date) -> CellFault | None:
    """What is wrong with a day on which something became known: the log begins in 1970, and a fact
    from the future would be hidden until then.
    """
    name = contract.event.time or ""
    for where, day in (
        (name, getattr(row.claim, name)),
        (json_path(contract.decided_path), row.decided),
    ):
        if day is not None and not FIRST <= day <= today:
            return CellFault(where, "", "before 1970" if day < FIRST else "in the future")
    return None


FIRST: Final = dt.date(1970, 1, 1)


def _records(
    rows: Sequence[ReadRow],
    contract: Contract,
    notes: NoteTaker,
    data: Path,
    done: RememberedFile,
    today: dt.date,
) -> tuple[list[Record], RememberedFile]:
    """The records of some rows, and the file's counts including them."""
    claims = [row.claim for row in rows]
    days = report_days(contract, claims)
    dated = np.flatnonzero(days != UNDATED).tolist()
    known = [at_start_of(int(days[place])) for place in dated]
    sources = [source_of(data, rows[place].line) for place in dated]
    some = [claims[place] for place in dated]
    records = list(notes.note(some, notes.keys(some), sources, known).records)
    told = [
        (rows[place].claim, source, decided)
        for place, source, reported in zip(dated, sources, known, strict=True)
        if (decided := _decided(rows[place], reported, assumed=done.assumed)) is not None
    ]
    end = at_start_of(today.toordinal() + 1)
    found = [
        finding_record(getattr(claim, contract.event.id), moment, source, fraud=fraud)
        for claim, source, (moment, fraud) in told
        if moment < end
    ]
    labelled = sum(rows[place].label is not None for place in dated)
    return [*records, *found], done._replace(
        claims=done.claims + len(dated),
        findings=done.findings + len(found),
        undated=done.undated + len(rows) - len(dated),
        undecided=done.undecided + labelled - len(told),
        early=done.early + len(told) - len(found),
    )


def _decided(row: ReadRow, reported: int, *, assumed: bool) -> tuple[int, bool] | None:
    """When a label became known, in milliseconds, and the label; None if there is none, or nobody
    says when.
    """
    if row.label is None:
        return None
    if row.decided is not None:
        return at_start_of(row.decided.toordinal()), row.label
    return (reported + OUTCOME_DAYS * DAY, row.label) if assumed else None
