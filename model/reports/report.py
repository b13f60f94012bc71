"""The evaluation report: one HTML file with embedded charts and no external resources."""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from model.artifact.manifest import Manifest
from model.evaluation.caught import MOST_EXAMPLES, Caught
from model.evaluation.details import Details
from model.evaluation.memory import MemoryGain
from model.evaluation.segments import MIN_CLAIMS, MIN_SHARE, OTHER
from model.evaluation.walk_forward import MonthlyStep
from model.leaks.check import LeakCheck
from model.metrics import Report
from model.reports import figures, tables
from model.reports.card import by_reason, leak_lines, leak_summary
from model.reports.cases import ExampleClaims
from model.reports.cases import table as case_table
from model.reports.figures import Draw, Scored
from model.reports.table import html as tabular

_STYLE: Final = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1c2128; max-width: 68rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #d5d9df; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: 1.5rem; }
figure { margin: 0; } figure img { width: 100%; } figcaption { color: #57606a; font-size: 13px; }
.grid + .wide, p + .wide { margin-top: 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .75rem; text-align: right; border-bottom: 1px solid #e6e8eb; }
td { white-space: nowrap; } th { vertical-align: bottom; }
th.text, td.text { text-align: left; }
.cases td:last-child { white-space: normal; min-width: 28rem; }
.quiet { color: #57606a; } .wide { overflow-x: auto; }
"""


def html(
    manifest: Manifest,
    found: Details,
    scored: Scored,
    *,
    others: Sequence[tuple[Report, Scored]] = (),
    steps: Sequence[MonthlyStep] = (),
    examples: ExampleClaims | None = None,
) -> str:
    """The report of one model.

    Args:
        manifest: of the model.
        found: its detailed evaluation.
        scored: the labels and scores that `found` is based on, with the model's name.
        others: other families on the same claims, to compare with.
        steps: of a prequential evaluation, if there was one.
        examples: claims of the same evaluation.
    """
    every = [scored, *(other for _, other in others)]
    reports = [(scored.name, found.report), *((o.name, report) for report, o in others)]
    threshold = found.report.threshold
    sections = [
        _heading(manifest, found),
        _section("Doubts", _items(manifest.doubts)) if manifest.doubts else "",
        _summary(found),
        _section("Caught and missed", _caught(manifest, found.caught)) if found.caught else "",
        _examples(examples) if examples else "",
        _section("Figures", tabular(tables.figures(found))),
        _section("History", _memory(found, found.memory)) if found.memory else "",
        _section("Families side by side", tabular(tables.comparison(reports))) if others else "",
        _section("Charts", _grid(_pictures(every, found, threshold))),
        _section("Months of the test claims", _months(found)),
        _section("Month by month, trained on what was known at the time", _steps(steps))
        if steps
        else "",
        _section("Groups", _groups(manifest, found)),
        _section("Segments", _segments(found)),
        _section("Features", _features(manifest, found)),
        _section("Leak check", _leaks(found.leaks)) if found.leaks else "",
    ]
    title = f"{escape(manifest.name)} {escape(manifest.version)}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head>\n<body>\n{''.join(sections)}</body></html>\n"
    )


def _heading(manifest: Manifest, found: Details) -> str:
    data = manifest.trained_on
    period = f"losses {data.first_loss} to {data.last_loss}" if data.first_loss else "undated"
    lines = [
        f"{manifest.algorithm}, created {manifest.created_at:%Y-%m-%d %H:%M} UTC",
        f"trained on {data.training_rows:,} claims of {data.name} ({period})",
        f"{data.rows:,} claims read, {data.rejected:,} rejected, {data.duplicates.text()}",
        f"evaluated on {found.report.n:,} other claims, {found.report.fraud_rate:.1%} fraud",
        f"threshold {manifest.levels.threshold:.4f}: {manifest.policy}",
    ]
    body = "<br>".join(escape(line) for line in lines)
    title = f"{escape(manifest.name)} {escape(manifest.version)}"
    return f'<h1>{title}</h1>\n<p class="quiet">{body}</p>\n'


def _summary(found: Details) -> str:
    """The most important figures, in words."""
    report = found.report
    said = []
    if report.recall_at_10pct is not None:
        said.append(
            f"The top-scoring 10% of the claims contain {report.recall_at_10pct:.0%} of the "
            "frauds; a random selection would contain 10%."
        )
    said.append(
        f"At the threshold {report.recall:.0%} of the frauds are referred, and "
        f"{report.precision:.0%} of the referrals are frauds."
        if report.recall > 0
        else "No fraud reaches the threshold."
    )
    return f"<p>{escape(' '.join(said))}</p>\n"


def _caught(manifest: Manifest, found: Caught) -> str:
    """What the chosen budget finds and costs."""
    at = f"{manifest.levels.threshold:.4f} ({manifest.policy})"
    said = f"Of {found.claims:,} claims, at the threshold {at}:"
    cost = tables.cost(manifest.policy, found)
    return f"<p>{escape(said)}</p>{tabular(tables.caught(found))}{_note(cost)}"


def _examples(found: ExampleClaims) -> str:
    """Claims of each kind with their reasons."""
    kinds = (
        ("Frauds that are caught", found.caught),
        ("Frauds that are missed", found.missed),
        ("False alarms", found.false_alarms),
    )
    note = _note(
        f"At most {MOST_EXAMPLES} held-out claims of each kind, evenly spread from the highest "
        "score to the lowest. Reasons say what raises the score, as in alerts; they are not "
        "evidence."
    )
    shown = "".join(
        tabular(case_table(some, title)) if some else f"<p>{escape(title)}: none.</p>"
        for title, some in kinds
    )
    return _section("Examples", f'{note}<div class="cases">{shown}</div>')


def _items(lines: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _features(manifest: Manifest, found: Details) -> str:
    """What was not used and why, and the importance of what was."""
    unused = {"not in the contract": list(manifest.trained_on.unused)}
    unused |= by_reason(manifest.left_out)
    lines = [f"not used, {why}: {', '.join(names)}" for why, names in unused.items() if names]
    said = _items(lines) if lines else "<p>Every feature and every column is used.</p>"
    if not found.importance:
        return said
    shown = tabular(tables.importances(found.importance))
    return f'{said}\n{shown}\n<p class="quiet">{escape(tables.SHUFFLED)}</p>'


def _memory(found: Details, gain: MemoryGain) -> str:
    """What history adds, and how far it reaches."""
    return (
        f"{_items(tables.memory_lines(gain))}{tabular(tables.memory(found, gain))}"
        f"{tabular(tables.reach(gain))}"
    )


def _section(title: str, body: str) -> str:
    return f"<h2>{escape(title)}</h2>\n{body}\n"


def _pictures(
    every: Sequence[Scored], found: Details, threshold: float
) -> list[tuple[str, str, Draw]]:
    main = every[0]
    pictures = [
        (
            "Calibration",
            "On the dotted line, predicted and observed shares agree.",
            figures.calibration(found.reliability),
        ),
        (
            "Scores",
            "How well scores separate frauds from honest claims.",
            figures.distribution(main, threshold),
        ),
        (
            "Gain",
            "Frauds found by examining the highest-scoring claims.",
            figures.gain(every),
        ),
        ("Lift", "The same relative to random selection.", figures.lift(every)),
        (
            "At the threshold",
            "Each row adds up to 100 %.",
            figures.confusion(main, threshold),
        ),
    ]
    if 0 < found.report.fraud_rate < 1:
        pictures[:0] = [
            ("ROC", "The closer to the top left, the better.", figures.roc(every)),
            (
                "Precision and recall",
                "Share of frauds among referrals for each share of frauds found.",
                figures.precision_recall(every),
            ),
        ]
        pictures.append(
            (
                "Cost",
                "Total cost relative to referring nothing, one line per ratio of the cost of a "
                "missed fraud to that of an investigation; the dot marks the minimum.",
                figures.cost(main),
            )
        )
    return pictures


def _grid(pictures: Iterable[tuple[str, str, Draw]]) -> str:
    return f'<div class="grid">{"".join(_picture(*p) for p in pictures)}</div>'


def _picture(title: str, caption: str, draw: Draw) -> str:
    encoded = base64.b64encode(figures.svg(draw)).decode()
    return (
        f'<figure><img alt="{escape(title)}" src="data:image/svg+xml;base64,{encoded}">'
        f"<figcaption><b>{escape(title)}.</b> {escape(caption)}</figcaption></figure>\n"
    )


def _months(found: Details) -> str:
    if not found.months:
        return "<p>The claims contain no date of loss.</p>"
    picture = _picture(
        "Months",
        "Budgets refer to each month's claims; months with too few frauds are omitted.",
        figures.monthly(found.months),
    )
    return _grid_of(picture) + tabular(tables.months(found.months))


def _steps(steps: Sequence[MonthlyStep]) -> str:
    picture = _picture(
        "Stepwise",
        "A new model each month; months with too few frauds are omitted.",
        figures.stepwise(steps),
    )
    return _grid_of(picture) + tabular(tables.steps(steps))


def _grid_of(picture: str) -> str:
    return f'<div class="grid">{picture}</div>'


def _groups(manifest: Manifest, found: Details) -> str:
    if not found.groups:
        return "<p>The claims contain no protected field to compare by.</p>"
    seen = sorted({g.field for g in found.groups} & set(manifest.features))
    note = (
        f"Of these fields, the model uses {', '.join(seen) or 'none'}. "
        "* Too few frauds for reliable figures."
    )
    return _note(note) + tabular(tables.groups(found.groups))


def _segments(found: Details) -> str:
    if not found.segments:
        return "<p>There are too few claims, or all are of the same kind.</p>"
    note = (
        "Intervals cover chance only. * Too few frauds for reliable figures. † The mean score is "
        f"outside the interval of the share of frauds. Values with fewer than {MIN_CLAIMS} claims, "
        f"or {MIN_SHARE:.0%}, are grouped as {OTHER}; amounts are split into quarters."
    )
    return _note(note) + tabular(tables.segments(found.segments))


def _note(text: str) -> str:
    return f'<p class="quiet">{escape(text)}</p>'


def _leaks(checked: LeakCheck) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in leak_lines(checked))
    return f"{_note(leak_summary(checked))}<ul>{items}</ul>"
