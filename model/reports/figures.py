"""Charts of an evaluation, as SVG documents. Needs matplotlib (the extra ``report``)."""

import io
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from sklearn.metrics import precision_recall_curve, roc_curve

from model.evaluation.details import Month, ReliabilityBin
from model.evaluation.shares import wilson
from model.evaluation.walk_forward import MonthlyStep

MAIN: Final = "#1f5fa8"
FRAUD: Final = "#c2481c"
QUIET: Final = "#8a8f98"
PALETTE: Final = (MAIN, "#d1792b", "#3a8f5c", "#7a4fa3")
COST_RATIOS: Final = (5, 10, 20, 50)
FEWEST_FRAUDS: Final = 5
"""A month with fewer has no point in a chart: one fraud found is not a recall of 100 %."""

_LONGEST_NAME: Final = 40

Draw = Callable[[Axes], None]


class Scored(NamedTuple):
    """Labels and fraud probabilities of the same claims by one model."""

    name: str
    y: npt.NDArray[np.integer]
    p: npt.NDArray[np.float64]


def svg(draw: Draw) -> bytes:
    """The chart drawn by `draw`; the same calls give the same bytes."""
    with mpl.rc_context(
        {
            "svg.hashsalt": "claims",
            "font.size": 9,
            "svg.fonttype": "path",
            "text.parse_math": False,  # a dollar sign in a model's name is a dollar sign
        }
    ):
        figure = Figure(figsize=(4.8, 3.5), layout="constrained")
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        draw(axes)
        written = io.BytesIO()
        figure.savefig(written, format="svg", metadata={"Date": None})
    return written.getvalue()


def roc(models: Sequence[Scored]) -> Draw:
    """Share of frauds found against share of honest claims referred."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=QUIET, linestyle=":", label="chance")
        for model, colour in zip(models, PALETTE, strict=False):
            false, true, _ = roc_curve(model.y, model.p)
            axes.plot(false, true, color=colour, label=_label(model.name))
        axes.set(xlabel="honest claims referred", ylabel="frauds found (recall)")
        _percent(axes, "xy")
        axes.legend(frameon=False, loc="lower right")

    return draw


def precision_recall(models: Sequence[Scored]) -> Draw:
    """Precision at every recall."""

    def draw(axes: Axes) -> None:
        rate = float(models[0].y.mean())
        axes.axhline(rate, color=QUIET, linestyle=":", label=f"chance ({rate:.1%})")
        for model, colour in zip(models, PALETTE, strict=False):
            precision, recall, _ = precision_recall_curve(model.y, model.p)
            axes.plot(recall[:-1], precision[:-1], color=colour, label=_label(model.name))
        axes.set(xlabel="frauds found (recall)", ylabel="frauds among referrals (precision)")
        axes.set_ylim(0, 1.02)
        _percent(axes, "xy")
        axes.legend(frameon=False, loc="upper right")

    return draw


def calibration(bins: Sequence[ReliabilityBin]) -> Draw:
    """Observed share of frauds against the predicted probability, with 95 % intervals."""

    def draw(axes: Axes) -> None:
        said = np.array([b.predicted for b in bins])
        were = np.array([b.observed for b in bins])
        low, high = wilson(were, np.array([b.n for b in bins]))
        top = 1.1 * max(said.max(), high.max())
        axes.plot([0, top], [0, top], color=QUIET, linestyle=":", label="perfect")
        axes.errorbar(
            said,
            were,
            yerr=[were - low, high - were],
            fmt="o",
            color=MAIN,
            label="one tenth of the claims",
        )
        axes.set(
            xlabel="predicted probability", ylabel="observed frauds", xlim=(0, top), ylim=(0, top)
        )
        _percent(axes, "xy")
        axes.legend(frameon=False, loc="upper left")

    return draw


def distribution(model: Scored, threshold: float) -> Draw:
    """Scores of honest claims and of frauds, each adding up to 100 %."""

    def draw(axes: Axes) -> None:
        edges = np.linspace(0, max(float(model.p.max()), 0.05), 31)
        for fraud, colour, name in ((0, QUIET, "honest"), (1, FRAUD, "fraud")):
            found = model.p[model.y == fraud]
            if len(found):
                weights = np.full(len(found), 1 / len(found))
                axes.hist(
                    found, edges.tolist(), weights=weights, color=colour, alpha=0.6, label=name
                )
        _threshold(axes, threshold)
        axes.set(xlabel="fraud probability", ylabel="share of each class")
        _percent(axes, "xy")
        axes.legend(frameon=False)

    return draw


def gain(models: Sequence[Scored]) -> Draw:
    """Share of frauds found when a given share of the highest-scoring claims is examined."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=QUIET, linestyle=":", label="chance")
        for model, colour in zip(models, PALETTE, strict=False):
            axes.plot(*_gained(model), color=colour, label=_label(model.name))
        axes.set(xlabel="claims examined", ylabel="frauds found")
        _percent(axes, "xy")
        axes.legend(frameon=False, loc="lower right")

    return draw


