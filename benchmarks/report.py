"""Results as Markdown and JSON."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from benchmarks.conditions import Conditions
from benchmarks.endpoint import ARRAY, Http
from benchmarks.goals import goals
from benchmarks.latency import Latency, Paired
from benchmarks.markdown import table
from benchmarks.scaling import Backlog, Workers
from benchmarks.soak import Moment
from benchmarks.stages import Stage
from benchmarks.startup import StartUp
from benchmarks.throughput import Row, Run
from benchmarks.transactions import RoundTrip


class Results(msgspec.Struct):
    """Everything measured; empty where a section was not asked for."""

    conditions: Conditions
    throughput: list[Row] = []
    runs: list[Run] = []
    latency: list[Latency] = []
    paired: list[Paired] = []
    idle_share: float | None = None
    round_trips: list[RoundTrip] = []
    stages: list[Stage] = []
    one_claim_us: float | None = None
    workers: list[Workers] = []
    backlog: Backlog | None = None
    soak: list[Moment] = []
    http: list[Http] = []
    start_up: StartUp | None = None
    notes: list[str] = []


def write(results: Results, folder: Path) -> str:
    """Write ``results.json`` and ``results.md``; returns the Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    encoded = msgspec.json.format(msgspec.json.encode(results), indent=2)
    (folder / "results.json").write_bytes(encoded + b"\n")
    text = markdown(results)
    (folder / "results.md").write_text(text, encoding="utf-8")
    return text


def markdown(results: Results) -> str:
    """Every section that has results."""
    parts = [
        "# Benchmark\n",
        *_goals(results),
        *_throughput(results),
        *_latency(results),
        *_stages(results),
        *_workers(results),
        *_backlog(results),
        *_soak(results),
        *_single(results),
        _conditions(results),
    ]
    return "\n".join(parts)


_MET = {True: "met", False: "**not met**", None: ""}


def _goals(results: Results) -> Iterable[str]:
    if found := goals(results):
        yield "## Goals\n"
        rows = [(g.what, g.wanted or "reported", g.found, _met(g.wanted, g.met)) for g in found]
        yield table(("", "goal", "found", ""), rows)


def _met(wanted: str, met: bool | None) -> str:
    return "this run cannot tell" if wanted and met is None else _MET[met]


def _throughput(results: Results) -> Iterable[str]:
    if results.throughput:
        yield "## Throughput on one core\n"
        yield table(
            ("", "claims/s", "spread", "ratio to echo", "CPU µs per claim", "MiB", "guarantee"),
            [_throughput_cells(row) for row in results.throughput],
        )
        yield from (f"* {row.contender}: {row.what}" for row in results.throughput)
        yield ""


def _throughput_cells(row: Row) -> Sequence[str]:
    if row.failed:
        return row.contender, "-", "-", "-", "-", "-", _last_line(row.failed)
    return (
        row.contender,
        f"{row.claims_per_s:,.0f}",
        f"{row.least:,.0f} to {row.most:,.0f}",
        _figure(row.ratio_to_echo, 3),
        _figure(row.cpu_us, 1),
        f"{row.resident_mib:.0f}",
        row.guarantee,
    )


def _latency(results: Results) -> Iterable[str]:
    if results.latency:
        yield "## Latency, produce to read_committed reader\n"
        yield table(
            (
                "",
                "claims/s",
                "p50 ms",
                "p99 ms",
                "worst ms",
                "lost",
                "CPU share",
                "sender late p99 ms",
            ),
            [
                (
                    one.program,
                    f"{one.rate:,}",
                    _figure(one.p50_ms, 1),
                    _figure(one.p99_ms, 1),
                    _figure(one.worst_ms, 1),
                    str(one.lost),
                    f"{one.cpu_share:.1%}",
                    _figure(one.late_ms, 1),
                )
                for one in results.latency
            ],
        )
    if results.idle_share is not None:
        yield f"Idle, the worker uses {results.idle_share:.1%} of a core.\n"
    for trip in results.round_trips:
        yield (
            f"Transaction of {trip.records} records with retry.backoff.ms="
            f"{trip.retry_backoff_ms}: {trip.median_ms:.1f} ms at the median, "
            f"{trip.p99_ms:.1f} ms at p99.\n"
        )


