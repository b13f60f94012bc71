"""Cells of columns of Arrow: values as JSON could have them, or days and times."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple


@dataclass(frozen=True)
class OutOfRange:
    """A cell that no value of Python stands for, as a day in the year 10000."""

    what: str

    def __repr__(self) -> str:
        return self.what


_BEYOND: Final = OutOfRange(f"a day outside the years {dt.MINYEAR} to {dt.MAXYEAR}")
_NOT_HELD: Final = OutOfRange("a value that is out of range")


class CellsRead(NamedTuple):
    """Cells of a column."""

    values: Sequence[Any]
    """None is missing; `OutOfRange` is there, and no value of Python."""
    torn: bool = False
    """Some texts are not UTF-8: the bytes that are not stand in them as surrogates."""


ReadColumn = Callable[[Any], CellsRead]


def column_reader(pa: Any, kind: Any) -> ReadColumn:
    """What reads columns of a type.

    Args:
        pa: pyarrow, whose types are incomplete.
        kind: the type.
    """
    types = pa.types
    if (simpler := _simpler(pa, kind)) is not None:
        within = column_reader(pa, simpler)
        return lambda column: within(column.cast(simpler, safe=False))
    if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
        return lambda column: CellsRead(column.to_pylist())
    if types.is_large_string(kind) or types.is_large_binary(kind):
        return lambda column: _texts(pa, column)
    if types.is_date(kind) or types.is_timestamp(kind):
        return lambda column: CellsRead(_held(column, _BEYOND))
    return lambda column: CellsRead([_plain(cell) for cell in _held(column, _NOT_HELD)])


def _simpler(pa: Any, kind: Any) -> Any:
    """The type as which columns of another are read; None if they are read as they are."""
    types = pa.types
    if types.is_dictionary(kind):
        return kind.value_type
    if types.is_string(kind) or types.is_string_view(kind):
        return pa.large_string()
    if types.is_binary(kind) or types.is_fixed_size_binary(kind):
        return pa.large_binary()
    if getattr(kind, "unit", None) != "ns":
        return None
    # Python has nanoseconds only with pandas, which is not needed to read a file.
    if types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    return pa.time64("us") if types.is_time(kind) else pa.duration("us")


def _texts(pa: Any, column: Any) -> CellsRead:
    try:
        return CellsRead(column.cast(pa.large_string()).to_pylist())
    except (pa.ArrowInvalid, UnicodeDecodeError):  # all of the column, for one text
        parts = column.cast(pa.large_binary()).to_pylist()
        return CellsRead([_escaped(part) for part in parts], torn=True)


def _escaped(part: bytes | None) -> str | None:
    return None if part is None else part.decode("utf-8", "surrogateescape")


def _held(column: Any, instead: OutOfRange) -> Sequence[Any]:
    """Values of Python, and something instead of those that it cannot hold."""
    try:
        found: list[Any] = column.to_pylist()
    except (OverflowError, UnicodeDecodeError):  # all of the column, for one value
        return [_one(scalar, instead) for chunk in column.chunks for scalar in chunk]
    return found


def _one(scalar: Any, instead: OutOfRange) -> Any:
    try:
        return scalar.as_py()
    except (OverflowError, UnicodeDecodeError):
        return instead


def _plain(cell: Any) -> Any:
    """Numbers of other types, such as decimals, as floats; anything else as its text."""
    if cell is None or isinstance(cell, OutOfRange):
        return cell
    try:
        return float(cell)
    except (TypeError, ValueError):
        return str(cell)