def lift(models: Sequence[Scored]) -> Draw:
    """Share of frauds relative to randomly selected claims."""

    def draw(axes: Axes) -> None:
        axes.axhline(1, color=QUIET, linestyle=":", label="chance")
        for model, colour in zip(models, PALETTE, strict=False):
            looked, found = _gained(model)
            shown = looked >= 0.01  # the first few claims are noise
            axes.plot(looked[shown], (found / np.maximum(looked, 1e-12))[shown], color=colour)
        axes.set(xlabel="claims examined", ylabel="frauds relative to random selection")
        axes.set_ylim(bottom=0)
        _percent(axes, "x")

    return draw


def confusion(model: Scored, threshold: float) -> Draw:
    """Counts at the threshold."""

    def draw(axes: Axes) -> None:
        referred = model.p >= threshold
        counts = np.array(
            [[np.sum((model.y == kind) & (referred == to)) for to in (0, 1)] for kind in (0, 1)]
        )
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.2)
        for row, column in np.ndindex(2, 2):
            text = f"{counts[row, column]:,}\n{shares[row, column]:.1%}"
            colour = "white" if shares[row, column] > 0.6 else "black"
            axes.text(column, row, text, ha="center", va="center", color=colour)
        axes.set_xticks([0, 1], ["not referred", "referred"])
        axes.set_yticks([0, 1], ["honest", "fraud"])
        axes.set_xlabel(f"at {threshold:.3f}")
        axes.spines[:].set_visible(False)

    return draw


def cost(model: Scored) -> Draw:
    """Total cost relative to referring nothing, by share of claims referred.

    One line for each ratio of the cost of a missed fraud to that of an investigation.
    """

    def draw(axes: Axes) -> None:
        looked, found = _gained(model)
        rate = float(model.y.mean())
        axes.axhline(1, color=QUIET, linestyle=":", label="referring nothing")
        for ratio, colour in zip(COST_RATIOS, PALETTE, strict=True):
            line = looked / (ratio * rate) + 1 - found
            best = int(line.argmin())
            axes.plot(looked, line, color=colour, label=f"missed fraud = {ratio} investigations")
            axes.plot(looked[best], line[best], "o", color=colour)
        axes.set(xlabel="claims referred", ylabel="relative cost", xlim=(0, 0.6), ylim=(0, 2.4))
        _percent(axes, "xy")
        axes.legend(loc="upper right", fontsize=8, framealpha=1, edgecolor="none")

    return draw


def monthly(found: Sequence[Month], share: float = 0.10) -> Draw:
    """Precision and recall of each month's budget, next to the month's share of frauds."""

    def draw(axes: Axes) -> None:
        at = np.arange(len(found))
        budgets = [next(b for b in m.budgets if b.share == share) for m in found]
        enough = np.array([m.frauds >= FEWEST_FRAUDS for m in found])
        recall = np.where(enough, [b.recall or 0.0 for b in budgets], np.nan)
        precision = np.where(enough, [b.precision for b in budgets], np.nan)
        axes.plot(at, recall, "o-", color=MAIN, label=f"recall, top {share:.0%}")
        axes.plot(at, precision, "s-", color=FRAUD, label="precision")
        axes.plot(at, [m.frauds / m.n for m in found], color=QUIET, linestyle=":", label="frauds")
        _months(axes, [m.month for m in found])

    return draw


def stepwise(steps: Sequence[MonthlyStep]) -> Draw:
    """ROC AUC and recall of each month's own model."""

    def draw(axes: Axes) -> None:
        at = np.arange(len(steps))
        reports = [s.report for s in steps]
        enough = np.array([r.fraud_rate * r.n >= FEWEST_FRAUDS for r in reports])
        area = np.where(enough, [r.roc_auc or 0.0 for r in reports], np.nan)
        recall = np.where(enough, [r.recall_at_10pct or 0.0 for r in reports], np.nan)
        axes.plot(at, area, "o-", color=MAIN, label="ROC AUC")
        axes.plot(at, recall, "s-", color=FRAUD, label="recall, top 10%")
        _months(axes, [s.month for s in steps])

    return draw


def _label(name: str) -> str:
    """A name suitable for a legend: matplotlib omits names that begin with an underscore."""
    shown = "".join(c if c.isprintable() else " " for c in name)
    if len(shown) > _LONGEST_NAME:
        shown = shown[: _LONGEST_NAME - 1] + "…"
    return f" {shown}" if shown.startswith("_") else shown


def _gained(model: Scored) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Shares of claims examined, and of frauds found; linear across tied claims."""
    levels, place = np.unique(-model.p, return_inverse=True)
    sizes = np.bincount(place, minlength=len(levels))
    frauds = np.bincount(place, weights=model.y, minlength=len(levels))
    looked = np.append(0.0, np.cumsum(sizes) / len(model.p))
    return looked, np.append(0.0, np.cumsum(frauds) / max(frauds.sum(), 1))


def _threshold(axes: Axes, threshold: float) -> None:
    if threshold <= axes.get_xlim()[1]:
        axes.axvline(threshold, color="black", linestyle="--", label=f"threshold {threshold:.3f}")


def _months(axes: Axes, names: Sequence[str]) -> None:
    every = max(1, len(names) // 8)
    axes.set_xticks(range(0, len(names), every), names[::every], rotation=40, ha="right")
    axes.set_ylim(0, 1.02)
    _percent(axes, "y")
    axes.legend(frameon=False, fontsize=8)


def _percent(axes: Axes, which: str) -> None:
    for letter, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        if letter in which:
            axis.set_major_formatter(PercentFormatter(1.0, decimals=None))
