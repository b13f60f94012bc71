"""What a fact is compared with: how often claims had it in training, and how often as frauds."""

import math
from typing import Final, NamedTuple

from model.artifact.comparisons import FEWEST, FEWEST_FRAUDS, Comparisons, Spread, Tally, both, key
from schemas.contract.model import Contract
from schemas.contract.phrases import shown

LEAST_LIFT: Final = 1.2
"""A fact is weak if the claims that had it were fraud less than this many times as often as all."""
LEAST_RANK: Final = 2 / 3
"""A number is weak if it is not farther out than this share of the claims."""
_DIGITS: Final = 4


class Standing(NamedTuple):
    """A fact among the training claims."""

    text: str = ""
    """In brackets after the fact; empty if nothing is known."""
    share: float = 0.5
    """Of claims, above 0 up to 1, that had such a fact or one farther out."""
    weak: bool = False
    """True if claims with the fact were hardly more often frauds than all, or it is common."""
    side: str = ""
    """Where a number lies: high, low or typical."""


NOTHING: Final = Standing()


class Comparer:
    """Compares facts with those of the training claims."""

    def __init__(self, known: Comparisons | None, contract: Contract) -> None:
        self._known = known
        self._contract = contract
        features = {} if known is None else known.features
        spreads = {name: one.spread for name, one in features.items() if one.spread is not None}
        self._medians = {name: spread.median for name, spread in spreads.items()}
        self._halves = {name: self._said(name, median) for name, median in self._medians.items()}
        self._ranks: dict[tuple[str, str, int], str] = {}
        """Texts by feature, side and share in thousandths, each made once."""

    def compare(self, feature: str, code: float) -> Standing:
        """Compare a claim's fact.

        Args:
            feature: its name.
            code: as encoded for trees.
        """
        if self._known is None or feature not in self._known.features:
            return NOTHING
        found = self._known.features[feature]
        side = _side(self._medians.get(feature), code)
        tally = found.tallies.get(key(code)) if found.tallies else None
        if tally is not None:
            return self._counted(self._known, tally)._replace(side=side)
        if found.spread is not None and found.tallies.keys() <= {"nan"} and side:
            return self._ranked(feature, found.spread, code, side)
        few = f"fewer than {FEWEST} such claims in training"
        return Standing(few, share=FEWEST / max(self._known.claims, FEWEST), side=side)

    def together(self, first: str, one: float, second: str, other: float) -> Standing | None:
        """Compare two facts of a claim as one; None if claims that had both were not counted.

        Args:
            first: name of a feature.
            one: its code.
            second: name of another.
            other: its code.
        """
        if self._known is None:
            return None
        found = self._known.joint.get(both(first, second), {}).get(both(key(one), key(other)))
        if found is None:
            turned = self._known.joint.get(both(second, first), {})
            found = turned.get(both(key(other), key(one)))
        return None if found is None else self._counted(self._known, found)

    def _counted(self, known: Comparisons, tally: Tally) -> Standing:
        least = FEWEST_FRAUDS - 1 if tally.frauds is None else tally.frauds
        base = known.frauds / known.claims
        of = f"{tally.claims:,} such claims were fraud"
        frauds, rate = f"fewer than {FEWEST_FRAUDS}", ""
        if tally.frauds is not None:
            frauds, rate = f"{tally.frauds:,}", f", {_percent(tally.frauds / tally.claims)}"
        return Standing(
            text=f"{frauds} of {of}{rate}; {_percent(base)} of all",
            share=tally.claims / known.claims,
            weak=least / tally.claims < LEAST_LIFT * base,
        )

    def _ranked(self, feature: str, spread: Spread, code: float, side: str) -> Standing:
        if side == "typical":
            text = f"half of all claims have at most {self._halves[feature]}"
            return Standing(text, share=1.0, weak=True, side=side)
        share = spread.above(code) if side == "high" else spread.under(code)
        rank = (feature, side, _rank(share))
        text = self._ranks.get(rank) or self._put(*rank)
        return Standing(text, 1 - share, share < LEAST_RANK, side)

    def _put(self, feature: str, side: str, thousandths: int) -> str:
        most, more = ("most", "more") if side == "high" else ("least", "less")
        half, share = self._halves[feature], _percent(thousandths / 1000)
        text = f"{more} than {share} of all claims; half have at {most} {half}"
        self._ranks[feature, side, thousandths] = text
        return text

    def _said(self, feature: str, value: float) -> str:
        """A number of the training claims, with its unit."""
        words = self._contract.band(feature, value)
        unit = self._contract.unit(feature)
        if words is not None or unit in (None, "currency"):
            return words or shown(_rounded(value))
        rounded = _rounded(value)
        return f"{shown(rounded)} {unit.removesuffix('s') if rounded == 1 else unit}"


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _side(median: float | None, code: float) -> str:
    if median is None or math.isnan(code):
        return ""
    return "typical" if code == median else "high" if code > median else "low"


def _rank(share: float) -> int:
    """In thousandths, rounded down, so that no claim stands out more than it does: to whole
    percents up to 99 %.
    """
    found = math.floor(1000 * share + 1e-9)
    return found if found >= 990 else found // 10 * 10


def _percent(share: float) -> str:
    """One decimal where that matters: below 10 % and above 99 %."""
    digits = 1 if share < 0.0995 or share > 0.99 else 0
    text = f"{100 * share:.{digits}f}"
    return (text.removesuffix(".0") if digits else text) + " %"
