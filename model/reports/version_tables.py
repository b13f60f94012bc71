"""Figures as tables in the terminal."""

from collections.abc import Sequence

import msgspec
from rich.table import Table

from model.artifact.manifest import SplitPlan
from model.metrics import Report
from model.releases.versions import Version
from model.reports.card import number


def comparison(reports: Sequence[tuple[str, Report]], title: str) -> Table:
    """Figures side by side, one column per model."""
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for name, _ in reports:
        table.add_column(name, justify="right", overflow="fold")
    for field in msgspec.structs.fields(Report):
        table.add_row(field.name, *(number(getattr(report, field.name)) for _, report in reports))
    return table


def version_list(found: Sequence[Version]) -> Table:
    """One row per version; the one in service has a star."""
    table = Table("", "version", "algorithm", "created", "ROC AUC", "AP", "threshold", "trained on")
    for version in found:
        manifest = version.manifest
        table.add_row(
            "*" if version.current else "",
            version.folder.name,
            manifest.algorithm,
            f"{manifest.created_at:%Y-%m-%d %H:%M}",
            number(manifest.metrics.roc_auc),
            number(manifest.metrics.average_precision),
            f"{manifest.levels.threshold:.4f} ({manifest.policy})",
            f"{manifest.trained_on.training_rows:,} of {manifest.trained_on.name}",
        )
    return table


def described(plan: SplitPlan) -> str:
    """The split in words."""
    if plan.kind == "none":
        return "every row"
    if plan.kind == "random":
        return f"{plan.test_size:.0%} held out at random, seed {plan.seed}"
    if plan.cutoff is not None:
        return f"losses from {plan.cutoff} held out"
    return f"latest {plan.test_size:.0%} held out"
