"""Many rows at once: columns of values instead of claims, for what is scored from files.

Equal cells are read once. A column that nobody asks for is checked and not read if that is enough.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import compress
from typing import Any, Final, NamedTuple

from schemas.columnar.claims import ColumnarClaims
from schemas.columnar.coded import Coded, always, coded
from schemas.columnar.plain import is_any_text, plain_reader
from schemas.contract.model import Contract
from schemas.decoding.refusal import RefusedError
from schemas.decoding.rows import CellFault, RowReader, present

REMEMBERED: Final = 16_384
"""Distinct cells per field that are remembered from one batch to the next."""
MANY: Final = 256
"""With more new cells than this in a batch, numbers are read all at once."""
_REFUSED: Final = object()

CellKey = Any
"""What a field is read from: the cell of its only column, or a tuple of the cells of several."""


class _Known(dict[CellKey, Any]):
    """Values of one field by what they are read from; those that are refused are listed too."""

    def __init__(self, read: Callable[[CellKey], Any]) -> None:
        super().__init__()
        self._read = read
        self.refused: set[CellKey] = set()

    def __missing__(self, key: CellKey) -> Any:
        try:
            value = self[key] = self._read(key)
        except RefusedError:
            value = self[key] = _REFUSED
            self.refused.add(key)
        return value

    def forget(self) -> None:
        """Keep memory bounded."""
        if len(self) > REMEMBERED:
            self.clear()
            self.refused.clear()


class ReadColumns(NamedTuple):
    """What became of a batch of rows."""

    claims: ColumnarClaims
    accepted: Sequence[bool]
    """Of each row, whether it is a claim."""
    faults: Sequence[CellFault]
    """Of the rows that are none, in their order."""


class ColumnReader:
    """Makes claims of rows of one table, many at once; the same as `RowReader` makes one by one.

    Attributes:
        rows: the reader of single rows, which words the refusals.
        used: numbers of the columns that a field is read from.
    """

    def __init__(self, contract: Contract, rows: RowReader) -> None:
        self.rows = rows
        self._fields = contract.fields
        self._slots = rows.slots
        self._columns = rows.columns.slots
        self._of_field = {name: self._present(name) for name in self._fields}
        self._plain = {name: plain_reader(field, contract) for name, field in self._fields.items()}
        self._varied: set[str] = set()
        """Fields that had many different cells, and so will have them again."""
        self._known = {name: _Known(self._key_reader(name)) for name in self._fields}
        self.used = frozenset(at for found in self._of_field.values() for _, at in found)

    def read(self, rows: Sequence[Sequence[Any]], numbers: Sequence[int]) -> ReadColumns:
        """Read a batch.

        Args:
            rows: the cells of each, as many as the table has columns.
            numbers: of the rows, from 1.
        """
        for known in self._known.values():
            known.forget()
        cells = list(zip(*rows, strict=True))
        made: dict[str, list[Any]] = {}
        bad = self._bad_rows(cells, numbers, made)
        accepted = [row not in bad for row in range(len(rows))]
        faults = [self._fault(rows[row], numbers[row]) for row in sorted(bad)]
        if bad:
            cells = list(zip(*compress(rows, accepted), strict=True))
            numbers = list(compress(numbers, accepted))
            made = {name: list(compress(values, accepted)) for name, values in made.items()}
        return ReadColumns(self._claims(cells, numbers, made), accepted, faults)

    def read_coded(self, columns: Mapping[int, Coded], rows: int) -> ColumnarClaims | None:
        """Read a batch whose cells are not one by one; None if that has to be done.

        That is so if a row is no claim, as its refusal shows the row; or if its number is read.

        Args:
            columns: cells by the numbers of their columns; at least those of `used`.
            rows: how many there are.
        """
        for known in self._known.values():
            known.forget()
        made: dict[str, Coded] = {}
        later: dict[str, Callable[[], Coded]] = {}
        for name, field in self._fields.items():
            if field.said.row is not None:
                return None
            keys = self._coded_keys(name, columns)
            if keys is None:
                if field.required:
                    return None
                made[name] = always(None, rows)
            elif is_any_text(field, keys.values):
                later[name] = partial(self._coded, name, keys)
            else:
                made[name] = self._coded(name, keys)
                refused = self._refused(name, keys.values, made[name].values)
                if next(refused, None) is not None:
                    return None
        return ColumnarClaims(later, rows, made)

    def _coded(self, name: str, keys: Coded) -> Coded:
        return Coded(self._looked_up(name, keys.values), keys.at)

    def _coded_keys(self, name: str, columns: Mapping[int, Coded]) -> Coded | None:
        """What the field of each row is read from; None if there is no column for it."""
        found = [columns[at] for _, at in self._of_field[name]]
        if len(found) > 1:
            return coded(list(zip(*(column.tolist() for column in found), strict=True)))
        return found[0] if found else None

    def _claims(
        self,
        cells: Sequence[Sequence[Any]],
        numbers: Sequence[int],
        made: Mapping[str, list[Any]],
    ) -> ColumnarClaims:
        def maker(name: str) -> Callable[[], list[Any]]:
            return lambda: self._column(name, cells, numbers)

        return ColumnarClaims({name: maker(name) for name in self._fields}, len(numbers), made)

    def _column(
        self, name: str, cells: Sequence[Sequence[Any]], numbers: Sequence[int]
    ) -> list[Any]:
        keys = self._keys(name, cells)
        found = [None] * len(numbers) if keys is None else self._looked_up(name, keys)
        form = self._fields[name].said.row
        if form is None:
            return found
        return [form.format(n) if v is None else v for v, n in zip(found, numbers, strict=True)]

    def _looked_up(self, name: str, keys: Sequence[CellKey]) -> list[Any]:
        known, plain = self._known[name], self._plain[name]
        if plain is not None and (name in self._varied or len(set(keys).difference(known)) > MANY):
            found = plain(keys)
            if found is not None:
                self._varied.add(name)
                return found
        return list(map(known.__getitem__, keys))

    def _keys(self, name: str, cells: Sequence[Sequence[Any]]) -> Sequence[CellKey] | None:
        """What the field of each row is read from; None if there is no column for it."""
        columns = [cells[at] for _, at in self._of_field[name]] if cells else []
        if len(columns) > 1:
            return list(zip(*columns, strict=True))
        return columns[0] if columns else None

    def _bad_rows(
        self,
        cells: Sequence[Sequence[Any]],
        numbers: Sequence[int],
        made: dict[str, list[Any]],
    ) -> set[int]:
        """Rows that are none; columns that are read to find them are put into `made`."""
        bad: set[int] = set()
        for name, field in self._fields.items():
            keys = self._keys(name, cells)
            if keys is None:
                if field.required and field.said.row is None:
                    return set(range(len(numbers)))
            elif not is_any_text(field, keys):
                found = self._looked_up(name, keys)
                bad.update(self._refused(name, keys, found))
                if field.said.row is None:
                    made[name] = found
            if field.said.row is not None:
                bad.update(self._misnumbered(name, numbers))
        return bad

    def _misnumbered(self, name: str, numbers: Sequence[int]) -> Iterator[int]:
        """Rows whose number makes a text that is refused."""
        nothing = [None] * len(self._slots.paths)
        for row, number in enumerate(numbers):
            try:
                self._slots.value(name, nothing, number)
            except RefusedError:
                yield row

    def _refused(self, name: str, keys: Sequence[CellKey], found: Sequence[Any]) -> Iterator[int]:
        """Rows whose value of a field is refused, or missing though required."""
        field, known = self._fields[name], self._known[name]
        if known.refused and not known.refused.isdisjoint(keys):
            yield from (row for row, value in enumerate(found) if value is _REFUSED)
        if field.required and field.said.row is None and None in found:
            yield from (row for row, value in enumerate(found) if value is None)

    def _fault(self, cells: Sequence[Any], number: int) -> CellFault:
        try:
            self.rows.claim(cells, number)
        except RefusedError as refused:
            return self.rows.fault(refused, cells)
        raise AssertionError("rows and columns read alike")

    def _present(self, name: str) -> list[tuple[int, int]]:
        """Slots that a field is read from and their columns, as far as there are any."""
        slots = self._slots.places_for(name)
        return [(slot, at) for slot in slots if (at := self._columns[slot]) is not None]

    def _key_reader(self, name: str) -> Callable[[CellKey], Any]:
        slots = [slot for slot, _ in self._of_field[name]]
        only, size = len(slots) == 1, len(self._slots.paths)

        def read(key: CellKey) -> Any:
            found: list[Any] = [None] * size
            for slot, cell in zip(slots, (key,) if only else key, strict=True):
                found[slot] = present(cell)
            return self._slots.value(name, found)

        return read
