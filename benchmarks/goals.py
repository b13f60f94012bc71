"""The goals, and whether one run meets them."""

from collections.abc import Iterator, Sequence
from statistics import median
from typing import TYPE_CHECKING, Final

import msgspec

from benchmarks.contenders import ECHO, PRODUCT
from benchmarks.peers.field import YARDSTICK_NAME
from benchmarks.throughput import Run

if TYPE_CHECKING:
    from benchmarks.report import Results

LEAST_SAMPLES: Final = 5_000
MOST_LATENCY: Final = 1.5
_REPORTED: Final = ("loop, 5,000 a DataFrame", "Bytewax")


class Goal(msgspec.Struct, frozen=True):
    """One goal."""

    what: str
    wanted: str
    """Empty if it is only reported, and is not a goal."""
    found: str
    met: bool | None = None
    """None if it is not a goal, or the run is too small to tell."""


def goals(results: "Results") -> list[Goal]:
    """The goals for which the run measured something."""
    return [
        *_throughput(results),
        *_latency(results),
        *_http(results),
        *_start(results),
        *_scaling(results),
    ]


def _at_least(what: str, found: float, least: float) -> Goal:
    return Goal(what, f"at least {least:.2f}", f"{found:.2f}", found >= least)


def _at_most(what: str, found: float, most: float) -> Goal:
    return Goal(what, f"at most {most:.2f}", f"{found:.2f}", found <= most)


def ratio(runs: Sequence[Run], one: str, other: str) -> float | None:
    """Speed of one contender relative to another, the median over rounds that both finished."""
    speeds = {(r.contender, r.round): r.claims_per_s for r in runs if not r.failed}
    found = [
        speed / speeds[other, number]
        for (name, number), speed in speeds.items()
        if name == one and (other, number) in speeds
    ]
    return median(found) if found else None


def _throughput(results: "Results") -> Iterator[Goal]:
    for other, least in ((ECHO, 0.70), (YARDSTICK_NAME, 0.95)):
        if (found := ratio(results.runs, PRODUCT, other)) is not None:
            yield _at_least(f"throughput in that of: {other}", found, least)
    others = [run.contender for run in results.runs if run.contender.startswith(f"{PRODUCT} ")]
    for other in (*_REPORTED, *dict.fromkeys(others)):
        if (found := ratio(results.runs, PRODUCT, other)) is not None:
            yield Goal(f"throughput in that of: {other}", "", f"{found:.2f}")


def _latency(results: "Results") -> Iterator[Goal]:
    claims = {one.rate: one.claims for one in results.latency if one.program == PRODUCT}
    for one in results.paired:
        wanted = f"at most {MOST_LATENCY:.2f}" if one.rate in (10, 1_000) else ""
        for name, found, (low, high) in (
            ("p50", one.p50, one.p50_interval),
            ("p99", one.p99, one.p99_interval),
        ):
            # An interval that contains the limit is inconclusive.
            tells = not low <= MOST_LATENCY < high and claims[one.rate] >= LEAST_SAMPLES
            yield Goal(
                f"latency at {one.rate:,} claims/s in that of the echo, {name}",
                wanted,
                f"{found:.2f} ({low:.2f} to {high:.2f}; {claims[one.rate]:,} claims)",
                found <= MOST_LATENCY if wanted and tells else None,
            )


def _http(results: "Results") -> Iterator[Goal]:
    if not results.http:
        return
    own, *others = results.http
    for other in others:
        yield _at_least(
            f"HTTP requests/s in those of {other.server}",
            own.requests_per_s / other.requests_per_s,
            1.2,
        )
    added = (own.server_ms - own.constant_ms) * 1e3
    yield Goal(
        "CPU of a request beyond one that is answered with a constant", "", f"{added:.0f} µs"
    )
    worker = [run.claims_per_s for run in results.runs if run.contender == PRODUCT]
    if worker:
        yield _at_least(
            "HTTP arrays of 1,000: claims/s in the worker's",
            own.array_claims_per_s / median(worker),
            1.0,
        )


def _start(results: "Results") -> Iterator[Goal]:
    if (start := results.start_up) is not None:
        memory = start.resident_mib / start.echo_resident_mib
        yield _at_most("memory at the first alert in the echo's", memory, 1.7)
        seconds = start.first_alert_s / start.echo_first_alert_s
        yield _at_most("start to first alert in the echo's", seconds, 4.0)
    rows = {row.contender: row.resident_mib for row in results.throughput if not row.failed}
    if PRODUCT in rows and ECHO in rows:
        yield _at_most("memory at full speed in the echo's", rows[PRODUCT] / rows[ECHO], 1.7)


def _scaling(results: "Results") -> Iterator[Goal]:
    for one in results.workers:
        if one.workers == 4:
            yield _at_most("cost of a claim with four workers in one's", one.ratio_of_cost, 1.10)
    if results.backlog is not None:
        last = results.backlog.parts[-1]
        found = last.cpu_us / results.backlog.first_again.cpu_us
        what = f"cost of a claim after {last.from_claim:,} in that of the first, measured next"
        long = last.to_claim > 9_900_000
        yield Goal(what, "at most 1.05", f"{found:.2f}", found <= 1.05 if long else None)
