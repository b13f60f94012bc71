"""Tables of the evaluation report."""

from collections.abc import Sequence
from typing import Final

import msgspec

from model.evaluation.bootstrap import Interval
from model.evaluation.caught import Caught
from model.evaluation.details import Details, Month
from model.evaluation.fairness import ProtectedGroup
from model.evaluation.importance import MOST_CLAIMS, Importance
from model.evaluation.memory import MemoryGain
from model.evaluation.segments import Segment
from model.evaluation.walk_forward import MonthlyStep
from model.metrics import Report
from model.reports.table import TextTable, number, percent
from model.thresholds import Cost, Policy

SHUFFLED: Final = (
    f"Loss of each figure when the feature is shuffled among at most {MOST_CLAIMS:,} of the "
    "held-out claims. Features that say the same share their importance, and a small or negative "
    "loss is chance."
)
NAMES: Final = {
    "n": "claims",
    "fraud_rate": "share of frauds",
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "brier": "Brier score",
    "recall_at_5pct": "recall in the top 5 %",
    "recall_at_10pct": "recall in the top 10 %",
    "accuracy": "accuracy at the threshold",
    "precision": "precision at the threshold",
    "recall": "recall at the threshold",
    "f1": "F1 at the threshold",
}
"""Human-readable names of the figures of a `Report`."""


def uncertain(share: float | None, interval: Interval | None) -> str:
    """A share with its interval."""
    if interval is None:
        return percent(share)
    return f"{percent(share)} ({100 * interval.low:.1f}-{100 * interval.high:.1f})"


def figures(found: Details) -> TextTable:
    """Every figure of the model with its interval."""
    rows = []
    for name, value in msgspec.structs.asdict(found.report).items():
        interval = found.intervals.get(name)
        ends = f"{interval.low:.4f} to {interval.high:.4f}" if interval else ""
        rows.append([NAMES.get(name, name), number(value), ends])
    rows.append(["calibration error", number(found.calibration_error), ""])
    if found.too_little_known is not None:
        rows.append(
            ["share of claims of which too little is known", number(found.too_little_known), ""]
        )
    return TextTable(["", "value", "95 % interval (bootstrap)"], rows)


def memory(found: Details, gain: MemoryGain) -> TextTable:
    """Figures with history and without, and what lies between."""
    rows = [
        [
            NAMES[name],
            _with_interval(getattr(found.report, name), found.intervals.get(name)),
            _with_interval(getattr(gain.without, name), gain.intervals.get(name)),
            f"{between.low:+.4f} to {between.high:+.4f}",
        ]
        for name, between in gain.gains.items()
    ]
    return TextTable(["", "with history", "without", "difference (95 %)"], rows)


def _with_interval(value: float | None, interval: Interval | None) -> str:
    between = f" ({interval.low:.4f} to {interval.high:.4f})" if interval else ""
    return f"{number(value)}{between}"


def reach(gain: MemoryGain) -> TextTable:
    """How far history reaches, by kind."""
    head = ["of the tested claims", "name one", "seen before", "outcome known", "fraud known"]
    rows = [
        [one.kind, *map(percent, (one.named, one.seen, one.decided, one.frauds, one.common))]
        for one in gain.kinds
    ]
    return TextTable([*head, "placeholder"], rows)


def memory_lines(gain: MemoryGain) -> list[str]:
    """What else is to be said of it."""
    how = "as the data says" if gain.plan.outcomes == "stated" else "by assumption"
    return [
        f"Each claim saw what was known on the days before its report, {how}; the figures are "
        "those of this replay.",
        f"Half of the claims tested on have more than {gain.days:.0f} days of history before them; "
        f"{gain.frauds:,} frauds became known while claims still came in.",
        *(f"Doubt: {doubt}." for doubt in gain.doubts),
        *(f"Note: {note}." for note in gain.notes),
    ]


def caught(found: Caught) -> TextTable:
    """What is referred, caught and missed, with the amounts that were claimed."""
    frauds, amounts = found.caught + found.missed, found.amounts
    rows = [
        ["referred", f"{found.referred:,}", f"{_share(found.referred, found.claims)} of claims"],
        ["frauds caught", f"{found.caught:,}", f"{_share(found.caught, frauds)} of frauds"],
        ["frauds missed", f"{found.missed:,}", f"{_share(found.missed, frauds)} of frauds"],
        [
            "false alarms",
            f"{found.false_alarms:,}",
            f"{_share(found.false_alarms, found.referred)} of referrals",
        ],
    ]
    if amounts is None:
        return TextTable(["", "claims", "share"], rows, text=(0, 2))
    paid = ["", f"{amounts.caught:,.0f}", f"{amounts.missed:,.0f}", ""]
    head = [
        "",
        "claims",
        "share",
        f"amount claimed{f', {amounts.currency}' if amounts.currency else ''}",
    ]
    return TextTable(
        head, [[*row, amount] for row, amount in zip(rows, paid, strict=True)], text=(0, 2)
    )


