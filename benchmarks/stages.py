"""Breakdown of a claim's time inside one batch: CPU µs per claim, without Kafka."""

import datetime as dt
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from benchmarks.workload import Workload
from consumer.batch.alerts import alert_records
from consumer.batch.decode import decode
from consumer.batch.process import process
from consumer.batch.records import coordinates
from model.features.facts import claim_columns

BATCH: Final = 1_000


class Stage(msgspec.Struct, frozen=True):
    """One step of a batch."""

    name: str
    cpu_us: float


class FromMemory:
    """A record as the Kafka client would hand it over."""

    def __init__(self, offset: int, key: bytes, value: bytes) -> None:
        self._offset, self._key, self._value = offset, key, value

    def topic(self) -> str:
        """The place it was read from."""
        return "claims"

    def partition(self) -> int:
        """Which part of it."""
        return 0

    def offset(self) -> int:
        """Which place in it."""
        return self._offset

    def key(self) -> bytes:
        """The claim's id."""
        return self._key

    def value(self) -> bytes:
        """The claim."""
        return self._value

    def set_headers(self, headers: object) -> None:
        """Nobody calls this: headers are only read."""
        raise NotImplementedError

    def headers(self) -> None:
        """There are none."""

    def timestamp(self) -> tuple[int, int]:
        """The time it was created."""
        return 1, 0


def stages(workload: Workload, batches: int) -> list[Stage]:
    """Medians over batches of a thousand claims."""
    parts = [_part(workload, i) for i in range(batches)]
    scorer, now = workload.scorer, dt.datetime.now(dt.UTC)

    def median(step: Callable[[Any], object], inputs: Sequence[Any]) -> float:
        for one in inputs[: len(inputs) // 5 + 1]:
            step(one)
        return statistics.median(_cpu_us(step, one) for one in inputs)

    claims = [[decode(m.value(), (), scorer.decoder).claim for m in part] for part in parts]
    columns = [claim_columns(scorer.contract, found, scorer.features) for found in claims]
    sources = [list(map(coordinates, part)) for part in parts]
    assessed = [scorer.assess(found) for found in claims]
    headers: list[list[Any]] = [[]] * BATCH
    unknown: list[tuple[()]] = [()] * BATCH
    steps: list[tuple[str, Callable[[Any], object], Sequence[Any]]] = [
        (
            "decode and validate",
            lambda part: [decode(m.value(), (), scorer.decoder) for m in part],
            parts,
        ),
        ("columns", lambda found: claim_columns(scorer.contract, found, scorer.features), claims),
        ("encode", scorer.encoding.codes, columns),
        ("score (columns, encode, trees)", scorer.score, claims),
        ("assess (score, levels, flags, reasons)", scorer.assess, claims),
        (
            "alerts",
            lambda one: alert_records(
                one[0], one[1], headers, one[2], unknown, one[3], scorer, now
            ),
            list(zip(parts, sources, claims, assessed, strict=True)),
        ),
        ("the whole batch", lambda part: process(part, scorer, now), parts),
    ]
    return [Stage(name, median(step, inputs)) for name, step, inputs in steps]


def one_claim_us(workload: Workload, count: int) -> float:
    """Median wall-clock µs to decode and score a single claim, as the HTTP endpoint does."""

    def once(value: bytes) -> float:
        begin = time.perf_counter()
        claim = decode(value, (), workload.scorer.decoder).claim
        workload.scorer.score([claim])
        return (time.perf_counter() - begin) * 1e6

    return statistics.median(once(value) for value in workload.values[:count])


def _part(workload: Workload, number: int) -> list[FromMemory]:
    values = workload.values
    return [
        FromMemory(i, b"%d" % i, values[i % len(values)])
        for i in range(number * BATCH, (number + 1) * BATCH)
    ]


def _cpu_us(step: Callable[[Any], object], one: Any) -> float:
    begin = time.process_time()
    step(one)
    return (time.process_time() - begin) / BATCH * 1e6
