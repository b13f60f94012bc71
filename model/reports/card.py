"""The model card: what a model is, what it was trained on, how good it is, what it is not for.

After Mitchell et al., "Model cards for model reporting", FAT* 2019.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from model.artifact.manifest import Manifest, SplitPlan, TrainingData
from model.artifact.reference import TOO_LITTLE_KNOWN
from model.evaluation.details import Details
from model.evaluation.fairness import ProtectedGroup, gap
from model.evaluation.importance import Importance
from model.leaks.check import LeakCheck
from model.reports import table
from model.reports.table import TextTable, number, plain
from model.reports.tables import SHUFFLED, importances, memory, memory_lines, reach
from model.thresholds import Levels
from schemas.claim import Role
from schemas.contract.model import Contract

INTENDED: Final = (
    "Ranking claims of the contract below by how likely they are to be fraudulent, so that "
    "people examine the most likely ones first.",
    "A referral is a reason to investigate, not a finding: a person decides on every claim.",
)
NOT_INTENDED: Final = (
    "Denying, delaying or reducing a claim without a person's decision.",
    "Lines of business, countries or periods other than those it was trained on, until it has "
    "been evaluated on them.",
    "Judging people: the score is about a claim.",
)
LIMITS: Final = (
    "The labels are the frauds that were found. Fraud that nobody looked for counts as honest, "
    "and the model learns to look for what was looked for before.",
    "Fraud changes in response to detection; compare drift and live precision with the figures "
    "here, and retrain when they diverge.",
    "The figures of a group with few frauds are uncertain; the intervals cover chance only, not "
    "changes in the claims.",
)


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A model card."""

    name: str
    version: str
    algorithm: str
    created_at: dt.datetime
    sha256: str
    approver: str | None
    contract: str
    """Its name, its version and its line of business."""
    intended_use: tuple[str, ...]
    not_intended_for: tuple[str, ...]
    trained_on: TrainingData
    split: SplitPlan
    features: tuple[str, ...]
    derived: tuple[str, ...]
    """Features that are computed from fields."""
    unused: tuple[str, ...]
    """Columns of the training data that the contract does not have."""
    excluded: dict[str, tuple[str, ...]]
    """Fields of the claim that the model does not see, by role."""
    left_out: dict[str, str]
    """Features of the contract that the model does not use, and why."""
    doubts: tuple[str, ...]
    """Why the figures say too little to put the model into service."""
    threshold_policy: str
    levels: Levels
    evaluation: Details
    limits: tuple[str, ...]


def card(
    manifest: Manifest, contract: Contract, evaluation: Details, approver: str | None = None
) -> Card:
    """The card of a model; `approver` is the person who put it into service, if anyone has."""
    about = contract.about
    return Card(
        name=manifest.name,
        version=manifest.version,
        algorithm=manifest.algorithm,
        created_at=manifest.created_at,
        sha256=manifest.sha256,
        approver=approver,
        contract=f"{about.name} {about.version}, {about.line_of_business}",
        intended_use=INTENDED,
        not_intended_for=NOT_INTENDED,
        trained_on=manifest.trained_on,
        split=manifest.split,
        features=manifest.features,
        derived=tuple(name for name in manifest.features if name in contract.derived),
        unused=manifest.trained_on.unused,
        excluded=_excluded(contract, (*manifest.features, *manifest.left_out)),
        left_out=manifest.left_out,
        doubts=manifest.doubts,
        threshold_policy=str(manifest.policy),
        levels=manifest.levels,
        evaluation=evaluation,
        limits=LIMITS,
    )


def _excluded(contract: Contract, features: Iterable[str]) -> dict[str, tuple[str, ...]]:
    seen = set(features)
    unseen = {r.value: tuple(n for n in contract.with_role(r) if n not in seen) for r in Role}
    return {role: names for role, names in unseen.items() if names}


def markdown(of: Card) -> str:
    """The card as a Markdown document."""
    return "\n".join(
        [
            f"# Model card: {plain(of.name)} {plain(of.version)}",
            "",
            f"{plain(of.algorithm)}, created {of.created_at:%Y-%m-%d %H:%M} UTC, "
            f"sha256 `{of.sha256}`.",
            "",
            f"Approved by: {plain(of.approver or '(nobody yet)')}",
            *(_listed("Doubts", map(plain, of.doubts)) if of.doubts else ()),
            *_listed("Intended use", of.intended_use),
            *_listed("Not intended for", of.not_intended_for),
            *_data(of),
            *_features(of),
            *_importance(of.evaluation.importance),
            *_leaks(of.evaluation.leaks),
            *_figures(of.evaluation, of.threshold_policy, of.levels),
            *_memory(of.evaluation),
            *_groups(of.evaluation.groups, of.features),
            *_listed("Limits", of.limits),
            "",
        ]
    )


def _listed(title: str, items: Iterable[str]) -> list[str]:
    return ["", f"## {title}", "", *(f"- {item}" for item in items)]


