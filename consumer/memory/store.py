"""A view of the log in a local folder: LMDB, one process per folder.

One transaction writes both the facts and how far the log was read: the store has both or neither.
Nothing waits for the disk. What a process wrote survives the process, however it ends, but not the
machine: a store that was open when the machine stopped is rebuilt from the log.
"""

import logging
import shutil
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final

from consumer.errors import INSTALL_EXTRAS, SettingsError
from consumer.memory.facts.apart import Apart
from consumer.memory.facts.entries import Entry, FactSource, KeptClaim, decode
from consumer.memory.facts.folder import DATA, Filled, Folder, on_disk
from consumer.memory.facts.layout import Layout
from consumer.memory.facts.linking import links
from consumer.memory.facts.state import KeptHistories, StoreState
from consumer.memory.facts.writing import Writing
from consumer.memory.view import Asked, Link, LogFact, Pending
from model.history.facts import ClaimRef
from model.history.features import ClaimHistory
from model.history.plan import Bounds, EntityKind
from schemas.memory import FactKind, RememberedClaim

log = logging.getLogger(__name__)

MAP_BYTES: Final = 256 << 20
"""Initial disk space; it grows by half its size."""
COPIED_AT_ONCE: Final = 100_000
"""Rows of a store copied in one LMDB transaction."""
DUPLICATES: Final = frozenset({"dupsort", "dupfixed"})
"""Flags that an LMDB table is created with."""
ASIDE: Final = "compacted"
"""Folder of a copy in progress."""
_PARTITION: Final = struct.Struct(">i")
_OFFSET: Final = struct.Struct(">q")


def open_store(
    path: Path,
    kinds: Sequence[EntityKind],
    bounds: Bounds,
    fingerprint: str,
    topic_id: str,
    map_bytes: int = MAP_BYTES,
) -> "MemoryStore":
    """The store in a folder; an empty one if what is there was filled from anything else.

    Args:
        path: used by this process alone; created if missing.
        kinds: of entities, in the order of the plan; facts of other kinds are not kept.
        bounds: how much is looked at.
        fingerprint: of the key of the hashes.
        topic_id: of the log: a recreated topic has another.
        map_bytes: initial disk space.

    Raises:
        SettingsError: the package lmdb is missing, another process has the folder, it cannot be
            written, or it was filled with another key.
    """
    lmdb = _lmdb()
    folder = Folder(path)
    filled = Filled(
        fingerprint=fingerprint,
        kinds=tuple(kinds),
        span_days=bounds.days,
        business=bounds.business,
        names=bounds.names,
        findings=bounds.findings,
        topic_id=topic_id,
    )
    try:
        why = folder.opened(filled)
        if why is not None:
            log.info("MEMORY_STORE=%s: %s; everything is read from the log again", path, why)
        data = path / DATA
        size = max(map_bytes, data.stat().st_size if data.exists() else 0)
        env = lmdb.open(
            str(path),
            map_size=size,
            writemap=True,
            sync=False,
            metasync=False,
            meminit=False,
            readahead=False,
            max_dbs=5,
        )
        folder.take(size)
        store = MemoryStore(folder, filled, env, bounds)
        store.positions()
    except lmdb.Error as error:
        folder.leave()
        raise _damaged(path, error) from None
    except BaseException:
        folder.leave()
        raise
    return store


def _damaged(path: Path, error: Exception) -> SettingsError:
    return SettingsError(
        f"MEMORY_STORE={path} cannot be read: {error}. If it is deleted, it is made again"
    )


