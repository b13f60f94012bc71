"""``python -m tests.chaos.rounds FILE…``: recorded rounds as a table by fault, version and mode.

Rounds of other code than the present one are left out, unless ``--all`` asks for them, and so
are those of workers with a known flaw.
"""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.chaos.memory import StoreKind
from tests.chaos.record import Row, digest, read

Key = tuple[str, str]
"""Fault, version of Apache Kafka."""
REMEMBERING: Mapping[StoreKind | None, str] = {
    None: "",
    "lmdb": ", memory",
    "postgresql": ", memory in PostgreSQL",
}


def table(rows: Iterable[Row]) -> str:
    """A table in Markdown."""
    played = sorted(rows, key=lambda r: (r.fault, r.kafka))
    modes = sorted({mode(r) for r in played})
    keys = list(dict.fromkeys((r.fault, r.kafka) for r in played))
    head = ["Fault", "Kafka", *modes, "Rounds", "Claims", "Broken"]
    lines = [_line(head), _line(["---", "---", *["--:"] * (len(head) - 2)])]
    for fault, kafka in keys:
        of_key = [r for r in played if (r.fault, r.kafka) == (fault, kafka)]
        lines.append(_line([fault, kafka, *_cells(of_key, modes)]))
    return "\n".join([*lines, _line(["all", "", *_cells(played, modes)])])


def mode(row: Row) -> str:
    """The group membership mode of the round's workers."""
    return f"{row.protocol}, {row.membership}{REMEMBERING[row.store]}"


def broken(rows: Iterable[Row]) -> str:
    """The broken rounds, each with what was broken."""
    return "\n".join(
        f"{r.fault} {r.protocol} {r.membership} seed {r.seed} kafka {r.kafka}: "
        + "; ".join(r.broken)
        for r in rows
        if r.broken
    )


def _cells(rows: Sequence[Row], modes: Sequence[str]) -> list[str]:
    by_mode = [_count([r for r in rows if mode(r) == m]) for m in modes]
    claims = sum(r.records for r in rows)
    return [*by_mode, str(len(rows)), f"{claims:,}", str(sum(bool(r.broken) for r in rows))]


def _count(rows: Sequence[Row]) -> str:
    bad = sum(bool(r.broken) for r in rows)
    return f"{len(rows)} ({bad} broken)" if bad else str(len(rows))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> int:
    made = argparse.ArgumentParser(prog="python -m tests.chaos.rounds", description=__doc__)
    made.add_argument("files", type=Path, nargs="+", metavar="FILE")
    made.add_argument("--all", action="store_true", help="rounds of earlier code, too")
    made.add_argument("--mutant", help="rounds of workers with this flaw")
    options = made.parse_args(arguments)
    present = {store: digest(store) for store in REMEMBERING}
    rows = [r for file in options.files for r in read(file) if r.mutant == options.mutant]
    shown = [r for r in rows if options.all or r.code == present[r.store]]
    sys.stdout.write(f"{table(shown)}\n{broken(shown)}\n")
    sys.stdout.write(
        f"{len(rows) - len(shown)} rounds of other code left out; this one is {present[None]}, "
        f"with memory {present['lmdb']}, in PostgreSQL {present['postgresql']}\n"
    )
    return 1 if any(r.broken for r in shown) else 0


if __name__ == "__main__":
    sys.exit(main())
