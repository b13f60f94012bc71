"""The columns of a file as texts, with what is counted of them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec

from schemas.columnar.cells import OutOfRange
from schemas.reading.value import as_text
from schemas.tables.opening import open_table
from schemas.tables.rows import Row, TableError
from schemas.unreadable import UNREADABLE

MOST_ROWS: Final = 20_000
"""Rows that are looked at."""
SAMPLE: Final = 300
"""Distinct texts with which forms are tried first."""
NO_VALUE: Final = frozenset(
    {"", "?", "-", "--", "na", "n/a", "n.a.", "nan", "null", "#n/a", "n/k", "k. a."}
)
"""Texts that stand for no value in most files."""
MAX_MEMBERS: Final = 1_000


class ColumnProfile:
    """One column.

    Attributes:
        name: as in the file; of JSON lines, a pointer if it is nested.
        texts: a text for each row; "" where there is nothing.
        native: kinds of the values that are no texts, as in JSON and Parquet.
        is_typed: the file tells texts from other values: not CSV.
        out_of_range: values of Parquet that Python cannot hold; they have no text.
        is_mixed: some values are texts, and others are not.
    """

    def __init__(self, name: str, values: list[Any], *, is_typed: bool) -> None:
        self.name = name
        self.is_typed = is_typed
        held = [None if isinstance(value, OutOfRange) else value for value in values]
        self.out_of_range = sum(v is None for v in held) - sum(v is None for v in values)
        self.native = {type(v).__name__ for v in held if v is not None and not isinstance(v, str)}
        self.is_mixed = bool(self.native) and any(isinstance(v, str) and v for v in values)
        self.texts = [_text(value) for value in held]

    @cached_property
    def counts(self) -> Counter[str]:
        """How often each text is there that stands for a value."""
        found = Counter(self.texts)
        for text in [t for t in found if t.casefold() in NO_VALUE]:
            del found[text]
        return found

    @cached_property
    def sample(self) -> tuple[str, ...]:
        """Some of the distinct texts, from all over the column."""
        texts = tuple(self.counts)
        return texts[:: max(1, len(texts) // SAMPLE)]

    @cached_property
    def absent(self) -> tuple[str, ...]:
        """Texts other than "" that stand for no value."""
        return tuple(sorted({t for t in self.texts if t and t.casefold() in NO_VALUE}))

    @property
    def present(self) -> int:
        """Rows that have a value."""
        return self.counts.total()

    @property
    def share(self) -> float:
        """Share of the rows that have a value."""
        return self.present / max(len(self.texts), 1)

    @property
    def is_unique(self) -> bool:
        """True if no value occurs twice and nearly every row has one."""
        return self.present > 1 and len(self.counts) == self.present and self.share > 0.95


def columns_of(path: Path) -> list[ColumnProfile]:
    """The columns of a file's first rows.

    Raises:
        TableError: it cannot be read, or has no rows.
    """
    with open_table(path) as table:
        rows = islice((row for row in table.rows if not row.fault), MOST_ROWS)
        found = _members(table.name, rows) if table.header is None else _cells(table.header, rows)
    if not found or not found[0].texts:
        raise TableError(f"{path.name}: no rows that can be read")
    return found


def _cells(header: tuple[str, ...], rows: Iterator[Row]) -> list[ColumnProfile]:
    cells = [row.cells for row in rows]
    is_typed = any(not isinstance(cell, str) for row in cells for cell in row)
    return [
        ColumnProfile(name, [row[number] for row in cells], is_typed=is_typed)
        for number, name in enumerate(header)
        if name
    ]


def _members(name: str, rows: Iterator[Row]) -> list[ColumnProfile]:
    objects = [flat for row in rows if (flat := _object(row.cells)) is not None]
    names = list(dict.fromkeys(member for flat in objects for member in flat))
    if len(names) > MAX_MEMBERS:
        raise TableError(f"{name}: more than {MAX_MEMBERS:,} members: not one kind of event")
    return [
        ColumnProfile(member, [flat.get(member) for flat in objects], is_typed=True)
        for member in names
    ]


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        tree = msgspec.json.decode(line)
    except UNREADABLE:  # counted and shown by the check
        return None
    return dict(_leaves(tree, "")) if isinstance(tree, dict) else None


def _leaves(tree: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any]]:
    """Members that are plain values; those of lists cannot be fields."""
    for name, value in tree.items():
        step = str(name).replace("~", "~0").replace("/", "~1")
        if isinstance(value, dict):
            yield from _leaves(value, f"{above}/{step}")
        elif not isinstance(value, list):
            yield (f"{above}/{step}" if above or name.startswith("/") else name), value


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return as_text(value) if isinstance(value, int | float) else str(value).strip()
