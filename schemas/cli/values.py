"""What the values of a field or a derived fact are like, in a line."""

from collections import Counter
from typing import Any, Final

from schemas.contract.phrases import shown
from schemas.expressions.nodes import Kind
from schemas.printable import printable

MOST_DIFFERENT: Final = 1_000
MOST_SHOWN: Final = 12
_FREQUENT: Final = 3


class ValuesSeen:
    """The values of one field or derived fact; memory is bounded."""

    def __init__(self, kind: Kind, *, withheld: bool) -> None:
        """State their kind, and whether only their number may be shown."""
        self.kind = kind
        self.present = 0
        self._withheld = withheld
        self._least: Any = None
        self._most: Any = None
        self._different: Counter[Any] = Counter()

    def add(self, value: Any) -> None:
        """Count one value; None is missing."""
        if value is None:
            return
        self.present += 1
        if self._least is None or value < self._least:
            self._least = value
        if self._most is None or value > self._most:
            self._most = value
        if value in self._different or len(self._different) < MOST_DIFFERENT:
            self._different[value] += 1

    def line(self, *, frequent: bool = False) -> str:
        """What they are like.

        Args:
            frequent: of many different texts, show the most frequent ones.
        """
        if not self.present:
            return "no value"
        number = len(self._different)
        several = f"{number:,}{' or more' if number == MOST_DIFFERENT else ''} different"
        if self._withheld:
            return several
        if self.kind == "number":
            return f"{shown(float(self._least))} to {shown(float(self._most))}, {several}"
        if self.kind == "date":
            return f"{self._least} to {self._most}, {several}"
        if self.kind == "flag" or number <= MOST_SHOWN:
            return self._counted(number)
        return f"{several}, mostly {self._counted(_FREQUENT)}" if frequent else several

    def _counted(self, most: int) -> str:
        return ", ".join(
            f"{printable(str(value))} {n:,}" for value, n in self._different.most_common(most)
        )
