"""Live precision and recall of each model version, from alerts and outcomes. Pure."""

import datetime as dt
from collections import Counter, OrderedDict
from collections.abc import Mapping
from typing import Final, NamedTuple

from msgspec import Struct

from schemas.outcome import Finding, Occasion

OTHER_VERSIONS: Final = "(other)"
"""Name for the combined remaining versions: see `LiveQuality.summed`."""


KEPT: Final = 500_000
"""Claims that are remembered: 180 MB with the longest ids, 380 MB at 4 bytes a character."""


class Cell(NamedTuple):
    """One cell of a model version's confusion matrix."""

    model_version: str
    referred: bool
    fraud: bool


class _Known(Struct):
    """Everything known about one claim so far."""

    version: str | None = None
    referred: bool = False
    finding: Finding | None = None
    decided_at: dt.datetime | None = None
    saved: float = 0.0
    source: Occasion | None = None

    def cell(self) -> Cell | None:
        """Where it counts; an inconclusive claim counts neither as fraud nor as honest."""
        if self.version is None or self.finding not in {Finding.FRAUD, Finding.NOT_FRAUD}:
            return None
        return Cell(self.version, self.referred, self.finding is Finding.FRAUD)


class LiveQuality:
    """Joins alerts and outcomes by claim, whichever comes first.

    Only claims with an outcome count, and those are mostly claims that were referred: recall is
    measured among decided claims, not among all. At most `keep` claims are remembered; the oldest
    are forgotten first and no longer counted.
    """

    def __init__(self, keep: int = KEPT) -> None:
        self._keep = keep
        self.forgotten = 0
        """Number of claims that are no longer counted."""
        self._claims: OrderedDict[str, _Known] = OrderedDict()
        self.cells: Counter[Cell] = Counter()
        self.findings: Counter[tuple[Finding, Occasion | None]] = Counter()
        """Claims by their latest finding, with or without an alert."""
        self.saved = 0.0
        """Amount saved according to the latest outcome of each claim."""
        self._latest: OrderedDict[str, None] = OrderedDict()
        """Versions in the order of their last alerts."""

    def alert(self, claim_id: str, model_version: str, *, referred: bool) -> None:
        """A claim was scored; a later score replaces an earlier one."""
        known = self._claim(claim_id)
        self._count(known, -1)
        known.version, known.referred = model_version, referred
        self._count(known, +1)
        self._latest[model_version] = None
        self._latest.move_to_end(model_version)
        if len(self._latest) > self._keep:
            self._latest.popitem(last=False)

    def outcome(
        self,
        claim_id: str,
        finding: Finding,
        decided_at: dt.datetime | None,
        *,
        saved: float = 0.0,
        source: Occasion | None = None,
    ) -> None:
        """A claim was decided; the latest decision counts, in whatever order they arrive.

        Args:
            claim_id: the claim.
            finding: what was found.
            decided_at: when. Without a credible time (None), it overrides those that came before,
                and is overridden by any that comes after.
            saved: amount that was not paid because of it.
            source: why the claim was investigated, if that is stated.
        """
        known = self._claim(claim_id)
        earlier = known.decided_at
        if decided_at is not None and earlier is not None and decided_at < earlier:
            return
        self._count(known, -1)
        known.finding, known.decided_at = finding, decided_at
        known.saved, known.source = saved, source
        self._count(known, +1)

    def precision(self, model_version: str) -> float | None:
        """Frauds among the decided claims that were referred; None without any."""
        return precision(self.cells, model_version)

    def recall(self, model_version: str) -> float | None:
        """Referred claims among the decided frauds; None without any."""
        return recall(self.cells, model_version)

    def versions(self) -> list[str]:
        """Model versions with a decided claim."""
        return sorted({cell.model_version for cell, count in self.cells.items() if count})

    def summed(self, versions: int) -> Counter[Cell]:
        """The cells of this many versions, and those of all others combined as `OTHER_VERSIONS`.

        Of the versions with a decided claim, those with the latest alerts are kept separate.
        """
        decided = {cell.model_version for cell, count in self.cells.items() if count}
        latest = [version for version in reversed(self._latest) if version in decided]
        apart = set(latest[:versions]) - {OTHER_VERSIONS}
        found: Counter[Cell] = Counter()
        for cell, count in self.cells.items():
            name = cell.model_version if cell.model_version in apart else OTHER_VERSIONS
            if cell.model_version in decided:
                found[cell._replace(model_version=name)] += count
        return found

    def _claim(self, claim_id: str) -> _Known:
        known = self._claims.setdefault(claim_id, _Known())
        if len(self._claims) > self._keep:
            _, forgotten = self._claims.popitem(last=False)
            self._count(forgotten, -1)
            self.forgotten += 1
        return known

    def _count(self, known: _Known, step: int) -> None:
        if known.finding is not None:
            self.findings[known.finding, known.source] += step
            self.saved += step * known.saved
        cell = known.cell()
        if cell is not None:
            self.cells[cell] += step
            if not self.cells[cell]:
                del self.cells[cell]  # versions come and go for years


def precision(cells: Mapping[Cell, int], model_version: str) -> float | None:
    """Frauds among the decided claims that were referred; None without any."""
    hits = cells.get(Cell(model_version, True, True), 0)
    return _share(hits, hits + cells.get(Cell(model_version, True, False), 0))


def recall(cells: Mapping[Cell, int], model_version: str) -> float | None:
    """Referred claims among the decided frauds; None without any."""
    hits = cells.get(Cell(model_version, True, True), 0)
    return _share(hits, hits + cells.get(Cell(model_version, False, True), 0))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
