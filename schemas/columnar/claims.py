"""The claims of a batch as columns."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, overload

from schemas.columnar.coded import Coded

ClaimColumn = list[Any] | Coded
"""Values of a field, None where it is missing."""


class ColumnarClaims(Sequence[Any]):
    """The claims of a batch as columns; its items have the attributes of a claim."""

    def __init__(
        self,
        columns: Mapping[str, Callable[[], ClaimColumn]],
        length: int,
        made: Mapping[str, ClaimColumn],
    ) -> None:
        """State how columns are made, how long they are, and those that are made already."""
        self._columns = columns
        self._made = dict(made)
        self._length = length

    def __len__(self) -> int:
        return self._length

    def column(self, name: str) -> ClaimColumn:
        """Values of a field.

        Raises:
            KeyError: the contract has no field of that name.
        """
        if name not in self._made:
            self._made[name] = self._columns[name]()
        return self._made[name]

    def values(self, name: str) -> list[Any]:
        """Values of a field, one for each claim; None is missing.

        Raises:
            KeyError: the contract has no field of that name.
        """
        found = self.column(name)
        return found.tolist() if isinstance(found, Coded) else found

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        rows = range(self._length)[index]
        if isinstance(rows, range):
            return [_ClaimRow(self, row) for row in rows]
        return _ClaimRow(self, rows)


class _ClaimRow:
    """One claim of a batch; a field is read when it is asked for."""

    def __init__(self, columns: ColumnarClaims, row: int) -> None:
        self.__claims = columns  # mangled, as fields may have any name
        self.__row = row

    def __getattr__(self, name: str) -> Any:
        try:
            found = self.__claims.column(name)
        except KeyError:
            raise AttributeError(name) from None
        return found.item(self.__row) if isinstance(found, Coded) else found[self.__row]
