"""Rows of tables: claims from cells, by the names of their columns."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from schemas.claim import WITHHELD
from schemas.contract.model import Contract, MemberPath
from schemas.contract.places import json_path
from schemas.decoding.refusal import RefusedError
from schemas.decoding.slots import Slots
from schemas.decoding.structs import claim_type
from schemas.printable import listed, printable
from schemas.reading.declared import Reading
from schemas.reading.value import as_text, value_reader
from schemas.reading.words import alike


class ColumnError(ValueError):
    """A table does not have the columns it needs; the message says which."""


class CellFault(NamedTuple):
    """Why a row is not a claim: the column, its value if it may be shown, and the broken rule."""

    column: str
    value: str
    rule: str

    def __str__(self) -> str:
        where = f"column {listed([self.column])}" + (f", {self.value}" if self.value else "")
        return printable(f"{where}: {self.rule}" if self.column else self.rule)


class LabelReader:
    """Reads what was found about a claim: true, false, or None where it is not known; and when."""

    def __init__(self, contract: Contract) -> None:
        self._known: dict[str, bool] = {}
        form = Reading(date=contract.label.date if contract.label else ())
        self._day = value_reader("date", form, contract.missing)
        if contract.label is not None:
            self._known |= dict.fromkeys(map(alike, contract.label.honest), False)
            self._known |= dict.fromkeys(map(alike, contract.label.fraud), True)

    def read(self, written: Any) -> bool | None:
        """The label that a text, a flag or a number stands for."""
        return None if written is None else self._known.get(alike(_text(written)))

    def decided(self, written: Any) -> dt.date | None:
        """The day on which that was found; None where it is not known.

        Raises:
            ReadingError: it is not a day in the form that the contract says.
        """
        found = self._day(written)
        assert found is None or isinstance(found, dt.date)
        return found


class ColumnMapping(NamedTuple):
    """Which columns of a table are read."""

    slots: tuple[int | None, ...]
    """Column of each slot; None if there is none."""
    label: int | None
    decided: int | None
    unused: tuple[str, ...]
    """Columns that no field is read from."""
    absent: tuple[str, ...]
    """Fields that have no column."""

    @property
    def fields(self) -> frozenset[int]:
        """Numbers of the columns that fields are read from."""
        return frozenset(n for n in self.slots if n is not None)

    @property
    def used(self) -> frozenset[int]:
        """Those, and the columns of the label and of the day on which it became known."""
        return self.fields | {n for n in (self.label, self.decided) if n is not None}


class RowReader:
    """Makes claims from the rows of one table.

    Attributes:
        columns: which of its columns are read.
        slots: makes claims from their cells.
    """

    def __init__(self, contract: Contract, header: Sequence[str]) -> None:
        """Find the columns; names match by letters and digits if they do not match exactly.

        Raises:
            ColumnError: a required field has no column, or two columns have a name that is read.
        """
        self._contract = contract
        self.slots = Slots(contract, claim_type(contract), as_text=True)
        self._header = tuple(header)
        self._labels = LabelReader(contract)
        self.columns = self._find()
        self._by_path = dict(zip(self.slots.paths, self.columns.slots, strict=True))

    def claim(self, cells: Sequence[Any], number: int) -> Any:
        """The claim of a row.

        Args:
            cells: as many as the table has columns; "" and None are missing.
            number: of the row, from 1.

        Raises:
            RefusedError: it is not a claim; see `fault`.
        """
        found = [None if n is None else present(cells[n]) for n in self.columns.slots]
        return self.slots.claim(found, number)

    def label(self, cells: Sequence[Any]) -> bool | None:
        """What was found about the claim of a row; None if that is not known."""
        at = self.columns.label
        return None if at is None else self._labels.read(cells[at])

    def decided(self, cells: Sequence[Any]) -> dt.date | None:
        """When that was found; see `LabelReader.decided`."""
        at = self.columns.decided
        return None if at is None else self._labels.decided(cells[at])

    def fault(self, refused: RefusedError, cells: Sequence[Any]) -> CellFault:
        """Where in the row the fault is."""
        for path, at in self._by_path.items():
            if json_path(path) == refused.path:
                if at is None:
                    return CellFault("", "", f"no column {json_path(path)[2:]}: {refused}")
                shown = "" if self._is_hidden(path) else repr(cells[at])[:80]
                return CellFault(self._header[at], shown, str(refused))
        return CellFault("", "", str(refused))

    def _is_hidden(self, path: MemberPath) -> bool:
        fields = self._contract.fields.values()
        return any(path in field.places and field.role in WITHHELD for field in fields)

    def _find(self) -> ColumnMapping:
        names = ColumnNames(self._header)
        slots = tuple(names.find(path) for path in self.slots.paths)
        by_path = dict(zip(self.slots.paths, slots, strict=True))
        absent = []
        for field in self._contract.fields.values():
            week = field.reading.week_date if field.reading else None
            if week or field.said.row or any(by_path[path] is not None for path in field.places):
                continue
            if field.required:
                wanted = " or ".join(json_path(path)[2:] for path in field.places)
                raise ColumnError(f"no column {wanted}, which {field.name} is read from")
            absent.append(field.name)
        label = names.find(self._contract.label_path) if self._contract.label_path else None
        path = self._contract.decided_path
        decided = names.find(path) if path else None
        used = {*slots, label, decided}
        unused = [name for n, name in enumerate(self._header) if n not in used]
        return ColumnMapping(slots, label, decided, tuple(unused), tuple(absent))


class ColumnNames:
    """Columns by their names."""

    def __init__(self, header: Sequence[str]) -> None:
        self._header = header
        self._alike: dict[str, list[int]] = {}
        for number, name in enumerate(header):
            self._alike.setdefault(_letters(name), []).append(number)

    def find(self, path: MemberPath) -> int | None:
        """The column of a place: of the same name, or the same in letters and digits.

        Raises:
            ColumnError: there are several.
        """
        exact = [n for n, name in enumerate(self._header) if name in _spellings(path)]
        found = exact or self._alike.get(_letters("".join(path)), [])
        if len(found) > 1:
            names = listed([self._header[n] for n in found])
            raise ColumnError(f"several columns could be {json_path(path)[2:]}: {names}")
        return found[0] if found else None


def _spellings(path: MemberPath) -> tuple[str, ...]:
    return (".".join(path), "/" + "/".join(path)) if len(path) > 1 else path


def _letters(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum())


def present(cell: Any) -> Any:
    """A cell, or None if it is blank."""
    return None if isinstance(cell, str) and not cell.strip() else cell


def _text(written: Any) -> str:
    if isinstance(written, bool):
        return "true" if written else "false"
    return as_text(written) if isinstance(written, int | float) else str(written)


def at(tree: Any, path: MemberPath) -> Any:
    """What a JSON tree holds in a place; None if nothing."""
    for name in path:
        if not isinstance(tree, Mapping):
            return None
        tree = tree.get(name)
    return tree
