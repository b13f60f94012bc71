"""Rows of a source file to claims, through the same type that checks records in production."""

import csv
import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import msgspec

from schemas.claim import Claim

MAX_REJECTED_SHARE: Final = 0.05
"""With more rows refused than this, the file is not what its format says."""

Fields = dict[str, object]
Row = Mapping[str, str]
T = TypeVar("T")


class DatasetError(ValueError):
    """A data set cannot be read; the message names the file and, if known, line and column."""


class RowError(ValueError):
    """One row cannot become a claim; the message names the column."""


class Labelled(NamedTuple):
    """A claim and what became of it."""

    claim: Claim
    fraud: bool


class Rows(NamedTuple):
    """What was read from a file: labelled claims, and a line of text for each refused row."""

    accepted: list[Labelled]
    rejected: list[str]


def to_claim(fields: Fields) -> Claim:
    """Check plain fields against `Claim`.

    Raises:
        RowError: a field has the wrong type or is out of range; the message names it.
    """
    try:
        return msgspec.convert(fields, Claim)
    except msgspec.ValidationError as error:
        raise RowError(str(error)) from error


def cell(row: Row, column: str) -> str:
    """Text of a cell, stripped.

    Raises:
        RowError: the row is too short to have that column.
    """
    text = row[column]
    if text is None:
        raise RowError(f"column {column}: the row ends before it")
    return text.strip()


def choice(row: Row, column: str, meanings: Mapping[str, T]) -> T:
    """Meaning of a cell that may hold a few texts only.

    Raises:
        RowError: the text is none of them.
    """
    text = cell(row, column)
    if text not in meanings:
        raise RowError(f"column {column}: {text!r} is none of {', '.join(meanings)}")
    return meanings[text]


def whole(row: Row, column: str) -> int:
    """A cell as a whole number.

    Raises:
        RowError: it is not one.
    """
    text = cell(row, column)
    try:
        return int(text)
    except ValueError as error:
        raise RowError(f"column {column}: {text!r} is not a whole number") from error


def number(row: Row, column: str) -> float:
    """A cell as a number.

    Raises:
        RowError: it is not one.
    """
    text = cell(row, column)
    try:
        return float(text)
    except ValueError as error:
        raise RowError(f"column {column}: {text!r} is not a number") from error


def read_csv(
    path: Path, columns: Collection[str], read: Callable[[Row, int], Labelled], rows: int | None
) -> Rows:
    """Read at most ``rows`` rows of a CSV file with a header.

    ``read`` gets a row and its number, counted from 1 after the header.

    Raises:
        DatasetError: no header, columns missing, or too many rows refused.
    """
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines)
        missing = [c for c in columns if c not in (reader.fieldnames or ())]
        if missing:
            raise DatasetError(f"{path.name}, line 1: no column {', '.join(missing)}")
        attempts = (
            (reader.line_num, partial(read, row, number))
            for number, row in enumerate(islice(reader, rows), start=1)
        )
        return collect(path.name, attempts)


def collect(name: str, attempts: Iterable[tuple[int, Callable[[], Labelled]]]) -> Rows:
    """Gather (line, read the row) pairs into accepted and refused rows.

    Raises:
        DatasetError: there are no rows, or more than `MAX_REJECTED_SHARE` of them are refused.
    """
    found = Rows([], [])
    for line, read in attempts:
        try:
            found.accepted.append(read())
        except RowError as error:
            found.rejected.append(f"{name}, line {line}: {error}")
    return _plausible(name, found)


def _plausible(name: str, found: Rows) -> Rows:
    total = len(found.accepted) + len(found.rejected)
    if total == 0:
        raise DatasetError(f"{name}: no rows")
    if len(found.rejected) > MAX_REJECTED_SHARE * total:
        raise DatasetError(
            f"{len(found.rejected)} of {total} rows refused; the first: {found.rejected[0]}"
        )
    return found


def digest_of(path: Path) -> str:
    """sha256 of the file's bytes, hex."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def numbered_lines(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, with their number from 1."""
    return ((n, line) for n, line in enumerate(lines, start=1) if line.strip())
