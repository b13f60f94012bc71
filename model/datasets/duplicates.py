"""Claims that occur more than once, by id or by content.

A model that has seen one copy of a claim knows the label of the others: with copies on both sides
of a split, random labels look predictable. So copies form a group, and every split, fold
and resample takes a group as a whole. Nothing is dropped.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import msgspec
import numpy as np

from model.arrays import Indices, Labels
from model.features.facts import column


class Duplicates(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of claims in a data set that repeat an earlier one."""

    claims: int = 0
    by_id: int = 0
    """Of these, those with the id of an earlier claim."""
    by_content: int = 0
    """Of these, those equal to an earlier claim in everything except the id."""
    contradictory: int = 0
    """Groups of copies in which some are labelled fraud and some are not."""

    def text(self) -> str:
        """One sentence for a person."""
        if not self.claims:
            return "no duplicates"
        found = (
            f"{self.claims:,} duplicates ({self.by_id:,} by id, {self.by_content:,} by "
            "content), kept on one side of every split"
        )
        if not self.contradictory:
            return found
        return f"{found}; labels contradict each other in {self.contradictory:,} groups of copies"


def groups_of(claims: Sequence[Any], identity: str) -> Indices:
    """The group of each claim, shape (n_claims,): from 0, in order of first appearance.

    `identity` is the name of the field that contains a claim's id.

    Claims with the same id or the same content are in one group; any other claim is alone. Content
    counts only if it is specific enough: see `_contents`.
    """
    roots = list(range(len(claims)))
    for keys in (column(claims, identity), _contents(claims, identity)):
        for row, earlier in enumerate(_earlier(keys)):
            a, b = _root(roots, earlier), _root(roots, row)
            roots[max(a, b)] = min(a, b)
    numbers: dict[int, int] = {}
    found = (numbers.setdefault(_root(roots, row), len(numbers)) for row in range(len(claims)))
    return np.fromiter(found, np.int64, len(claims))


def count_duplicates(
    claims: Sequence[Any], labels: Labels, groups: Indices, identity: str
) -> Duplicates:
    """Count what `groups_of` found."""
    size = int(groups.max(initial=-1)) + 1
    frauds = np.bincount(groups, labels, size)
    members = np.bincount(groups, minlength=size)
    return Duplicates(
        claims=len(claims) - size,
        by_id=_repeats(column(claims, identity)),
        by_content=_repeats(_contents(claims, identity)),
        contradictory=int(((frauds > 0) & (frauds < members)).sum()),
    )


def group_labels(labels: Labels, groups: Indices) -> Labels:
    """The label of each group, shape (n_groups,): fraud if one of its claims is."""
    found = np.zeros(int(groups.max(initial=-1)) + 1, dtype=np.int8)
    np.maximum.at(found, groups, labels)
    return found


def rows_of(wanted: Indices, groups: Indices) -> Indices:
    """Sorted rows of the claims in these groups."""
    return np.flatnonzero(np.isin(groups, wanted))


def _root(roots: list[int], row: int) -> int:
    while roots[row] != row:
        roots[row] = roots[roots[row]]
        row = roots[row]
    return row


def _earlier(keys: Iterable[Hashable | None]) -> Iterable[int]:
    """For each row, the first row with the same key; rows without a key stand alone."""
    first: dict[Hashable, int] = {}
    return (
        row if key is None else first.setdefault(key, row)  # None: too common to compare
        for row, key in enumerate(keys)
    )


def _repeats(keys: Iterable[Hashable | None]) -> int:
    return sum(earlier != row for row, earlier in enumerate(_earlier(keys)))


def _contents(claims: Sequence[Any], identity: str) -> list[Hashable | None]:
    """Everything but the id of each claim; None if other claims may well be equal by chance.

    Claims about which little is known are often equal without being copies. Among ``n`` claims,
    about ``n * n * p`` pairs share facts of probability ``p`` by chance, so content counts if
    ``p`` is below ``1 / (n * n)``: the product of the shares that its values have among the
    distinct contents, as if they were independent.
    """
    if not claims:
        return []
    names = [name for name in claims[0].__struct_fields__ if name != identity]
    contents = [_values(claim, names) for claim in claims]
    different = set(contents)
    if len(different) == len(contents):
        return list(contents)
    rare = -2 * np.log(len(claims))
    surprise = dict(zip(different, _log_shares(list(different)), strict=True))
    return [content if surprise[content] < rare else None for content in contents]


def _values(claim: Any, names: Sequence[str]) -> tuple[Hashable, ...]:
    return tuple([getattr(claim, name) for name in names])


def _log_shares(contents: Sequence[tuple[Hashable, ...]]) -> list[float]:
    total = np.zeros(len(contents))
    for values in zip(*contents, strict=True):
        counts = Counter(values)
        total += [0.0 if v is None else np.log(counts[v] / len(contents)) for v in values]
    found: list[float] = total.tolist()
    return found
