"""Decoding through a compiled contract compared with decoding into the class: CPU µs per claim.

    python -m benchmarks.decoding [--rounds N]

Rounds are interleaved in one process; the ratio is of their medians.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from model.datasets import synthetic
from model.samples import dwellings, health
from schemas.claim import Claim
from schemas.contract.parse import shipped
from schemas.decoding.decoder import ClaimDecoder

CLAIMS: Final = 5_000
PORTION: Final = 500

Decode = Callable[[bytes], object]


class Timing(NamedTuple):
    """Median CPU µs per claim."""

    name: str
    cpu_us: float


def measure(contenders: dict[str, tuple[Decode, Sequence[bytes]]], rounds: int) -> list[Timing]:
    """Decode every contender's claims once a round, in portions and in changing order.

    So whatever slows the machine for a while, or fills its caches, slows all of them alike.
    """
    spent: dict[str, list[float]] = {name: [] for name in contenders}
    order = list(contenders)
    for _ in range(rounds):
        taken = dict.fromkeys(contenders, 0.0)
        for start in range(0, CLAIMS, PORTION):
            for name in order:
                taken[name] += _timed(*contenders[name], start)
            order = [*order[1:], order[0]] if start % (2 * PORTION) else order[::-1]
        for name, seconds in taken.items():
            spent[name].append(seconds / CLAIMS * 1e6)
    return [Timing(name, statistics.median(found)) for name, found in spent.items()]


def _timed(decoded: Decode, values: Sequence[bytes], start: int) -> float:
    """CPU seconds of one portion; a tenth of it, run before, warms the caches."""
    for value in values[start : start + PORTION // 10]:
        decoded(value)
    started = time.process_time()
    for value in values[start : start + PORTION]:
        decoded(value)
    return time.process_time() - started


def contenders() -> dict[str, tuple[Decode, Sequence[bytes]]]:
    """The class, the contract that equals it, and the nested ones that are read."""
    auto = _encoded(synthetic.generate(CLAIMS, 1)[0])
    return {
        "class": (msgspec.json.Decoder(Claim).decode, auto),
        "contract auto": (_decoder("auto"), auto),
        "auto, unknown named": (ClaimDecoder(shipped("auto")).read, auto),
        "contract health": (_decoder("health"), _encoded(health.generate(CLAIMS, 1))),
        "contract property": (_decoder("property"), _encoded(dwellings.generate(CLAIMS, 1))),
        "auto, one unknown": (
            ClaimDecoder(shipped("auto")).read,
            [v[:-1] + b',"odd":1}' for v in auto],
        ),
    }


def _encoded(claims: Sequence[Any]) -> list[bytes]:
    return list(map(msgspec.json.encode, claims))


def _decoder(name: str) -> Decode:
    return ClaimDecoder(shipped(name)).decode


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one line for each contender."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decoding")
    parser.add_argument("--rounds", type=int, default=15)
    found = measure(contenders(), parser.parse_args(arguments).rounds)
    for timing in found:
        ratio = timing.cpu_us / found[0].cpu_us
        sys.stdout.write(f"{timing.name:20} {timing.cpu_us:7.2f} µs  {ratio:6.3f} of the class\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