def _share(part: int, whole: int) -> str:
    return percent(part / whole if whole else None)


def cost(policy: Policy, found: Caught) -> str:
    """What the referrals cost, as far as it is known."""
    said = []
    if found.amounts is not None and found.amounts.unknown:
        said.append(f"{found.amounts.unknown:,} of the frauds have no amount.")
    if not isinstance(policy, Cost):
        said.append(
            f"The cost is {found.referred:,} investigations; what one costs is not stated "
            "(--costs states it)."
        )
        return " ".join(said)
    spent = found.referred * policy.investigation + found.missed * policy.missed_fraud
    nothing = (found.caught + found.missed) * policy.missed_fraud
    said.append(
        f"At {policy.investigation:,.6g} per investigation and {policy.missed_fraud:,.6g} per "
        f"missed fraud that costs {spent:,.0f}; referring nothing would cost {nothing:,.0f}."
    )
    return " ".join(said)


def comparison(reports: Sequence[tuple[str, Report]]) -> TextTable:
    """The same figures of several families."""
    names = [field.name for field in msgspec.structs.fields(Report)]
    rows = [
        [NAMES.get(name, name), *(number(getattr(report, name)) for _, report in reports)]
        for name in names
    ]
    return TextTable(["", *(name for name, _ in reports)], rows)


def importances(found: Sequence[Importance]) -> TextTable:
    """What the figures lose without each feature."""
    rows = [[f.feature, number(f.roc_auc), number(f.average_precision)] for f in found]
    return TextTable(["feature", "ROC AUC lost", "average precision lost"], rows)


def months(found: Sequence[Month]) -> TextTable:
    """Budgets of each month."""
    head = ["month", "claims", "frauds"]
    for budget in found[0].budgets:
        head += [f"{what}, top {budget.share:.0%}" for what in ("precision", "recall")]
    rows = [
        [
            m.month,
            str(m.n),
            str(m.frauds),
            *(percent(v) for b in m.budgets for v in (b.precision, b.recall)),
        ]
        for m in found
    ]
    return TextTable(head, rows)


def steps(found: Sequence[MonthlyStep]) -> TextTable:
    """A model retrained each month."""
    head = ["month", "known claims", "claims", "frauds", "ROC AUC", "AP", "recall, top 10%"]
    rows = [
        [
            s.month,
            str(s.trained_on),
            str(s.report.n),
            str(round(s.report.n * s.report.fraud_rate)),
            number(s.report.roc_auc),
            number(s.report.average_precision),
            percent(s.report.recall_at_10pct),
        ]
        for s in found
    ]
    return TextTable(head, rows)


def groups(found: Sequence[ProtectedGroup]) -> TextTable:
    """Groups of the protected fields."""
    head = ["field", "group", "claims", "frauds", "mean score", "referred", "recall"]
    head += ["false positives", "in top 10%", "recall there", "false positives there"]
    rows = [
        [
            g.group + (" *" if g.small else ""),
            f"{g.n:,}",
            str(g.frauds),
            *(percent(v) for v in (g.mean_score, g.referral_rate, g.recall)),
            *(percent(v) for v in (g.false_positive_rate, g.top_rate, g.top_recall)),
            percent(g.top_false_positive_rate),
        ]
        for g in found
    ]
    return TextTable(head, _fields_once([g.field for g in found], rows), text=(0, 1))


def segments(found: Sequence[Segment]) -> TextTable:
    """Parts of the business."""
    head = ["field", "segment", "claims", "frauds", "share of frauds (95 %)"]
    head += ["mean score", "referred", "in top 10%", "recall there (95 %)"]
    rows = [
        [
            s.segment + (" *" if s.small else ""),
            f"{s.n:,}",
            str(s.frauds),
            uncertain(s.fraud_rate, s.fraud_rate_interval),
            percent(s.mean_score) + (" †" if s.off else ""),
            *(percent(v) for v in (s.referral_rate, s.top_rate)),
            uncertain(s.top_recall, s.top_recall_interval),
        ]
        for s in found
    ]
    return TextTable(head, _fields_once([s.field for s in found], rows), text=(0, 1))


def _fields_once(fields: Sequence[str], rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Rows with the name of their field in front of its first row."""
    before = ["", *fields[:-1]]
    return [
        ["" if field == last else field.replace("_", " "), *row]
        for field, last, row in zip(fields, before, rows, strict=True)
    ]
