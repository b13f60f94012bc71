"""From lines of text to columns, by pyarrow: none of their cells becomes an object of its own."""

from collections.abc import Collection
from typing import Any, Final

from schemas.columnar.coded import Coded

_MARK: Final = "\ufeff"


def _arrow() -> Any:
    """pyarrow with its reader of CSV, whose types are incomplete; None if it is not installed."""
    try:
        import pyarrow  # noqa: PLC0415 - of an extra
        import pyarrow.csv  # noqa: PLC0415
    except ImportError:
        return None
    return pyarrow


def parted(
    text: str, rows: int, delimiter: str, width: int, wanted: Collection[int]
) -> dict[int, Coded] | None:
    """The cells of lines by their column, as texts; None if they have to be read one by one.

    That is so without pyarrow, and if a line is blank, has another number of cells, or contains
    what is not in the file's encoding.

    Args:
        text: lines without quotation marks and carriage returns; the end of the last is left out.
        rows: number of lines.
        delimiter: between cells.
        width: number of cells of a row.
        wanted: numbers of the columns to return, from 0.
    """
    pa = _arrow()
    if pa is None or text.startswith(_MARK):  # which pyarrow would leave out
        return None
    names = [str(n) for n in range(width)]
    used = [names[n] for n in sorted(wanted)]
    kind = pa.dictionary(pa.int32(), pa.string())
    try:
        content = text.encode()
        table = pa.csv.read_csv(
            pa.BufferReader(content),
            pa.csv.ReadOptions(use_threads=False, block_size=len(content) + 1, column_names=names),
            pa.csv.ParseOptions(delimiter=delimiter, quote_char=False),
            pa.csv.ConvertOptions(
                column_types=dict.fromkeys(used, kind), include_columns=used, null_values=[]
            ),
        )
    except (UnicodeEncodeError, pa.ArrowInvalid):
        return None
    if table.num_rows != rows:  # it leaves blank lines out
        return None
    return {int(name): _coded(table.column(name).combine_chunks()) for name in used}


def _coded(column: Any) -> Coded:
    values = column.dictionary.to_numpy(zero_copy_only=False).tolist()
    return Coded(values, memoryview(column.indices.to_numpy()))