def _data(of: Card) -> list[str]:
    data, split = of.trained_on, of.split
    period = f"losses {data.first_loss} to {data.last_loss}" if data.first_loss else "no dates"
    cut = f" from {split.cutoff}" if split.cutoff else f", {split.test_size:.0%} held out"
    return _listed(
        "Data",
        [
            f"contract {plain(of.contract)}",
            f"{plain(data.name)} ({plain(data.format)}), sha256 `{data.sha256}`",
            f"{data.rows} claims read, {data.rejected} rejected, {data.unlabelled} unlabelled, "
            f"{data.duplicates.text()}",
            f"trained on {data.training_rows}: {period}, {data.fraud_rate:.2%} fraud",
            f"split: {split.kind}{cut}; seed {split.seed}",
        ],
    )


def _features(of: Card) -> list[str]:
    stated = [name for name in of.features if name not in of.derived]
    unseen = (f"not seen, {role}: {_names(names)}" for role, names in of.excluded.items())
    unused = (f"not used, {why}: {_names(names)}" for why, names in by_reason(of.left_out).items())
    return _listed(
        "Features",
        [
            f"fields: {_names(stated)}",
            f"derived: {_names(of.derived)}",
            *unused,
            *unseen,
            f"columns of the data that the contract does not have: {_names(of.unused)}",
        ],
    )


def by_reason(left_out: Mapping[str, str]) -> dict[str, list[str]]:
    """Names of the features that are not used, by the reason."""
    found: dict[str, list[str]] = {}
    for name, why in left_out.items():
        found.setdefault(why, []).append(name)
    return found


def _importance(found: Sequence[Importance]) -> list[str]:
    if not found:
        return []
    return [
        "",
        "## Importance of the features",
        "",
        *table.markdown(importances(found)),
        "",
        SHUFFLED,
    ]


def _names(names: Iterable[str]) -> str:
    return ", ".join(plain(name) for name in names) or "none"


def _leaks(checked: LeakCheck | None) -> list[str]:
    if checked is None:
        return _listed("Leak check", ["not made"])
    return _listed("Leak check", [leak_summary(checked), *map(plain, leak_lines(checked))])


def leak_summary(checked: LeakCheck) -> str:
    """Summary of what was checked, and in how many claims."""
    return (
        f"{checked.claims:,} training claims were checked: shuffled labels, each feature alone, "
        "identifiers, file order and calendar. A finding exceeds its baseline by more than "
        f"{checked.margin:.3f} in ROC AUC."
    )


def leak_lines(checked: LeakCheck) -> list[str]:
    """The findings, one sentence each."""
    if not checked.findings:
        return ["Nothing was found."]
    return [
        f"{finding.text}. {'Allowed by name.' if finding.fatal else 'The model does not see it.'}"
        for finding in checked.findings
    ]


def _figures(evaluation: Details, policy: str, at: Levels) -> list[str]:
    rows = []
    for name, value in msgspec.structs.asdict(evaluation.report).items():
        interval = evaluation.intervals.get(name)
        between = f"{interval.low:.4f} to {interval.high:.4f}" if interval else ""
        rows.append([name, number(value), between])
    return [
        "",
        "## Figures on held-out claims",
        "",
        *table.markdown(TextTable(["figure", "value", "95 % interval"], rows)),
        "",
        f"Expected calibration error {evaluation.calibration_error:.4f}. "
        f"Threshold {at.threshold:.4f} ({policy}), review from {at.review:.4f}, "
        f"band medium from {at.medium:.4f}, high from {at.high:.4f}.",
        *_unknown(evaluation.too_little_known),
    ]


def _memory(found: Details) -> list[str]:
    gain = found.memory
    if gain is None:
        return []
    return [
        *_listed("History", map(plain, memory_lines(gain))),
        "",
        *table.markdown(memory(found, gain)),
        "",
        *table.markdown(reach(gain)),
    ]


def _unknown(share: float | None) -> list[str]:
    if share is None:
        return []
    return [
        "",
        f"Of {share:.2%} of these claims too little is known to judge them (`{TOO_LITTLE_KNOWN}`): "
        "they are at least reviewed, whatever their score.",
    ]


def _groups(rows: tuple[ProtectedGroup, ...], features: Iterable[str]) -> list[str]:
    if not rows:
        return ["", "## Groups", "", "The claims contain no protected field to compare by."]
    seen = sorted({g.field for g in rows} & set(features))
    gaps = ", ".join(f"{f} {v:.3f}" for f, v in gap(rows, lambda g: g.top_recall).items())
    return [
        "",
        f"## Groups (protected fields used by the model: {_names(seen)})",
        "",
        *table.markdown(_group_table(rows)),
        "",
        "\\* too few frauds for reliable figures. "
        + (f"Largest difference in recall in the top 10 %: {gaps}." if gaps else ""),
    ]


def _group_table(rows: Iterable[ProtectedGroup]) -> TextTable:
    head = ["field", "group", "claims", "frauds", "mean score", "referred", "in top 10 %"]
    cells = [
        [
            g.field,
            g.group + (" *" if g.small else ""),
            *map(number, (g.n, g.frauds, g.mean_score, g.referral_rate, g.top_rate, g.top_recall)),
        ]
        for g in rows
    ]
    return TextTable([*head, "recall there"], cells, text=(0, 1))