def _stages(results: Results) -> Iterable[str]:
    if results.stages:
        yield "## Stages of a batch of 1,000, without Kafka\n"
        yield table(
            ("stage", "CPU µs per claim"),
            [(stage.name, _figure(stage.cpu_us, 2)) for stage in results.stages],
        )


def _workers(results: Results) -> Iterable[str]:
    if results.workers:
        yield "## Workers on a topic of 8 partitions\n"
        yield table(
            ("workers", "claims/s", "CPU µs per claim", "cost against one worker", "spread"),
            [
                (
                    str(one.workers),
                    f"{one.claims_per_s:,.0f}",
                    _figure(one.cpu_us, 1),
                    _figure(one.ratio_of_cost, 2),
                    f"{one.lowest:.2f} to {one.highest:.2f}",
                )
                for one in results.workers
            ],
        )


def _backlog(results: Results) -> Iterable[str]:
    if (backlog := results.backlog) is not None:
        again = backlog.first_again
        yield "## A long backlog\n"
        yield table(
            ("claims", "claims/s", "CPU µs per claim", "MiB"),
            [
                (
                    f"{part.from_claim:,} to {part.to_claim:,}{more}",
                    f"{part.claims_per_s:,.0f}",
                    _figure(part.cpu_us, 1),
                    f"{part.resident_mib:.0f}",
                )
                for part, more in [
                    *((part, "") for part in backlog.parts),
                    (again, ", once more by a new worker"),
                ]
            ],
        )


def _soak(results: Results) -> Iterable[str]:
    if not results.soak:
        return
    yield "## Memory at full speed, the broker frozen half-way\n"
    tenth = max(1, len(results.soak) // 10)
    yield table(
        ("seconds", "claims", "MiB", ""),
        [
            (f"{m.at_s:.0f}", f"{m.claims:,}", f"{m.resident_mib:.1f}", "frozen" * m.frozen)
            for n, m in enumerate(results.soak)
            if n % tenth == 0 or m.frozen or m is results.soak[-1]
        ],
    )
    settled = [m.resident_mib for m in results.soak[tenth:]]
    yield f"After the first tenth: {min(settled):.1f} to {max(settled):.1f} MiB.\n"


def _single(results: Results) -> Iterable[str]:
    if results.http:
        yield "## HTTP, server on one core\n"
        yield table(
            (
                *("", "p50 ms", "p99 ms", "CPU ms a request", "of a constant", "requests/s"),
                f"claims/s in arrays of {ARRAY:,}",
            ),
            [
                (
                    http.server,
                    _figure(http.median_ms, 2),
                    _figure(http.p99_ms, 2),
                    _figure(http.server_ms, 3),
                    _figure(http.constant_ms, 3),
                    _figure(http.requests_per_s, 0),
                    _figure(http.array_claims_per_s, 0),
                )
                for http in results.http
            ],
        )
        yield (
            "One claim a request: times as the client of one connection sees them, requests/s over "
            f"{results.http[0].connections} connections.\n"
        )
    if results.one_claim_us is not None:
        yield f"Decoding and scoring one claim by itself: {results.one_claim_us:,.0f} µs.\n"
    if results.start_up is not None:
        start = results.start_up
        yield "## Start\n"
        yield (
            f"{start.first_alert_s:.1f} s from the start of the process to the first committed "
            f"alert, {start.imports_s:.1f} s of it imports; {start.resident_mib:.0f} MiB resident "
            f"then. The echo: {start.echo_first_alert_s:.1f} s and {start.echo_resident_mib:.0f} "
            "MiB.\n"
        )


def _conditions(results: Results) -> str:
    told = msgspec.structs.asdict(results.conditions)
    lines = [f"* {name.replace('_', ' ')}: {value}" for name, value in told.items()]
    return "\n".join(["## Conditions\n", *lines, *(f"* {note}" for note in results.notes), ""])


def _figure(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:,.{digits}f}"


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1][-120:].replace("|", "/")
