"""The command `memory`: compares one worker's store with the log, refills it, compacts it."""

import sys
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from msgspec import Struct

from consumer.errors import SettingsError
from consumer.history.access.filling import Kept, caught_up, kept_by, new_store, own_store, scan_of
from consumer.history.listing import json_line
from consumer.memory.assembly import store_path
from consumer.memory.facts.entries import decode
from consumer.memory.facts.folder import DATA
from consumer.settings.settings import Settings
from consumer.stop import Stop

DIFFERENT: Final = 1
"""Exit code of `verify` if the store is not what the log says."""
SHOWN: Final = 20

StoredRow = tuple[str, bytes, bytes]
"""A row of a store: table, key and value."""


class Verified(Struct, frozen=True, kw_only=True):
    """How a store compares with the log."""

    equal: bool
    rows: int
    """Of both stores, each counted once."""
    more: dict[str, int]
    """Rows by table that the log does not account for."""
    fewer: dict[str, int]
    """Rows by table that the store lacks."""
    claims: tuple[str, ...]
    """Ids of the first claims for which the store differs from the log."""


def verify(settings: Settings, stop: Stop, *, as_json: bool) -> int:
    """Compare the store of this INSTANCE_ID with the log; returns the exit code.

    The store first reads up to the current end of the log, as at every start.

    Raises:
        SettingsError: there is none, a process has it, or it has another key.
        KafkaStoppedError: the log cannot be read.
        StoppedError: a signal asked to stop.
    """
    kept = kept_by(settings)
    scan = scan_of(settings, kept, stop)
    with own_store(settings, kept) as store:
        at_s, end = time.time(), scan.ends()
        ahead = [p for p, offset in store.positions().items() if offset > end.get(p, 0)]
        if ahead:
            raise SettingsError(
                f"{store_path(settings)} is ahead of {settings.memory_topic} in the partitions "
                f"{sorted(ahead)}: records were lost, or the topic was made again. "
                "python -m consumer memory rebuild"
            )
        caught_up(store, scan, end, at_s)
        with new_store(kept, scan, end) as expected:
            found = compared(store.rows(), expected.rows())
    if as_json:
        sys.stdout.write(f"{json_line(found)}\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in in_words(found))
    return 0 if found.equal else DIFFERENT


def compared(stored: Iterable[StoredRow], expected: Iterable[StoredRow]) -> Verified:
    """Compare all rows of two stores, each in order."""
    more: dict[str, int] = {}
    fewer: dict[str, int] = {}
    claims: dict[str, None] = {}
    rows = 0
    for row, is_stored, is_expected in _merged(iter(stored), iter(expected)):
        rows += 1
        if is_stored and is_expected:
            continue
        table, _, value = row
        side = more if is_stored else fewer
        side[table] = side.get(table, 0) + 1
        if table == "claims":
            claims[decode(value).claim_id] = None
    return Verified(
        equal=not (more or fewer),
        rows=rows,
        more=more,
        fewer=fewer,
        claims=tuple(islice(claims, SHOWN)),
    )


def _merged(
    one: Iterator[StoredRow], other: Iterator[StoredRow]
) -> Iterator[tuple[StoredRow, bool, bool]]:
    """Each row, and which of the two have it."""
    left, right = next(one, None), next(other, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left < right):
            assert left is not None
            yield left, True, False
            left = next(one, None)
        elif left is None or right < left:
            yield right, False, True
            right = next(other, None)
        else:
            yield left, True, True
            left, right = next(one, None), next(other, None)


def in_words(found: Verified) -> Iterator[str]:
    """What was found, for people."""
    if found.equal:
        yield f"the store is what the log says: {found.rows:,} rows are equal"
        return
    for table, count in found.more.items():
        yield f"{table}: {count:,} rows that the log does not account for"
    for table, count in found.fewer.items():
        yield f"{table}: {count:,} rows are missing"
    for claim_id in found.claims:
        yield f"claim {claim_id}: what is stored is not what the log says"
    yield "python -m consumer memory rebuild fills it again"


def rebuild(settings: Settings, stop: Stop, *, as_json: bool) -> int:
    """Empty the store of this INSTANCE_ID and fill it from the log; returns the exit code.

    Raises:
        SettingsError, KafkaStoppedError: see `verify`.
        StoppedError: a signal asked to stop; the next start reads the log from its beginning.
    """
    kept = kept_by(settings)
    scan = scan_of(settings, kept, stop)
    with own_store(settings, kept) as store:
        store.empty()
        at_s, end = time.time(), scan.ends()
        caught_up(store, scan, end, at_s)
        count = sum(1 for table, _, _ in store.rows() if table == "claims")
    if as_json:
        sys.stdout.write(f"{json_line({'claims': count, 'positions': end})}\n")
    else:
        sys.stdout.write(f"the store has {count:,} claims of {settings.memory_topic}\n")
    return 0


def compact(settings: Settings, _: Stop, *, as_json: bool) -> int:
    """Shrink the file of this INSTANCE_ID to what is in it; returns the exit code.

    Raises:
        SettingsError, KafkaStoppedError: see `verify`.
    """
    kept: Kept = kept_by(settings)
    file = store_path(settings) / DATA
    with own_store(settings, kept) as store:
        before = file.stat().st_size
        store.compact()
        after = file.stat().st_size
    if as_json:
        sys.stdout.write(f"{json_line({'before': before, 'after': after})}\n")
    else:
        sys.stdout.write(f"{file}: {before:,} bytes before, {after:,} after\n")
    return 0
