"""The store of what is remembered, compared with bare LMDB; its memory.

    python -m benchmarks.memory [--claims N] [--parts N] [--a-day N] [--store postgresql://…]

Claims name four persons and two businesses each, of a million; one in eight is decided 60 batches
later. Each batch of a thousand, one or `--a-day` of them a day, is first read and written in a
separate LMDB file: the latest facts of each claim's entities, its facts and its entries. Then it
takes the whole path: keys from claims, histories, facts into the store. Figures are µs a claim, for
the fastest and the median batch of the last part, and the process's own memory. *bare_once* reads
each entity of a batch once from the bare file, and is not part of the ratio. With `--store`, the
whole path uses a PostgreSQL database, in a schema that is emptied first; the times include what the
server does meanwhile.
"""

import argparse
import gc
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import lmdb
import numpy as np

from consumer.memory.facts.entries import KEY_BYTES, edge, key_of, stored
from consumer.memory.store import open_store
from consumer.memory.view import Asked, LogFact, View
from consumer.models.service import COLLECT_EVERY
from consumer.settings.database import Database
from model.history.facts import DAY, claim_ref
from model.history.keys import ClaimKeys, KeyMaker
from model.history.plan import Bounds, EntityKind, kinds_in
from schemas.contract.parse import parse
from schemas.decoding.structs import claim_type
from schemas.memory import FactKey, FactKind, Naming, RememberedClaim, RememberedFinding

PERSONS: Final = 240_000
"""Of each of four kinds."""
BUSINESSES: Final = 20_000
"""Of each of two kinds; a few of them are in most claims."""
BATCH: Final = 1_000
FIRST_DAY: Final = 20_000
FOUND_AFTER: Final = 60
"""Batches."""
SECRET: Final = bytes(32)
PEOPLE: Final = ("policy", "phone", "account", "email")
FIRMS: Final = ("garage", "broker")
ROOM: Final = 4 << 30


def contract() -> Any:
    """Six kinds, one field each."""
    forms = {"phone": "phone", "email": "email"}
    fields = {
        name: {
            "type": "string",
            "x-role": "identifier" if name == "policy" else "personal",
            "x-entity": {
                "kind": name,
                "like": "person" if name in PEOPLE else "business",
                "form": forms.get(name, "code"),
            },
        }
        for name in (*PEOPLE, *FIRMS)
    }
    return parse(
        {
            "title": "Claim",
            "x-contract": {"name": "small", "version": 1, "line_of_business": "none"},
            "x-event": {"id": "claim_no", "key": "policy", "amount": "claimed"},
            "required": ["claim_no"],
            "properties": {
                "claim_no": {"type": "string", "x-role": "identifier"},
                "claimed": {"type": "number", "x-role": "feature"},
                **fields,
            },
        },
        "benchmark",
    )


class Day(NamedTuple):
    """A batch: claims that come in on one day, and findings of that day."""

    day: int
    claims: list[Any]
    found: list[tuple[int, bool]]
    """Numbers of claims, and whether they were frauds."""
    first: int
    """Number of the first claim."""


