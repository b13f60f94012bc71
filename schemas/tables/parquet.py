"""Parquet, batch by batch and only the columns that are read. Needs pyarrow, of *parquet*."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from schemas.columnar.cells import CellsRead, OutOfRange, column_reader
from schemas.printable import listed
from schemas.tables.rows import Row, Table, TableError, is_text, table

BATCH_ROWS: Final = 4_096
BATCH_BYTES: Final = 2_000_000
"""Of the columns that are read, as they are in the file: fewer rows are read at once if long."""
UNPACKED_BYTES: Final = 16_000_000
"""Of texts that a file has once and rows repeat: fewer rows are unpacked at once if long."""
BUFFER: Final = 65_536
"""Bytes of a column that are fetched at once."""
DICTIONARY: Final = frozenset({"RLE_DICTIONARY", "PLAIN_DICTIONARY"})
"""Encodings of a column that has each of its values once, and numbers of them."""
LIST: Final = OutOfRange("a list, and no field is read from one")

Open = Callable[..., Any]
"""Opens the file, which pyarrow knows as a `ParquetFile`."""
ReadOnly = frozenset[int] | None
"""Numbers of the columns that are read; None: all."""


def read_parquet(path: Path) -> Table:
    """Read Parquet; a column of structs is one column for each of their members, `a.b`.

    A cell that no value of Python stands for, as a day in the year 10000, is `OutOfRange`; so is
    every list, which may be of any length.

    Raises:
        TableError: it is none, or pyarrow is not installed.
    """
    pa = pyarrow_for(f"{path.name}: reading")
    try:
        # Columns are fetched bit by bit: by default all of a group of rows, however large, at once.
        opened = partial(pa.parquet.ParquetFile, path, pre_buffer=False, buffer_size=BUFFER)
        file = opened()
        schema = _flat(pa, file.schema_arrow.empty_table()).schema
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{path.name}: {error}") from error
    found = _File(
        path.name,
        partial(opened, metadata=file.metadata),
        _leaves(file.metadata),
        tuple(schema.names),
        frozenset(n for n, field in enumerate(schema) if pa.types.is_nested(field.type)),
    )
    rows = partial(_rows, pa, found)
    return table(found.name, found.header, rows(None), narrowed=rows)


def pyarrow_for(what: str) -> Any:
    """The library, with its module for Parquet; its types are incomplete.

    Args:
        what: is done with it, for the message.

    Raises:
        TableError: it is not installed.
    """
    try:
        import pyarrow  # noqa: PLC0415 - of an extra
        import pyarrow.compute  # noqa: PLC0415
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError as error:
        raise TableError(f"{what} Parquet needs pyarrow: pip install 'pyarrow>=26'") from error
    return pyarrow


class _Leaf(NamedTuple):
    """A column as it is in the file: structs and lists are several, or have others within."""

    path: str
    in_list: bool
    shared: bool
    """Texts that are the same are in the file once, and can be so in memory."""
    mean: int
    """Bytes of a row, in the group of rows where it is the largest."""
    longest: int
    """Bytes that a row may have in memory, whatever it has in the file; 0 if that is not known."""


def _leaf(metadata: Any, number: int) -> _Leaf:
    column = metadata.schema.column(number)
    groups = [metadata.row_group(n) for n in range(metadata.num_row_groups)]
    parts = [(group.column(number), group.num_rows) for group in groups]
    encodings = {encoding for part, _ in parts for encoding in part.encodings}
    sizes = [part.total_uncompressed_size for part, _ in parts]
    in_dictionary = not encodings.isdisjoint(DICTIONARY)
    # Of texts that begin alike the file has only what differs.
    begin_alike = "DELTA_BYTE_ARRAY" in encodings
    return _Leaf(
        column.path,
        in_list=column.max_repetition_level > 0,
        shared=in_dictionary and not begin_alike and column.physical_type == "BYTE_ARRAY",
        mean=max((part.total_uncompressed_size // max(rows, 1) for part, rows in parts), default=0),
        longest=max(column.length, 0) or (max(sizes, default=0) if begin_alike else 0),
    )


def _leaves(metadata: Any) -> list[_Leaf]:
    return [_leaf(metadata, number) for number in range(metadata.num_columns)]


class _File(NamedTuple):
    """What is known of a file before its rows are read."""

    name: str
    opened: Open
    leaves: Sequence[_Leaf]
    header: tuple[str, ...]
    lists: frozenset[int]
    """Numbers of the columns that are no single values."""


def _rows(pa: Any, file: _File, wanted: ReadOnly) -> Iterator[Row]:
    """Rows; cells of columns that are not wanted are None."""
    name, _, leaves, header, _ = file
    if wanted is not None:
        names = [header[n] for n in sorted(wanted)]
        leaves = [leaf for leaf in leaves if _is_in(leaf.path, names)]
    mean = sum(leaf.mean for leaf in leaves)
    number = 0
    try:
        for batch in _batches(file.opened, [leaf for leaf in leaves if not leaf.in_list]):
            unpacked = _longest_shared(pa, batch.columns)
            some = max(1, UNPACKED_BYTES // max(unpacked, 1))
            size = mean if some >= batch.num_rows else mean + unpacked
            for start in range(0, batch.num_rows, some):
                flat = _flat(pa, pa.Table.from_batches([batch.slice(start, some)]))
                columns = _columns(pa, file, flat, wanted)
                torn = [n for n, column in enumerate(columns) if column.torn]
                for cells in zip(*(column.values for column in columns), strict=True):
                    number += 1
                    yield Row(number, cells, _fault(cells, torn, header), size)
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{name}, after row {number}: {error}") from error


def _batches(opened: Open, leaves: Sequence[_Leaf]) -> Iterator[Any]:
    """Rows of these columns, as many at once as are not too large."""
    # A text that a million rows repeat is in the file once, and so it is in memory.
    shared = opened(read_dictionary=[leaf.path for leaf in leaves if leaf.shared])
    mean, longest = sum(leaf.mean for leaf in leaves), sum(leaf.longest for leaf in leaves)
    rows = min(BATCH_ROWS, BATCH_BYTES // max(mean, 1), UNPACKED_BYTES // max(longest, 1))
    columns = [leaf.path for leaf in leaves]
    # Of members of structs, Arrow reads no batch that has texts of two groups' dictionaries.
    for group in range(shared.num_row_groups):
        yield from shared.iter_batches(max(1, rows), [group], columns)


def _longest_shared(pa: Any, columns: Iterable[Any]) -> int:
    """Bytes that a row of a batch may have in columns whose texts are in memory once."""
    found = 0
    for column in columns:
        if pa.types.is_struct(column.type):
            found += _longest_shared(pa, column.flatten())
        elif pa.types.is_dictionary(column.type):
            found += pa.compute.max(pa.compute.binary_length(column.dictionary)).as_py() or 0
    return found


def _columns(pa: Any, file: _File, flat: Any, wanted: ReadOnly) -> Sequence[CellsRead]:
    """The columns of some rows."""
    header, lists = file.header, file.lists
    columns = [CellsRead([None] * flat.num_rows)] * len(header)
    if wanted is None:
        read = (n for n in range(len(header)) if n not in lists)
        found = dict(zip(read, flat.columns, strict=True))
    else:  # a name that is read is there once, or the table was refused
        found = {n: flat.column(header[n]) for n in wanted - lists}
    for number in lists if wanted is None else wanted & lists:
        columns[number] = CellsRead([LIST] * flat.num_rows)
    for number, column in found.items():
        try:
            columns[number] = column_reader(pa, column.type)(column)
        except pa.ArrowException as error:
            where = f"{file.name}, column {listed([header[number]])}"
            raise TableError(f"{where}: {column.type} cannot be read: {error}") from error
    return columns


def _is_in(leaf: str, names: Sequence[str]) -> bool:
    return any(leaf == name or leaf.startswith(f"{name}.") for name in names)


def _flat(pa: Any, table: Any) -> Any:
    while any(pa.types.is_struct(field.type) for field in table.schema):
        table = table.flatten()
    return table


def _fault(cells: Sequence[Any], torn: Sequence[int], header: Sequence[str]) -> str:
    bad = [header[n] for n in torn if cells[n] is not None and not is_text(cells[n])]
    return f"not UTF-8: column {listed(bad)}" if bad else ""
