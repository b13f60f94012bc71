"""Scores by groups of the protected fields, which the model itself never sees.

The same figures as fairlearn's MetricFrame, which the tests compare with.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from model.arrays import Flags, Labels, Scores
from model.datasets.dataset import Dataset
from model.thresholds import top_share
from schemas.claim import Role
from schemas.contract.model import Field
from schemas.expressions.spelling import clean

AGE_STARTS: Final = (0, 25, 35, 50, 65)
TOP: Final = 0.10
"""A second cut besides the threshold: most thresholds refer too few claims to compare groups."""
UNKNOWN: Final = "unknown"
SMALL: Final = 30
"""With fewer frauds than this, a group's figures are mostly chance."""


class ProtectedGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Claims that share one value of a protected field."""

    field: str
    group: str
    n: int
    frauds: int
    mean_score: float
    referral_rate: float
    recall: float | None
    false_positive_rate: float | None
    precision: float | None
    top_rate: float
    """Share of the group among the highest-scoring `TOP` of all claims."""
    top_recall: float | None
    top_false_positive_rate: float | None

    @property
    def small(self) -> bool:
        """True if there are too few frauds for reliable figures."""
        return self.frauds < SMALL


def groups(dataset: Dataset, p: Scores, threshold: float) -> tuple[ProtectedGroup, ...]:
    """One row for each value of each protected field; fields that are always missing have none."""
    rows: list[ProtectedGroup] = []
    for field in dataset.contract.with_role(Role.PROTECTED):
        known = dataset.contract.fields[field]
        names = np.array([group_of(known, getattr(claim, field)) for claim in dataset.claims])
        found = sorted(set(names.tolist()))
        if found != [UNKNOWN]:
            rows += (
                _group(field, name, names == name, dataset.labels, p, threshold) for name in found
            )
    return tuple(rows)


def group_of(field: Field, value: Any) -> str:
    """Name of the group: the cleaned category, the decade of a day, or the band of an age."""
    if value is None:
        return UNKNOWN
    if field.kind == "text":
        return clean(value) or UNKNOWN
    if field.kind == "flag":
        return "yes" if value else "no"
    if field.kind == "date":
        return f"{value.year // 10}0s"
    start = int(np.searchsorted(AGE_STARTS, value, side="right")) - 1
    last = start == len(AGE_STARTS) - 1
    return f"{AGE_STARTS[start]}+" if last else f"{AGE_STARTS[start]}-{AGE_STARTS[start + 1] - 1}"


def _group(
    field: str, name: str, inside: Flags, y: Labels, p: Scores, threshold: float
) -> ProtectedGroup:
    fraud, referred = y[inside] == 1, p[inside] >= threshold
    top = p[inside] >= top_share(p, TOP)
    return ProtectedGroup(
        field=field,
        group=name,
        n=int(inside.sum()),
        frauds=int(fraud.sum()),
        mean_score=float(p[inside].mean()),
        referral_rate=float(referred.mean()),
        recall=_share(referred, fraud),
        false_positive_rate=_share(referred, ~fraud),
        precision=_share(fraud, referred),
        top_rate=float(top.mean()),
        top_recall=_share(top, fraud),
        top_false_positive_rate=_share(top, ~fraud),
    )


def _share(of: Flags, among: Flags) -> float | None:
    return float(of[among].mean()) if among.any() else None


def gap(
    rows: Sequence[ProtectedGroup], figure: Callable[[ProtectedGroup], float | None]
) -> Mapping[str, float]:
    """Largest difference in a figure between groups of a field, by field; ignores small ones."""
    values: dict[str, list[float]] = {}
    for row in rows:
        value = figure(row)
        if value is not None and not row.small and row.group != UNKNOWN:
            values.setdefault(row.field, []).append(value)
    return {field: max(v) - min(v) for field, v in values.items() if len(v) > 1}
