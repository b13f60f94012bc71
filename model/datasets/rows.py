"""From rows of a source file to claims, using the type that checks records in production."""

import csv
import datetime as dt
import hashlib
import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import msgspec

from schemas.claim import Claim
from schemas.decoding.refusal import in_words
from schemas.printable import printable

MAX_REJECTED_SHARE: Final = 0.05
"""If more rows than this are rejected, the file does not match its format."""

_LONGEST_REASON: Final = 500
_BOM: Final = b"\xef\xbb\xbf"
_THOUSANDS: Final = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_VERDICTS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("1", "1.0", "true", "yes", "y"), True),
    **dict.fromkeys(("0", "0.0", "false", "no", "n"), False),
}

PlainFields = dict[str, object]
SourceRow = Mapping[str, str]
T = TypeVar("T")


class DatasetError(ValueError):
    """A data set cannot be read; the message names the file and, if known, line and column."""


class RowError(ValueError):
    """One row cannot become a claim; the message names the column."""


class Labelled(NamedTuple):
    """A claim and its label."""

    claim: Claim
    fraud: bool
    decided: dt.date | None = None
    """When that was found, if the file says it."""


class Rows(NamedTuple):
    """The contents of a file: labelled claims, and a line of text for each rejected row."""

    accepted: list[Labelled]
    rejected: list[str]


def to_claim(fields: PlainFields) -> Claim:
    """Check plain fields against `Claim`.

    Raises:
        RowError: a field has the wrong type or is out of range; the message names it.
    """
    try:
        return msgspec.convert(fields, Claim)
    except msgspec.ValidationError as error:
        raise RowError(in_words(error)) from error


def cell(row: SourceRow, column: str) -> str:
    """The stripped text of a cell.

    Raises:
        RowError: the row is too short to have that column.
    """
    text = row[column]
    if text is None:
        raise RowError(f"column {column}: the row ends before this column")
    return text.strip()


def choice(row: SourceRow, column: str, meanings: Mapping[str, T]) -> T:
    """The meaning of a cell that allows only a few texts.

    Case, repeated blanks and thousands separators do not matter: copies of a file differ in them.

    Raises:
        RowError: the text is not one of them.
    """
    text = cell(row, column)
    if text in meanings:
        return meanings[text]
    alike = {_plain(known): meaning for known, meaning in meanings.items()}
    if _plain(text) not in alike:
        raise RowError(f"column {column}: {text!r} is not one of {', '.join(meanings)}")
    return alike[_plain(text)]


def _plain(text: str) -> str:
    return " ".join(_THOUSANDS.sub("", text).casefold().split())


def verdict(value: str | float) -> bool:
    """A label: 1, 1.0, true, yes and y are fraud; 0, 0.0, false, no and n are not.

    Raises:
        RowError: it is something else.
    """
    known = _VERDICTS.get(str(value).strip().casefold())
    if known is None:
        raise RowError(f"{value!r} must be 0 or 1, false or true, no or yes")
    return known


def label(row: SourceRow, column: str) -> bool:
    """A cell as a label; see `verdict`.

    Raises:
        RowError: it is not one.
    """
    text = cell(row, column)
    try:
        return verdict(text)
    except RowError as error:
        raise RowError(f"column {column}: {error}") from error


def whole(row: SourceRow, column: str) -> int:
    """A cell as a whole number; ``48.0`` is one.

    Raises:
        RowError: it is not one.
    """
    value = number(row, column)
    if not value.is_integer():
        raise RowError(f"column {column}: {cell(row, column)!r} is not a whole number")
    return int(value)


def number(row: SourceRow, column: str) -> float:
    """A cell as a number, with or without thousands separators.

    Raises:
        RowError: it is not one.
    """
    text = cell(row, column)
    try:
        value = float(_THOUSANDS.sub("", text))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise RowError(f"column {column}: {text!r} is not a number")
    return value


class _Csv(NamedTuple):
    """A CSV file: its rows under the requested column names."""

    rows: Sequence[SourceRow]
    lines: Sequence[int]
    """Line of the file where each row ends, from 1."""


def read_csv(
    path: Path,
    columns: Collection[str],
    reader: Callable[[Sequence[SourceRow]], Callable[[SourceRow, int], Labelled]],
    rows: int | None,
    aliases: Mapping[str, str] | None = None,
) -> Rows:
    """Read at most ``rows`` rows of a CSV file with a header.

    Column names are compared by their letters and digits only, so that ``Days_Policy_Claim``
    is also found as ``Days:Policy-Claim``.

    Args:
        path: of the file.
        columns: names that ``reader`` uses.
        reader: creates, from all rows of the file, the function that reads one row. That function
            gets the row and its number, counted from 1 after the header.
        rows: read at most this many.
        aliases: alternative names, by the requested name.

    Raises:
        DatasetError: no header, columns missing, or too many rows rejected.
    """
    table = _table(path, columns, aliases or {})
    read = reader(table.rows)
    numbered = enumerate(zip(table.lines, table.rows, strict=True), start=1)
    attempts = (
        (line, partial(read, row, number)) for number, (line, row) in islice(numbered, rows)
    )
    return collect(printable(path.name), attempts)


def _table(path: Path, columns: Collection[str], aliases: Mapping[str, str]) -> _Csv:
    with path.open(encoding="utf-8-sig", newline="") as source:
        cells = csv.DictReader(source)
        cells.fieldnames = _renamed(cells.fieldnames or (), columns, aliases)
        missing = [c for c in columns if c not in cells.fieldnames]
        if missing:
            raise DatasetError(f"{printable(path.name)}, line 1: no column {', '.join(missing)}")
        found = [(row, cells.line_num) for row in cells]
    return _Csv([row for row, _ in found], [line for _, line in found])


def _renamed(given: Iterable[str], columns: Iterable[str], aliases: Mapping[str, str]) -> list[str]:
    names = {_letters(name): name for name in columns}
    names |= {_letters(alias): name for name, alias in aliases.items()} | names
    return [names.get(_letters(name), name) for name in given]


def _letters(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum())


def collect(name: str, attempts: Iterable[tuple[int, Callable[[], Labelled]]]) -> Rows:
    """Sort (line, function that reads the row) pairs into accepted and rejected rows.

    Raises:
        DatasetError: there are no rows, or more than `MAX_REJECTED_SHARE` of them are rejected.
    """
    found = Rows([], [])
    for line, read in attempts:
        try:
            found.accepted.append(read())
        except RowError as error:
            found.rejected.append(f"{name}, line {line}: {_shortened(str(error))}")
    plausible(name, len(found.accepted), found.rejected)
    return found


def _shortened(reason: str) -> str:
    """A reason may quote a cell, and a cell may be as long as the file."""
    return reason if len(reason) <= _LONGEST_REASON else f"{reason[:_LONGEST_REASON]}…"


def plausible(name: str, accepted: int, rejected: Sequence[str]) -> None:
    """Check that a file has rows and that most of them are claims.

    Raises:
        DatasetError: it has none, or more than `MAX_REJECTED_SHARE` of them were rejected.
    """
    total = accepted + len(rejected)
    if total == 0:
        raise DatasetError(f"{name}: no rows")
    if len(rejected) > MAX_REJECTED_SHARE * total:
        raise DatasetError(f"{len(rejected)} of {total} rows rejected; the first: {rejected[0]}")


def digest_of(path: Path) -> str:
    """sha256 of the file's bytes, hex."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def numbered_lines(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Non-blank lines, with their number from 1; a byte order mark is removed."""
    for number, line in enumerate(lines, start=1):
        text = line.removeprefix(_BOM) if number == 1 else line
        if text.strip():
            yield number, text
