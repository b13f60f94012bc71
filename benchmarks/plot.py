"""The results as one picture."""

import math
from pathlib import Path
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.contenders import ECHO, PRODUCT
from benchmarks.latency import Latency
from benchmarks.throughput import Row

mpl.use("Agg")

GREY: Final = "#9aa5b1"
OURS: Final = "#1f6feb"


def draw(rows: list[Row], latency: list[Latency], path: Path) -> None:
    """Throughput by contender; next to it latency by rate, if it was measured."""
    good = [row for row in rows if not row.failed]
    wide = len(good) > 0 and len(latency) > 0
    figure = Figure(figsize=(12 if wide else 7, 4), layout="constrained")
    axes = figure.subplots(1, 2 if wide else 1, squeeze=False)[0].tolist()
    if good:
        _throughput(axes.pop(0), good)
    if latency and axes:
        _latency(axes.pop(0), latency)
    figure.savefig(path, dpi=100)


def _throughput(axes: Axes, rows: list[Row]) -> None:
    ordered = sorted(rows, key=lambda row: row.claims_per_s)
    names = [row.contender for row in ordered]
    paces = [row.claims_per_s for row in ordered]
    below = [row.claims_per_s - row.least for row in ordered]
    above = [row.most - row.claims_per_s for row in ordered]
    colours = [OURS if name.startswith(PRODUCT) else GREY for name in names]
    axes.barh(names, paces, color=colours, xerr=[below, above], error_kw={"ecolor": "#444"})
    for place, row in enumerate(ordered):
        told = f" {row.claims_per_s:,.0f}"
        if row.contender != ECHO and not math.isnan(row.ratio_to_echo):
            told += f" ({row.ratio_to_echo:.2f})"
        axes.text(row.most, place, told, va="center", fontsize=8)
    axes.set_xlim(0, max(row.most for row in ordered) * 1.25)
    axes.set_xlabel("claims/s on one core, median and spread (ratio to the echo)")
    axes.spines[["top", "right"]].set_visible(False)


def _latency(axes: Axes, latency: list[Latency]) -> None:
    for program, colour in ((PRODUCT, OURS), (ECHO, GREY)):
        own = [one for one in latency if one.program == program]
        rates = [one.rate for one in own]
        p50, p99 = [one.p50_ms for one in own], [one.p99_ms for one in own]
        axes.plot(rates, p50, "o-", color=colour, label=f"{program}, p50")
        axes.plot(rates, p99, "o--", color=colour, label=f"{program}, p99")
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("claims/s")
    axes.set_ylabel("ms from produce to a read_committed reader")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
