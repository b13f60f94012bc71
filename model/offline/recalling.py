"""What each claim of a file saw of the others in it, and of earlier ones, before it is scored.

A file need not be in the order of time, so all of it is read before its first claim is scored.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from model.datasets.dataset import Dataset
from model.features.facts import UNDATED
from model.history.features import MISSING, ClaimHistory
from model.history.learning import DatasetPast, KnownFacts
from model.history.plan import Bounds
from schemas.contract.model import Contract
from schemas.decoding.rows import CellFault
from schemas.tables.claims import ReadRow, open_claims

ROWS: Final = 4_096
"""Read at a time."""


class FileHistories(NamedTuple):
    """The histories of the claims of one file."""

    name: str
    past: DatasetPast
    places: Sequence[int]
    """In the past, of its claims that are dated."""
    by_line: dict[int, ClaimHistory]
    """By the line on which the claim begins; of Parquet, the number of its row."""
    faults: dict[int, CellFault]
    """Lines that are no claim, or whose outcome cannot be read."""

    def of(self, lines: Iterable[int]) -> list[ClaimHistory]:
        """The histories of some claims.

        Raises:
            ValueError: one is not known, as its outcome cannot be read.
        """
        return [self.by_line[line] if line in self.by_line else self._fail(line) for line in lines]

    def _fail(self, line: int) -> ClaimHistory:
        raise ValueError(
            f"{self.name}, line {line}: {self.faults.get(line, 'changed while it was read')}: what "
            "was found about the claim is part of the history of others; correct it or leave it out"
        )


def of_file(
    path: Path, contract: Contract, earlier: Sequence[Dataset], bounds: Bounds
) -> FileHistories:
    """The histories of all claims of a file; labels that it has are part of them.

    Args:
        path: of the file, which is read twice.
        contract: of its claims.
        earlier: claims that are only part of the history.
        bounds: how much of it is looked at.

    Raises:
        ValueError: the contract names no entity, or not when claims are reported; or the file is
            none that can be read twice.
        TableError: it cannot be read, or lacks a column.
    """
    if path.exists() and not path.is_file():
        raise ValueError(f"{path}: not a regular file, and with history it is read twice")
    facts = KnownFacts(contract)
    dated: list[int] = []
    undated: list[int] = []
    faults: dict[int, CellFault] = {}
    with open_claims(path, contract) as file:
        while rows := list(islice(file.rows, ROWS)):
            faults |= {row.line: row.fault for row in rows if row.fault is not None}
            _add(facts, [row for row in rows if row.fault is None], dated, undated)
    for one in earlier:
        facts.take(one)
    past = facts.past(np.arange(len(dated)), bounds)
    nothing = ClaimHistory((MISSING,) * len(past.plan.kinds))
    found = dict(zip(dated, past.histories, strict=False))  # those of earlier claims come after
    found |= dict.fromkeys(undated, nothing)
    return FileHistories(path.name, past, range(len(dated)), found, faults)


def _add(facts: KnownFacts, rows: Sequence[ReadRow], dated: list[int], undated: list[int]) -> None:
    decided = [UNDATED if row.decided is None else row.decided.toordinal() for row in rows]
    labels = [row.label for row in rows]
    seen = {*facts.add([row.claim for row in rows], labels, decided).tolist()}
    for place, row in enumerate(rows):
        (dated if place in seen else undated).append(row.line)