def days(count: int, of: Any, a_day: int = 1, persons: int = PERSONS) -> Iterator[Day]:
    """This many batches, the same each time, `a_day` of them a day.

    Args:
        count: how many batches.
        of: the contract.
        a_day: how many of them come in on one day.
        persons: how many there are of each kind.
    """
    make: Callable[..., Any] = claim_type(of)
    for number in range(count):
        rng = np.random.default_rng(number)
        people = rng.integers(0, persons, (BATCH, len(PEOPLE)))
        firms = (BUSINESSES * rng.random((BATCH, len(FIRMS))) ** 4).astype(int)
        first = number * BATCH
        claims = [
            make(
                claim_no=f"c{first + row}",
                claimed=float(row),
                policy=f"P-{one:08}",
                phone=f"+44 20 7{two:07}",
                account=f"GB 29 {three:08}",
                email=f"name.{four}@example.org",
                garage=f"G-{five}",
                broker=f"B-{six}",
            )
            for row, (one, two, three, four, five, six) in enumerate(
                np.hstack([people, firms]).tolist()
            )
        ]
        decided = number - FOUND_AFTER
        found = [
            (decided * BATCH + row, row % 16 == 0) for row in range(0, BATCH, 8) if decided >= 0
        ]
        yield Day(FIRST_DAY + number // a_day, claims, found, first)


class BareStore:
    """An LMDB file with entries by claim and facts by entity, and nothing that uses them."""

    def __init__(self, folder: Path) -> None:
        """Make the file."""
        self._env = lmdb.open(
            str(folder),
            map_size=ROOM,
            writemap=True,
            sync=False,
            metasync=False,
            meminit=False,
            readahead=False,
            max_dbs=2,
        )
        self._claims = self._env.open_db(b"claims")
        self._facts = self._env.open_db(b"facts", dupsort=True, dupfixed=True)

    def read(self, keys: Sequence[bytes], most: Sequence[int], day: int) -> int:
        """Read facts of earlier days, a limited number of each key; returns how many."""
        end, read = edge(day * DAY), 0
        with self._env.begin() as txn, txn.cursor(self._facts) as cursor:
            for key, limit in zip(keys, most, strict=True):
                if cursor.set_key(key):
                    cursor.last_dup()
                    if cursor.value() >= end:
                        cursor.set_range_dup(key, end)
                        if not cursor.prev_dup():
                            continue
                    read += len(list(islice(cursor.iterprev_dup(), limit)))
        return read

    def write(
        self, facts: Sequence[tuple[bytes, bytes]], entries: Sequence[tuple[bytes, bytes]]
    ) -> None:
        """Add facts, and overwrite entries."""
        with self._env.begin(write=True) as txn:
            with txn.cursor(self._facts) as cursor:
                cursor.putmulti(facts)
            with txn.cursor(self._claims) as cursor:
                cursor.putmulti(entries)

    def close(self) -> None:
        """Close the file."""
        self._env.close()


class Spent(NamedTuple):
    """Seconds of one batch."""

    bare_once: float
    """Reading each entity of the batch once."""
    bare_read: float
    """Reading the entities of each claim."""
    bare_write: float
    keys: float
    histories: float
    apply: float


def store_in(url: str, kinds: Sequence[EntityKind], bounds: Bounds) -> View:
    """An empty store in a database."""
    from consumer.memory.postgres import schema, store  # noqa: PLC0415 - optional

    source = schema.FilledFrom(
        cluster="benchmark",
        topic="benchmark",
        topic_id="t",
        fingerprint="f" * 16,
        bounds=bounds,
        kinds=tuple(kinds),
    )
    return store.open_store(Database(url), source, bounds, rebuild=True)


def run(
    count: int, parts: int, a_day: int, folder: Path, url: str | None = None
) -> tuple[list[Spent], list[float]]:
    """Times of each batch, and the process's own memory in MB after each part."""
    of, bounds = contract(), Bounds()
    kinds, maker = kinds_in(of), KeyMaker(of, SECRET)
    gc.collect()
    gc.freeze()  # as workers do
    gc.set_threshold(COLLECT_EVERY)
    bare = BareStore(folder / "bare")
    store: View = (
        open_store(folder / "store", kinds, bounds, "f" * 16, "t", ROOM)
        if url is None
        else store_in(url, kinds, bounds)
    )
    limits = [bounds.person if kind.like == "person" else bounds.business for kind in kinds]
    spent, memory = [], []
    batches = count // BATCH
    for number, day in enumerate(days(batches, of, a_day)):
        keys = maker.all_keys(day.claims)
        refs = refs_of(day)
        times = [time.perf_counter()]
        _bare(bare, day, keys, refs, limits, times)
        times.append(time.perf_counter())
        keys = maker.all_keys(day.claims)
        times.append(time.perf_counter())
        store.histories(asked_of(day, refs, keys), {})
        times.append(time.perf_counter())
        facts = log_facts(day, keys, [kind.kind for kind in kinds])
        start = time.perf_counter()
        store.apply(facts, {0: number})
        end = time.perf_counter()
        spent.append(
            Spent(
                times[1] - times[0],
                times[2] - times[1],
                times[4] - times[3],
                times[6] - times[5],
                times[7] - times[6],
                end - start,
            )
        )
        if (number + 1) % (batches // parts) == 0:
            memory.append(own_memory())
    bare.close()
    store.close()
    return spent, memory


def _bare(
    bare: BareStore,
    day: Day,
    keys: Sequence[ClaimKeys],
    refs: Sequence[bytes],
    limits: Sequence[int],
    times: list[float],
) -> None:
    named = [key_of(one) for key in keys for one in key.entities]
    once = list(dict.fromkeys(named))
    facts = bare_facts(day, refs, keys)
    entries = bare_entries(day, refs, len(limits))
    times[0] = time.perf_counter()
    bare.read(once, [limits[name[0]] for name in once], day.day)
    times.append(time.perf_counter())
    bare.read(named, [limits[name[0]] for name in named], day.day)
    times.append(time.perf_counter())
    facts.sort()
    times.append(time.perf_counter())
    bare.write(facts, entries)
    times.append(time.perf_counter())


def bare_facts(
    day: Day, refs: Sequence[bytes], keys: Sequence[ClaimKeys]
) -> list[tuple[bytes, bytes]]:
    """Facts of the claims of a batch, by entity."""
    return [
        (key_of(one), stored(day.day, ref, key.policy))
        for ref, key in zip(refs, keys, strict=True)
        for one in key.entities
    ]


def bare_entries(day: Day, refs: Sequence[bytes], kinds: int) -> list[tuple[bytes, bytes]]:
    """Bytes as long as the entries of a batch's claims, and of those that are decided."""
    entry = bytes(60 + KEY_BYTES * kinds)
    entries = [(ref, entry) for ref in refs]
    return entries + [(claim_ref(f"c{number}"), entry + bytes(20)) for number, _ in day.found]


def refs_of(day: Day) -> list[bytes]:
    """The references of the claims of a batch."""
    return [claim_ref(claim.claim_no) for claim in day.claims]


def asked_of(day: Day, refs: Sequence[bytes], keys: Sequence[ClaimKeys]) -> list[Asked]:
    """What the claims of a batch ask for."""
    moment = day.day * DAY
    return [Asked(ref, key.entities, moment) for ref, key in zip(refs, keys, strict=True)]


def log_facts(day: Day, keys: Sequence[ClaimKeys], kinds: Sequence[str]) -> list[LogFact]:
    """The records of a batch as they are read from the log."""
    found = [
        LogFact(
            FactKey(FactKind.CLAIM, claim.claim_no, "claims", 0, day.first + row),
            RememberedClaim(
                claim_id=claim.claim_no,
                known_at=day.day * DAY + row,
                key="f" * 16,
                entities=tuple(Naming(kinds[kind], name) for kind, name in key.entities),
                policy=key.policy,
                amount=claim.claimed,
            ),
        )
        for row, (claim, key) in enumerate(zip(day.claims, keys, strict=True))
    ]
    found += [
        LogFact(
            FactKey(FactKind.FINDING, f"c{number}", "outcomes", 0, number),
            RememberedFinding(claim_id=f"c{number}", known_at=day.day * DAY, fraud=fraud),
        )
        for number, fraud in day.found
    ]
    return found


def own_memory() -> float:
    """Megabytes of memory that are not backed by a file."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = [one for one in status.splitlines() if one.startswith("RssAnon")]
    return int(line.split()[1]) / 1_024


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory")
    parser.add_argument("--claims", type=int, default=300_000)
    parser.add_argument("--parts", type=int, default=10)
    parser.add_argument("--a-day", type=int, default=1, help="batches")
    parser.add_argument("--store", metavar="URL", help="a database instead of a folder")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        spent, memory = run(
            options.claims, options.parts, options.a_day, Path(scratch), options.store
        )
    last = np.array(spent[-(len(spent) // options.parts) :]) * 1e6 / BATCH
    say = sys.stdout.write
    say("| µs a claim | " + " | ".join(Spent._fields) + " | bare | whole path | ratio |\n")
    say("|---" * (len(Spent._fields) + 4) + "|\n")
    for name, row in (("fastest", last.min(axis=0)), ("middle", np.median(last, axis=0))):
        bare, whole = row[1:3].sum(), row[3:].sum()
        cells = [f"{value:.1f}" for value in (*row, bare, whole)]
        say(f"| {name} | {' | '.join(cells)} | {whole / bare:.2f} |\n")
    first, end = memory[0], memory[-1]
    say(f"\nRssAnon: {first:.0f} MB after 1 part of {options.parts}, {end:.0f} MB after all\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
