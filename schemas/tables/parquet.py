"""Parquet, batch by batch. Needs pyarrow, of the extra *parquet*."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from schemas.tables.rows import Row, Table, TableError, table

BATCH_ROWS: Final = 4_096
_NO_VALUE: Final = (ValueError, OverflowError)
"""A text that is not UTF-8, or a date beyond the year 9999."""
_UNREADABLE: Final = object()


def read_parquet(path: Path) -> Table:
    """Read Parquet; a column of structs is one column for each of their members, `a.b`.

    Raises:
        TableError: it is none, or pyarrow is not installed.
    """
    pa = pyarrow_for(f"{path.name}: reading")
    try:
        file = pa.parquet.ParquetFile(path)
        header = tuple(_flat(pa, file.schema_arrow.empty_table()).column_names)
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{path.name}: {error}") from error
    return table(path.name, header, _rows(pa, path.name, file))


def pyarrow_for(what: str) -> Any:
    """The library, with its module for Parquet; its types are incomplete.

    Args:
        what: is done with it, for the message.

    Raises:
        TableError: it is not installed.
    """
    try:
        import pyarrow  # noqa: PLC0415 - of an extra
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError as error:
        raise TableError(f"{what} Parquet needs pyarrow: pip install 'pyarrow>=26'") from error
    return pyarrow


def _rows(pa: Any, name: str, file: Any) -> Iterator[Row]:
    number = 0
    try:
        for batch in file.iter_batches(batch_size=BATCH_ROWS):
            columns = [_values(pa, c) for c in _flat(pa, pa.Table.from_batches([batch])).columns]
            torn = any(_UNREADABLE in column for column in columns)
            for cells in zip(*columns, strict=True):
                number += 1
                fault = _fault(cells) if torn else ""
                yield Row(number, [_plain(cell) for cell in cells], fault)
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{name}, after row {number}: {error}") from error


def _values(pa: Any, column: Any) -> list[Any]:
    """The cells of a column; `_UNREADABLE` for those that are no values of Python."""
    try:
        found: list[Any] = column.to_pylist()
    except pa.ArrowException:  # some are ValueErrors besides, as of a time zone that is not known
        raise
    except _NO_VALUE:
        found = [_value(cell) for cell in column]
    return found


def _value(cell: Any) -> Any:
    try:
        return cell.as_py()
    except _NO_VALUE:
        return _UNREADABLE


def _fault(cells: Sequence[Any]) -> str:
    if _UNREADABLE not in cells:
        return ""
    return f"cell {cells.index(_UNREADABLE) + 1} is not a date or a text that can be read"


def _flat(pa: Any, table: Any) -> Any:
    while any(pa.types.is_struct(field.type) for field in table.schema):
        table = table.flatten()
    return table


def _plain(cell: Any) -> Any:
    """A cell as JSON could have it, or a date; numbers of other types as floats."""
    if cell is _UNREADABLE:
        return None
    if cell is None or isinstance(cell, str | bool | int | float) or hasattr(cell, "toordinal"):
        return cell
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "replace")
    try:
        return float(cell)
    except (TypeError, ValueError):
        return str(cell)