class MemoryStore:
    """A `View`; see `open_store`, which makes it."""

    def __init__(self, folder: Folder, filled: Filled, env: Any, bounds: Bounds) -> None:
        self._folder = folder
        self._filled = filled
        self._env = env
        self._closed = False
        self._told = KeptHistories()
        self._positions = env.open_db(b"positions")
        kinds = filled.kinds
        self._layout = Layout(
            claims=env.open_db(b"claims"),
            apart=env.open_db(b"apart"),
            facts=env.open_db(b"facts", dupsort=True, dupfixed=True),
            totals=env.open_db(b"totals"),
            kinds=kinds,
            bounds=bounds,
            span=bounds.span,
            read=tuple(bounds.most(kind.like) + 1 for kind in kinds),
            numbers={kind.kind: bytes([number]) for number, kind in enumerate(kinds)},
            business=frozenset(n for n, kind in enumerate(kinds) if kind.like == "business"),
        )

    def positions(self) -> dict[int, int]:
        """See `View`."""
        with self._env.begin() as txn, txn.cursor(self._positions) as cursor:
            return {
                _PARTITION.unpack(partition)[0]: _OFFSET.unpack(offset)[0]
                for partition, offset in cursor
            }

    def apply(self, facts: Sequence[LogFact], positions: Mapping[int, int]) -> None:
        """See `View`.

        Raises:
            SettingsError: a claim was remembered with another key, the disk is full, or the store
                is damaged.
            ValueError: a record is not of the kind that its key says.
        """
        by_claim: dict[str, list[LogFact]] = {}
        for told in facts:
            fact = told.fact
            if isinstance(fact, RememberedClaim) and fact.key != self._filled.fingerprint:
                raise SettingsError(
                    f"{told.key.topic}[{told.key.partition}]@{told.key.offset} was remembered with "
                    f"the key {fact.key}, but the one in MEMORY_KEY_FILE is "
                    f"{self._filled.fingerprint}"
                )
            by_claim.setdefault(told.key.claim_id, []).append(told)
        lmdb = _lmdb()
        while True:
            try:
                with self._env.begin(write=True) as txn:
                    writing = Writing(self._layout, txn)
                    writing.write(by_claim)
                    for partition, offset in positions.items():
                        key = _PARTITION.pack(partition)
                        txn.put(key, _OFFSET.pack(offset), db=self._positions)
            except lmdb.MapFullError:
                self._grow()
            except lmdb.Error as error:
                raise _damaged(self._folder.path, error) from error
            else:
                self._told.applied(writing)
                return

    def histories(self, asked: Sequence[Asked], pending: Pending) -> list[ClaimHistory]:
        """See `View`."""
        with self._reading(pending) as state:
            return state.histories(asked)

    def links(self, asked: Sequence[Asked], most: int) -> list[list[Link]]:
        """See `View`."""
        with self._reading({}) as state:
            return [links(self._layout, state, one, most) for one in asked]

    @contextmanager
    def _reading(self, pending: Pending) -> Iterator[StoreState]:
        try:
            with (
                self._env.begin() as txn,
                txn.cursor(self._layout.facts) as cursor,
                txn.cursor(self._layout.totals) as totals,
            ):
                state = StoreState(self._layout, txn, cursor, totals, pending, self._told)
                try:
                    yield state
                finally:
                    state.end()
        except _lmdb().Error as error:
            raise _damaged(self._folder.path, error) from error

    def rows(self) -> Iterator[tuple[str, bytes, bytes]]:
        """Everything stored except the positions: table, key and value, in order.

        Stores of the same records have the same rows, whatever order the records came in.
        """
        with self._env.begin() as txn:
            for name, db in self._tables().items():
                with txn.cursor(db) as cursor:
                    for key, value in cursor:
                        yield name, key, value

    def _tables(self) -> dict[str, Any]:
        layout = self._layout
        return {
            "apart": layout.apart,
            "claims": layout.claims,
            "facts": layout.facts,
            "totals": layout.totals,
        }

    def record(self, claim: ClaimRef, source: FactSource) -> KeptClaim | None:
        """What one record says about a claim; None if it is not remembered.

        Args:
            claim: the claim.
            source: of the record: topic, partition and offset.
        """
        with self._env.begin() as txn:
            kept = txn.get(claim, db=self._layout.claims)
            entry = None if kept is None else decode(kept)
            if isinstance(entry, Entry):
                return next((one for one in entry.claims if one.source == source), None)
            found = Apart(self._layout, txn, claim).record(FactKind.CLAIM, source)
            return found if isinstance(found, KeptClaim) else None

    def compact(self) -> None:
        """Replace the file with a copy that has no gaps, and close.

        Raises:
            SettingsError: the disk is full, or cannot be written.
        """
        path = self._folder.path
        aside = path / ASIDE
        shutil.rmtree(aside, ignore_errors=True)
        try:
            aside.mkdir(mode=0o700)
            self._copy_to(aside)
            on_disk(aside / DATA)
            (aside / DATA).replace(path / DATA)
            on_disk(path)
        except (OSError, _lmdb().Error) as error:
            raise SettingsError(f"MEMORY_STORE={path} was not compacted: {error}") from None
        finally:
            shutil.rmtree(aside, ignore_errors=True)
            self.close()

    def _copy_to(self, path: Path) -> None:
        # LMDB's own compacting copy (0.9.36) crashes on some stores with many deletions.
        size = self._env.info()["map_size"]
        tables = {**self._tables(), "positions": self._positions}
        with (
            closing(_lmdb().open(str(path), map_size=size, sync=False, max_dbs=len(tables))) as to,
            self._env.begin() as txn,
        ):
            for name, db in tables.items():
                flags = {flag: on for flag, on in db.flags(txn).items() if flag in DUPLICATES}
                copy = to.open_db(name.encode(), **flags)
                with txn.cursor(db) as cursor:
                    rows = iter(cursor)
                    while some := list(islice(rows, COPIED_AT_ONCE)):
                        with to.begin(write=True) as writing, writing.cursor(copy) as written:
                            written.putmulti(some, append=True)

    def empty(self) -> None:
        """Forget everything: the log will be read from its beginning."""
        with self._env.begin(write=True) as txn:
            for db in (*self._tables().values(), self._positions):
                txn.drop(db, delete=False)
        self._told.forget()
        self.complete(time.time())

    @property
    def complete_s(self) -> float:
        """See `consumer.memory.facts.folder.Folder.complete_s`."""
        return self._folder.complete_s

    def complete(self, at_s: float) -> None:
        """See `View`."""
        self._folder.complete(self._filled, at_s)

    def close(self) -> None:
        """See `View`; closing it again does nothing."""
        if self._closed:
            return
        self._closed = True
        self._env.sync(True)
        self._env.close()
        self._folder.closed(self._filled)

    def _grow(self) -> None:
        size = self._env.info()["map_size"]
        size += size // 2
        self._folder.take(size)
        self._env.set_mapsize(size)


def _lmdb() -> Any:
    try:
        import lmdb  # noqa: PLC0415 - optional
    except ImportError as error:
        raise SettingsError(
            f"MEMORY=on needs the package lmdb, the extra memory ({INSTALL_EXTRAS}): {error}"
        ) from None
    return lmdb
