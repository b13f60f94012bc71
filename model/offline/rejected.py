"""Rows that are no claims: listed up to a bound, counted by what is wrong, or written to a file."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

from model.offline.formulas import as_text
from schemas.tables.batches import Rejected

SHOWN: Final = 20
"""Rows that are named one by one."""
COUNTED: Final = 1_000
"""Different faults that are counted apart."""
SUMMARISED: Final = 12
HEAD: Final = ("line", "column", "value", "rule")


class RejectedRows:
    """What was found wrong in a file; memory is bounded."""

    def __init__(self, name: str, file: BinaryIO | None = None) -> None:
        """Start without any.

        Args:
            name: of the file that is read.
            file: CSV of all of them is written to it.
        """
        self.total = 0
        self._name = name
        self._by_rule: Counter[str] = Counter()
        self._text = None if file is None else io.TextIOWrapper(file, "utf-8", newline="")
        self._rows = None if self._text is None else csv.writer(self._text, lineterminator="\n")
        if self._rows is not None:
            self._rows.writerow(HEAD)

    def add(self, rejected: Iterable[Rejected]) -> Iterator[str]:
        """Count them; lines for the terminal, while there are few."""
        for row in rejected:
            self.total += 1
            if self._rows is not None:
                # The value is as in Python: it begins with a quotation mark, or is a number.
                column, value, rule = row.fault
                self._rows.writerow((row.line, as_text(column), value, as_text(rule)))
            elif self.total <= SHOWN:
                yield f"rejected: {self._name}, line {row.line}: {row.fault}"
            rule = str(row.fault._replace(value=""))
            if rule in self._by_rule or len(self._by_rule) < COUNTED:
                self._by_rule[rule] += 1

    def close(self) -> None:
        """Write what is left; the file itself stays open."""
        if self._text is not None:
            self._text.detach()

    def summary(self) -> Iterator[str]:
        """Lines that say how many there are of what, if not all were named."""
        if self.total <= SHOWN and self._rows is None:
            return
        common = self._by_rule.most_common(SUMMARISED)
        for rule, count in common:
            yield f"rejected {count:,}: {rule}"
        counted = sum(count for _, count in common)
        if self.total > counted:
            yield f"rejected {self.total - counted:,} for other reasons"
