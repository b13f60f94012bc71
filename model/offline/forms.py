"""Forms of output: CSV, JSON lines and Parquet, by the ending of the name."""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

import msgspec

from model.offline.formulas import as_text
from model.offline.results import Results, ScoredClaim
from schemas.alert import ReasonItem, RuleHit
from schemas.tables.parquet import pyarrow_for

LISTS: Final = ("reasons", "reason_codes", "rule_hits", "data_quality")
COLUMNS: Final = (*ScoredClaim.__struct_fields__[:7], *LISTS)
"""Of CSV and Parquet."""
SEPARATOR: Final = "; "
ROW_GROUP: Final = 65_536
_PLAIN: Final = 7
"""The first columns, which are the same in every form."""
_FLAGS: Final = {True: "true", False: "false"}
_SPECIAL: Final = re.compile('[",\r\n]')
_NO_LISTS: Final = "," * (len(LISTS) - 1)


class ResultsForm(Protocol):
    """A file of results that is being written."""

    def write(self, found: Results) -> None:
        """Add the rows of a batch."""

    def close(self) -> None:
        """Write what is left; the file itself stays open."""


class JsonLinesForm:
    """One object a line: reasons and rule hits are as in alerts."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._encoder = msgspec.json.Encoder()

    def write(self, found: Results) -> None:
        """Add the rows of a batch."""
        self._file.write(self._encoder.encode_lines(map(ScoredClaim, *found)))

    def close(self) -> None:
        """Nothing is left."""


class CsvForm:
    """Comma, UTF-8, a header; lists are texts with `; ` between the items.

    What a spreadsheet would take for a formula is marked: see `model.offline.formulas`.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._file.write((",".join(COLUMNS) + "\n").encode())

    def write(self, found: Results) -> None:
        """Add the rows of a batch."""
        # Most rows have no lists, and no cell but theirs and the id can need quotation marks: that
        # is half the time of `csv.writer`.
        rows = zip(
            map(str, found.line), map(_cell, found.claim_id), map(repr, found.fraud_probability),
            map(_FLAGS.__getitem__, found.fraudulent), found.decision, found.band,
            map(repr, found.percentile), map(_list_cells, *found[_PLAIN:]), strict=True,
        )  # fmt: skip
        self._file.write("".join([",".join(row) + "\n" for row in rows]).encode())

    def close(self) -> None:
        """Nothing is left."""


class ParquetForm:
    """The columns of CSV; lists are lists of texts. Needs pyarrow."""

    def __init__(self, file: BinaryIO) -> None:
        self._pa = pa = pyarrow_for("writing")
        texts = pa.list_(pa.string())
        kinds = [pa.int64(), pa.string(), pa.float64(), pa.bool_(), pa.string(), pa.string()]
        kinds += [pa.float64(), *[texts] * len(LISTS)]
        self._schema = pa.schema(list(zip(COLUMNS, kinds, strict=True)))
        self._writer = pa.parquet.ParquetWriter(file, self._schema, compression="zstd")
        self._waiting: list[Any] = []

    def write(self, found: Results) -> None:
        """Add the rows of a batch."""
        arrays = [
            self._pa.array(list(values), field.type)
            for values, field in zip((*found[:_PLAIN], *_lists(found)), self._schema, strict=True)
        ]
        self._waiting.append(self._pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        if sum(batch.num_rows for batch in self._waiting) >= ROW_GROUP:
            self._flush()

    def close(self) -> None:
        """Write the last rows and the footer."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._waiting:
            table = self._pa.Table.from_batches(self._waiting)
            self._writer.write_table(table, row_group_size=ROW_GROUP)
            self._waiting = []


def _cell(text: str) -> str:
    text = as_text(text)
    return '"' + text.replace('"', '""') + '"' if _SPECIAL.search(text) else text


def _list_cells(
    reasons: Sequence[ReasonItem], hits: Sequence[RuleHit], quality: Sequence[str]
) -> str:
    """Cells of the lists of one row."""
    if not (reasons or hits or quality):
        return _NO_LISTS
    texts = ([item.text for item in reasons], [item.code for item in reasons], _ids(hits), quality)
    return ",".join([_cell(SEPARATOR.join(items)) for items in texts])


def _lists(found: Results) -> tuple[list[Sequence[str]], ...]:
    return (
        [_each(items, lambda item: item.text) for items in found.reasons],
        [_each(items, lambda item: item.code) for items in found.reasons],
        [_ids(hits) for hits in found.rule_hits],
        list(found.data_quality),
    )


def _each(items: Sequence[ReasonItem], what: Callable[[ReasonItem], str]) -> Sequence[str]:
    return [what(item) for item in items] if items else ()


def _ids(hits: Iterable[RuleHit]) -> Sequence[str]:
    return [hit.id for hit in hits] if hits else ()


FORMS: Final[dict[str, Callable[[BinaryIO], ResultsForm]]] = {
    ".csv": CsvForm,
    ".jsonl": JsonLinesForm,
    ".parquet": ParquetForm,
}


def form_for(path: Path | None) -> Callable[[BinaryIO], ResultsForm]:
    """What writes a file of that name; JSON lines for standard output.

    Raises:
        ValueError: its ending is none of those that are known, or pyarrow is missing for Parquet.
    """
    if path is None:
        return JsonLinesForm
    ending = path.suffix.lower()
    if ending == ".gz":
        ending = path.with_suffix("").suffix.lower()
        if ending == ".parquet":
            raise ValueError(f"{path.name}: Parquet is compressed as it is: leave .gz out")
    if ending not in FORMS:
        raise ValueError(
            f"{path.name}: the name ends in none of .csv .jsonl .parquet, or the first two with .gz"
        )
    if ending == ".parquet":
        pyarrow_for("writing")
    return FORMS[ending]
