"""The command `forget`: null under every key of some claims, in one transaction, and looked after.

Kafka deletes what was written under a key once the log is compacted, and every view drops it when
it comes to the null. Each null goes into the partition in which its record is, whatever the number
of partitions was when that was written: in another it would leave the record where it is.
"""

import sys
from typing import Final, TextIO

from consumer.errors import SettingsError
from consumer.history.access.gather import Gathered, Sought, gather, gathered
from consumer.history.access.scan import LogScan, LogState, StoppedError
from consumer.history.access.writing import LogChange, LogWriter
from consumer.history.asked import Named, hashed, secret_of
from consumer.history.entity import NOBODY_NAMED, names_nobody
from consumer.kafka.topics import COUNTS_AND_WRITES, require_topics
from consumer.settings.settings import Settings
from consumer.stop import Stop
from consumer.waiting import aloud
from model.history.keys import fingerprint
from schemas.contract.model import Contract
from schemas.memory import FactKind

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
    if not (yes or terminal.isatty()):
        raise SettingsError("what is forgotten cannot be brought back: add --yes")
    with aloud(settings):
        require_topics(settings, {settings.memory_topic: COUNTS_AND_WRITES})
    stop.gracefully()
    scan = LogScan(settings, stop, own)
    # What an open transaction holds back would be missed, be it of another worker.
    end = scan.settled()
    found = gathered(scan, end, wanted)
    if not found.places:
        sys.stdout.write(f"nothing is remembered of it in {settings.memory_topic}\n")
        return 0
    sys.stderr.write(f"{told(found)} in {settings.memory_topic}\n")
    if not (yes or stop.agreed("Forget them for good?", terminal)):
        sys.stderr.write("nothing was forgotten\n")
        return NOT_FORGOTTEN
    stop.gracefully()
    writer = LogWriter(settings, "forget")
    stop.gracefully(unknown=writer.unknown)
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
    """What of it is in the log after the nulls: nothing, unless it was written meanwhile.

    Args:
        scan: of the log.
        end: up to where it was read.
        written: after the nulls, by partition.
        wanted: what was to be forgotten.
        found: what was found of it.
    """
    # A transaction of somebody else that is still open holds the end back.
    now = scan.reached(written)
    gather(scan, end, now, Sought(wanted.claims | found.claim_ids, wanted.named), found)
    return found
