"""The command `forget`: a tombstone for every key of some claims, then a check.

The tombstones of named claims go out in one transaction, those of `--outdated` in several.

Kafka deletes what was written under a key once the log is compacted, and every view drops it when
it reaches the tombstone. Each tombstone goes to the partition of its record, whatever the number of
partitions was when that was written: in another, it would leave the record where it is.
"""

import datetime as dt
import sys
import time
from collections.abc import Iterator
from itertools import islice
from typing import Final, TextIO

from consumer.errors import SettingsError
from consumer.history.access.filling import model_in
from consumer.history.access.gather import Gathered, Sought, each, gather, gathered
from consumer.history.access.outdated import oldest_kept, outdated
from consumer.history.access.scan import BEGINNING, LogRecord, LogScan, LogState, StoppedError
from consumer.history.access.writing import LogChange, LogWriter
from consumer.history.asked import Named, hashed, secret_of
from consumer.history.entity import NOBODY_NAMED, names_nobody
from consumer.kafka.topics import COUNTS_AND_WRITES, require_topics
from consumer.memory.assembly import refuse_short_memory
from consumer.settings.settings import Settings
from consumer.stop import Stop
from consumer.waiting import aloud
from model.history.keys import fingerprint
from model.history.plan import bounds_of
from schemas.contract.model import Contract
from schemas.memory import FactKind

AT_ONCE: Final = 10_000
"""Outdated records per transaction: it does not matter if some of them stay."""
NOT_FORGOTTEN: Final = 1
"""Exit code if the question was not answered with yes, or if something is in the log again."""


def forget_claim(
    settings: Settings, claim_id: str, stop: Stop, terminal: TextIO, *, yes: bool
) -> int:
    """Forget a claim; see `_forget`."""
    wanted = Sought(frozenset({claim_id}))
    return _forget(settings, wanted, None, stop, terminal, yes=yes)


def forget_entity(
    settings: Settings, contract: Contract, named: Named, stop: Stop, terminal: TextIO, *, yes: bool
) -> int:
    """Forget the claims that name someone; see `_forget`."""
    secret = secret_of(settings)
    naming = hashed(contract, secret, named)
    if naming is None:
        sys.stderr.write(f"{names_nobody(named)}\n")
        return NOBODY_NAMED
    wanted = Sought(named=frozenset({naming}))
    return _forget(settings, wanted, fingerprint(secret), stop, terminal, yes=yes)


def forget_outdated(settings: Settings, stop: Stop, terminal: TextIO, *, yes: bool) -> int:
    """Forget what no claim of the latest day in the log, or a later one, sees any more: what came
    in more than MEMORY_DAYS before that day.

    Returns:
        The exit code.

    Raises:
        SettingsError: there is nobody to ask, no model, or the model looks back further.
        KafkaStoppedError: the log cannot be read or written.
        StoppedError: a signal asked to stop; what was forgotten by then stays forgotten.
    """
    _refuse_to_ask_nobody(terminal, yes=yes)
    manifest, _ = model_in(settings)
    refuse_short_memory(settings, bounds_of(manifest.history))
    with aloud(settings):
        require_topics(settings, {settings.memory_topic: COUNTS_AND_WRITES})
    stop.gracefully()
    scan = LogScan(settings, stop)
    end = scan.settled()

    def read() -> Iterator[LogRecord]:
        return each(scan, BEGINNING, end)

    oldest = oldest_kept(read(), settings.memory_days, int(time.time() * 1_000))
    found = outdated(read, oldest)
    day = dt.datetime.fromtimestamp(oldest / 1_000, dt.UTC).date()
    if not found.places:
        sys.stdout.write(f"nothing in {settings.memory_topic} is from before {day}\n")
        return 0
    sys.stderr.write(f"{told(found)} in {settings.memory_topic}, from before {day}\n")
    writer = _writer_if_agreed(settings, stop, terminal, yes=yes)
    if writer is None:
        return NOT_FORGOTTEN
    done, places = 0, iter(found.places)
    while some := list(islice(places, AT_ONCE)):
        if stop.asked:
            raise StoppedError
        writer.write(LogChange(partition, key, None) for partition, key in some)
        done += len(some)
    sys.stdout.write(f"{done:,} records forgotten in {settings.memory_topic}\n")
    return 0


