"""What the log says about some claims, as far as it still counts."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from consumer.history.access.scan import BEGINNING, LogRecord, LogScan, LogState, Tell
from consumer.memory.view import LogFact
from model.cli.terminal import counting
from schemas.memory import Naming, RememberedClaim

Namings = frozenset[Naming]
"""Entities: the kind and the hash of each."""
NOBODY: Final[Namings] = frozenset()


class Sought(NamedTuple):
    """Which claims are asked about: those with these ids, and those that name one of these."""

    claims: frozenset[str] = frozenset()
    named: Namings = NOBODY

    def takes(self, told: LogFact) -> bool:
        """Whether a record is about such a claim, as far as the record itself tells."""
        return told.key.claim_id in self.claims or names(told, self.named)


class Gathered:
    """The latest record of each wanted key, except what was forgotten."""

    def __init__(self) -> None:
        self._latest: dict[tuple[int, bytes], LogRecord] = {}

    def has(self, record: LogRecord) -> bool:
        """Whether there is an earlier record of the same key."""
        return (record.partition, record.key) in self._latest

    def add(self, record: LogRecord) -> None:
        """Take in the next record of a partition."""
        place = record.partition, record.key
        if record.told.fact is None:
            self._latest.pop(place, None)
        elif place not in self._latest or self._latest[place].told != record.told:
            # If something is repeated, the first time counts.
            self._latest[place] = record

    @property
    def places(self) -> list[tuple[int, bytes]]:
        """Partition and key of each record."""
        return list(self._latest)

    @property
    def facts(self) -> list[LogFact]:
        """What they say."""
        return [record.told for record in self._latest.values()]

    @property
    def records(self) -> list[LogRecord]:
        """The records themselves."""
        return list(self._latest.values())

    def of(self, claims: frozenset[str]) -> "Gathered":
        """The same for some claims only."""
        found = Gathered()
        found._latest = {
            place: record
            for place, record in self._latest.items()
            if record.told.key.claim_id in claims
        }
        return found

    @property
    def claim_ids(self) -> frozenset[str]:
        """Ids of the claims that they are about."""
        return frozenset(told.key.claim_id for told in self.facts)


def gather(scan: LogScan, start: LogState, end: LogState, wanted: Sought, into: Gathered) -> None:
    """Take in the records between two states of the log.

    Raises:
        KafkaStoppedError, SettingsError, StoppedError: see `LogScan.read`.
    """
    for record in each(scan, start, end):
        # A record replaces the one before it, even if it no longer says what is asked about.
        if wanted.takes(record.told) or into.has(record):
            into.add(record)


def gathered(scan: LogScan, end: LogState, wanted: Sought) -> Gathered:
    """Everything the log says about some claims, up to a given state; it is read twice if they are
    looked up by whom they name.

    Raises:
        KafkaStoppedError, SettingsError, StoppedError: see `LogScan.read`.
    """
    found = Gathered()
    gather(scan, BEGINNING, end, wanted, found)
    if not wanted.named:
        return found
    everything = Gathered()
    gather(scan, BEGINNING, end, Sought(found.claim_ids), everything)
    return everything.of(
        frozenset(told.key.claim_id for told in everything.facts if wanted.takes(told))
    )


def names(told: LogFact, named: Namings) -> bool:
    """Whether a record says that a claim names one of these."""
    fact = told.fact
    return isinstance(fact, RememberedClaim) and not named.isdisjoint(fact.entities)


def named_by(facts: Iterable[LogFact]) -> Namings:
    """Whom records name."""
    claims = (told.fact for told in facts if isinstance(told.fact, RememberedClaim))
    return frozenset(entity for claim in claims for entity in claim.entities)


def each(scan: LogScan, start: LogState, end: LogState) -> Iterator[LogRecord]:
    """The records between two states of the log, one by one; progress is shown.

    Raises:
        KafkaStoppedError, SettingsError, StoppedError: see `LogScan.read`.
    """
    with progress() as tell:
        for records in scan.read(start, end, tell):
            yield from records


@contextmanager
def progress() -> Iterator[Tell]:
    """Shows how far a read has come, on a terminal only."""
    with counting() as shown:
        task = shown.add_task("reading", total=None)

        def tell(done: int, everything: int) -> None:
            shown.update(task, description=f"{done:,} of about {everything:,} records read")

        yield tell
