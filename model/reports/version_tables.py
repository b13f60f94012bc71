"""Tables of models: their figures side by side, the versions of a folder."""

from collections.abc import Sequence

import msgspec

from model.artifact.manifest import SplitPlan
from model.metrics import Report
from model.releases.versions import Version
from model.reports.table import TextTable, number


def comparison(reports: Sequence[tuple[str, Report]], title: str) -> TextTable:
    """Figures side by side, one column per model."""
    rows = [
        [field.name, *(number(getattr(report, field.name)) for _, report in reports)]
        for field in msgspec.structs.fields(Report)
    ]
    return TextTable(["", *(name for name, _ in reports)], rows, title)


def version_list(found: Sequence[Version]) -> TextTable:
    """One row per version, the one in service with a star; fits 80 columns with usual names."""
    head = ["", "version", "algorithm", "created", "AUC", "threshold"]
    return TextTable(head, [_version(version) for version in found], text=(0, 1, 2, 3))


def _version(version: Version) -> list[str]:
    manifest = version.manifest
    return [
        "*" if version.current else "",
        version.name,
        manifest.algorithm,
        f"{manifest.created_at:%Y-%m-%d}",
        number(manifest.metrics.roc_auc),
        f"{manifest.levels.threshold:.4f}",
    ]


def described(plan: SplitPlan) -> str:
    """The split in words."""
    if plan.kind == "none":
        return "every row"
    if plan.kind == "random":
        return f"{plan.test_size:.0%} held out at random, seed {plan.seed}"
    if plan.cutoff is not None:
        return f"losses from {plan.cutoff} held out"
    return f"latest {plan.test_size:.0%} held out"