def _refuse_to_ask_nobody(terminal: TextIO, *, yes: bool) -> None:
    if not (yes or terminal.isatty()):
        raise SettingsError("what is forgotten cannot be brought back: add --yes")


def _writer_if_agreed(
    settings: Settings, stop: Stop, terminal: TextIO, *, yes: bool
) -> LogWriter | None:
    """The writer to forget with, once somebody has agreed; None if nobody does."""
    if not (yes or stop.agreed("Forget them for good?", terminal)):
        sys.stderr.write("nothing was forgotten\n")
        return None
    stop.gracefully()
    writer = LogWriter(settings, "forget")
    stop.gracefully(unknown=writer.unknown)
    return writer


def _forget(
    settings: Settings,
    wanted: Sought,
    own: str | None,
    stop: Stop,
    terminal: TextIO,
    *,
    yes: bool,
) -> int:
    """Forget claims; returns the exit code.

    Raises:
        SettingsError: there is nobody to ask, or the log was hashed with another key.
        KafkaStoppedError: the log cannot be read or written.
        StoppedError: a signal asked to stop before anything was written.
    """
    _refuse_to_ask_nobody(terminal, yes=yes)
    with aloud(settings):
        require_topics(settings, {settings.memory_topic: COUNTS_AND_WRITES})
    stop.gracefully()
    scan = LogScan(settings, stop, own)
    # What an open transaction holds back would be missed, even if it is another worker's.
    end = scan.settled()
    found = gathered(scan, end, wanted)
    if not found.places:
        sys.stdout.write(f"nothing is remembered of it in {settings.memory_topic}\n")
        return 0
    sys.stderr.write(f"{told(found)} in {settings.memory_topic}\n")
    writer = _writer_if_agreed(settings, stop, terminal, yes=yes)
    if writer is None:
        return NOT_FORGOTTEN
    writer.write(LogChange(partition, key, None) for partition, key in found.places)
    count = len(found.places)
    sys.stdout.write(f"{count:,} records forgotten in {settings.memory_topic}\n")
    try:
        left = _left(scan, end, writer.written, wanted, found)
    except StoppedError:
        sys.stderr.write("whether anything of it came in meanwhile was not looked up\n")
        raise
    if left.places:
        sys.stderr.write(
            f"{told(left)} came into {settings.memory_topic} meanwhile: run it again\n"
        )
        return NOT_FORGOTTEN
    sys.stdout.write(AFTERWARDS.format(topic=settings.memory_topic))
    return 0


AFTERWARDS: Final = (
    "the log was read again: nothing of it is left there. Every view forgets it when it reads "
    "this; the disks of the brokers are free of it after max.compaction.lag.ms of {topic}. Claims, "
    "alerts, dead letters and outcomes are in topics of their own, which end with their retention; "
    "a claim that is sent or scored again is remembered again\n"
)


def told(found: Gathered) -> str:
    """How many records of how many claims."""
    findings = sum(fact.key.kind == FactKind.FINDING for fact in found.facts)
    claims = len(found.claim_ids)
    return (
        f"{len(found.places):,} {'record' if len(found.places) == 1 else 'records'} of "
        f"{claims:,} {'claim' if claims == 1 else 'claims'} ({findings:,} of them findings)"
    )


def _left(
    scan: LogScan, end: LogState, written: LogState, wanted: Sought, found: Gathered
) -> Gathered:
    """What is left in the log after the tombstones: nothing, unless it was written meanwhile.

    Args:
        scan: of the log.
        end: up to where it was read.
        written: next offset after the tombstones, by partition.
        wanted: what to forget.
        found: what was found of it.
    """
    # Somebody else's transaction that is still open holds the end back.
    now = scan.reached(written)
    gather(scan, end, now, Sought(wanted.claims | found.claim_ids, wanted.named), found)
    return found
