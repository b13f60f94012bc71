"""The columns of a file as texts, with what is counted of them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from schemas.columnar.cells import OutOfRange
from schemas.decoding.refusal import in_words
from schemas.printable import printable
from schemas.reading.value import as_text
from schemas.tables.opening import open_table
from schemas.tables.parquet import LIST
from schemas.tables.rows import Row, Table, TableError
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
"""Columns, or members of events: a contract has no more fields."""
OBJECT: Final = OutOfRange("an object without members, and no field is read from one")


class ColumnProfile:
    """One column.

    Attributes:
        name: as in the file; of JSON lines, a pointer if it is nested.
        number: of the column in the file, from 0; of JSON lines, in the order they are found.
        texts: a text for each row; "" where there is nothing.
        types: how often each kind of value is there that is no text, as in JSON and Parquet.
        is_typed: the file tells texts from other values: not CSV.
        has_blanks: some texts are blank.
        written: rows that have anything, a blank text included.
        longest: characters of the longest text, as it is written.
        out_of_range: values that are no fields, by why: lists, or of Parquet those that Python
            cannot hold; they have no text.
        is_mixed: some values are texts, and others are not.
    """

    def __init__(self, name: str, number: int, values: list[Any], *, is_typed: bool) -> None:
        self.name = name
        self.number = number
        self.is_typed = is_typed
        held = [None if isinstance(value, OutOfRange) else value for value in values]
        self.out_of_range = Counter(v.what for v in values if isinstance(v, OutOfRange))
        written = [value for value in held if isinstance(value, str)]
        self.types = Counter(
            type(v).__name__ for v in held if v is not None and not isinstance(v, str)
        )
        self.is_mixed = bool(self.types) and any(
            text.strip().casefold() not in NO_VALUE for text in written
        )
        self.has_blanks = any(not text.strip() for text in written)
        self.written = sum(value is not None for value in values)
        self.texts = [_text(value) for value in held]
        self.longest = max(map(len, (*written, *self.texts)), default=0)

    @property
    def native(self) -> frozenset[str]:
        """Kinds of the values that are no texts."""
        return frozenset(self.types)

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
        return self.present > 1 and len(self.counts) == self.present and self.is_nearly_full

    @property
    def is_nearly_full(self) -> bool:
        """True if nearly every row has a value."""
        return self.share > 0.95


class Sample(NamedTuple):
    """The first rows of a file."""

    name: str
    """Of the file, printable."""
    columns: Sequence[ColumnProfile]
    header: tuple[str, ...] | None
    """As the file has it; None of JSON lines."""

    @property
    def rows(self) -> int:
        """How many were read."""
        return len(self.columns[0].texts)


class _Unread:
    """Rows that cannot be read: how many, and what is wrong with the first."""

    def __init__(self) -> None:
        self.count = 0
        self.first = ""

    def add(self, line: int, why: str) -> None:
        """Count one."""
        self.count += 1
        self.first = self.first or f"line {line}: {why}"


def sample_of(path: Path) -> Sample:
    """The columns of a file's first rows.

    Raises:
        TableError: it cannot be read, has no rows, or most of them cannot be read; or it has too
            many columns.
    """
    unread = _Unread()
    name = printable(path.name)
    with open_table(path) as table:
        rows = islice(_whole(table, unread), MOST_ROWS)
        found = _members(name, rows, unread) if table.header is None else _cells(name, table, rows)
    read = len(found[0].texts) if found else 0
    if unread.count > read:
        some = f"{unread.count:,} of {unread.count + read:,} rows cannot be read"
        what = some if read else "no rows that can be read"
        raise TableError(f"{name}: {what}: {unread.first}")
    if not read:
        raise TableError(f"{name}: no rows that can be read")
    return Sample(name, found, table.header)


def _whole(table: Table, unread: _Unread) -> Iterator[Row]:
    for row in table.rows:
        if row.fault:
            unread.add(row.line, row.fault)
        else:
            yield row


def _cells(name: str, table: Table, rows: Iterator[Row]) -> list[ColumnProfile]:
    names = [(number, column) for number, column in enumerate(table.header or ()) if column]
    if len(names) > MAX_MEMBERS:
        raise TableError(
            f"{name}: {len(names):,} columns, and a contract has at most {MAX_MEMBERS:,} fields: "
            "save a file with those that are needed"
        )
    cells = [row.cells for row in rows]
    is_typed = any(not isinstance(cell, str) for row in cells for cell in row)
    return [
        ColumnProfile(column, number, [row[number] for row in cells], is_typed=is_typed)
        for number, column in names
    ]


def _members(name: str, rows: Iterator[Row], unread: _Unread) -> list[ColumnProfile]:
    objects = list(_objects(rows, unread))
    names = list(dict.fromkeys(member for flat in objects for member in flat))
    if len(names) > MAX_MEMBERS:
        raise TableError(f"{name}: more than {MAX_MEMBERS:,} members: not one kind of event")
    return [
        ColumnProfile(member, number, [flat.get(member) for flat in objects], is_typed=True)
        for number, member in enumerate(names)
    ]


def _objects(rows: Iterator[Row], unread: _Unread) -> Iterator[dict[str, Any]]:
    for row in rows:
        try:
            tree = msgspec.json.decode(row.cells)
            found = dict(_leaves(tree, "")) if isinstance(tree, dict) else None
        except UNREADABLE as error:
            unread.add(row.line, in_words(error))
            continue
        if found is None:
            unread.add(row.line, "is not an object")
        else:
            yield found


def _leaves(tree: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any]]:
    """Members that are no objects, by their names or pointers; lists cannot be fields."""
    for name, value in tree.items():
        step = str(name).replace("~", "~0").replace("/", "~1")
        place = f"{above}/{step}" if above or name.startswith("/") else name
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{above}/{step}")
        elif isinstance(value, dict | list):
            yield place, OBJECT if isinstance(value, dict) else LIST
        else:
            yield place, value


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return as_text(value) if isinstance(value, int | float) else str(value).strip()
