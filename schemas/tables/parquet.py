"""Parquet, batch by batch and only the columns that are read. Needs pyarrow, of *parquet*."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from schemas.columnar.cells import CellsRead, column_reader
from schemas.printable import listed
from schemas.tables.rows import Row, Table, TableError, is_text, table

BATCH_ROWS: Final = 4_096
BATCH_BYTES: Final = 2_000_000
"""Of the columns that are read, as they are in the file: fewer rows are read at once if long."""
BUFFER: Final = 65_536
"""Bytes of a column that are fetched at once."""

ReadOnly = frozenset[int] | None
"""Numbers of the columns that are read; None: all."""


def read_parquet(path: Path) -> Table:
    """Read Parquet; a column of structs is one column for each of their members, `a.b`.

    A cell that no value of Python stands for, as a day in the year 10000, is `OutOfRange`.

    Raises:
        TableError: it is none, or pyarrow is not installed.
    """
    pa = pyarrow_for(f"{path.name}: reading")
    try:
        # Columns are fetched bit by bit: by default all of a group of rows, however large, at once.
        file = pa.parquet.ParquetFile(path, pre_buffer=False, buffer_size=BUFFER)
        header = tuple(_flat(pa, file.schema_arrow.empty_table()).column_names)
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{path.name}: {error}") from error
    rows = partial(_rows, pa, path.name, file, header)
    return table(path.name, header, rows(None), narrowed=rows)


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


def _rows(pa: Any, name: str, file: Any, header: Sequence[str], wanted: ReadOnly) -> Iterator[Row]:
    """Rows; cells of columns that are not wanted are None."""
    names = None if wanted is None else [header[n] for n in sorted(wanted)]
    size = _row_size(file.metadata, names)
    rows = max(1, min(BATCH_ROWS, BATCH_BYTES // max(size, 1)))
    number = 0
    try:
        for batch in file.iter_batches(batch_size=rows, columns=names):
            columns = _columns(pa, name, _flat(pa, pa.Table.from_batches([batch])), header, wanted)
            torn = [n for n, column in enumerate(columns) if column.torn]
            for cells in zip(*(column.values for column in columns), strict=True):
                number += 1
                yield Row(number, cells, _fault(cells, torn, header), size)
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{name}, after row {number}: {error}") from error


def _columns(
    pa: Any, name: str, flat: Any, header: Sequence[str], wanted: ReadOnly
) -> Sequence[CellsRead]:
    """The columns of a batch."""
    if wanted is None:
        found = dict(enumerate(flat.columns))
    else:  # a name that is read is there once, or the table was refused
        found = {n: flat.column(header[n]) for n in wanted}
    columns = [CellsRead([None] * flat.num_rows)] * len(header)
    for number, column in found.items():
        try:
            columns[number] = column_reader(pa, column.type)(column)
        except pa.ArrowException as error:
            where = f"{name}, column {listed([header[number]])}"
            raise TableError(f"{where}: {column.type} cannot be read: {error}") from error
    return columns


def _row_size(metadata: Any, names: Sequence[str] | None) -> int:
    """Mean bytes of a row in the columns of these names, in the group where it is the largest."""
    if not metadata.num_row_groups:
        return 0
    leaves = [metadata.schema.column(n).path for n in range(metadata.num_columns)]
    used = [n for n, leaf in enumerate(leaves) if names is None or _is_in(leaf, names)]
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    sizes: Iterator[int] = (
        sum(group.column(n).total_uncompressed_size for n in used) // max(group.num_rows, 1)
        for group in groups
    )
    return max(sizes)


def _is_in(leaf: str, names: Sequence[str]) -> bool:
    return any(leaf == name or leaf.startswith(f"{name}.") for name in names)


def _flat(pa: Any, table: Any) -> Any:
    while any(pa.types.is_struct(field.type) for field in table.schema):
        table = table.flatten()
    return table


def _fault(cells: Sequence[Any], torn: Sequence[int], header: Sequence[str]) -> str:
    bad = [header[n] for n in torn if cells[n] is not None and not is_text(cells[n])]
    return f"not UTF-8: column {listed(bad)}" if bad else ""
