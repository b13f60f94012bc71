"""Time until every partition has an owner again: ``python -m benchmarks.recovery [--tries N]``.

Two bare clients share a topic; one of them dies and is started again at once. It dies by
``kill -9``, or in the callback in which it gives partitions up because the other one joins.
"""

import argparse
import signal
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from benchmarks.markdown import table
from benchmarks.members import (
    CONTEXT,
    FAULTS,
    HEARTBEAT_MS,
    PARTITIONS,
    SESSION_MS,
    Member,
    Mode,
    shared,
)
from tests.broker import jars, topics, wait
from tests.broker.native import NativeKafka

BROKER: Final = {
    "group.consumer.session.timeout.ms": str(SESSION_MS),
    "group.consumer.heartbeat.interval.ms": str(HEARTBEAT_MS),
}
NEVER: Final = float("inf")
MODES: Final = (
    Mode("classic", "static", "range"),
    Mode("classic", "static", "roundrobin"),
    Mode("classic", "static", "cooperative-sticky"),
    Mode("classic", "dynamic", "range"),
    Mode("classic", "dynamic", "cooperative-sticky"),
    Mode("consumer", "dynamic", "the broker's"),
)


def seconds(
    bootstrap: str,
    topic: str,
    mode: Mode,
    fault: Callable[[Member, Member], None],
    give_up_s: float,
) -> float:
    """From the restart until each partition has one owner; infinite when given up."""
    group = topics.fresh_name("group")
    members = [Member(bootstrap, topic, group, mode, name) for name in ("w0", "w1")]
    try:
        fault(*members)
        begin = time.perf_counter()
        try:
            wait.until(lambda: shared(*members), "owners of all partitions", give_up_s)
        except TimeoutError:
            return NEVER
        return time.perf_counter() - begin
    finally:
        for member in members:
            member.kill()


def row(mode: Mode, by_fault: Sequence[Sequence[float]]) -> list[str]:
    """Cells of a mode: median and worst after each fault."""
    cells = [f"{mode.protocol}, {mode.membership}, {mode.assignor}"]
    for found in by_fault:
        never = sum(second == NEVER for second in found)
        most = f"never in {never} of {len(found)}" if never else f"{max(found):.1f}"
        middle = statistics.median(found)
        cells += ["never" if middle == NEVER else f"{middle:.1f}", most]
    return cells


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every mode and print a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recovery", description=__doc__)
    parser.add_argument("--tries", type=int, default=10, help="tries per fault and mode (10)")
    parser.add_argument("--give-up", type=float, default=40.0, metavar="SECONDS", help="(40)")
    options = parser.parse_args(arguments)
    # If terminated, it still stops what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    CONTEXT.set_forkserver_preload(["confluent_kafka"])
    rows = []
    with NativeKafka(settings=BROKER) as kafka:
        topic = topics.create(kafka.bootstrap, topics.fresh_name("claims"), PARTITIONS)
        for mode in MODES:
            found = [
                [
                    seconds(kafka.bootstrap, topic, mode, fault, options.give_up)
                    for _ in range(options.tries)
                ]
                for fault in FAULTS.values()
            ]
            sys.stderr.write(f"{mode}: {found}\n")
            rows.append(row(mode, found))
    head = ["seconds until all partitions are owned"]
    for name in FAULTS:
        head += [f"{name}, median", "worst"]
    sys.stdout.write(table(head, rows))
    version = jars.jars().name.removeprefix("kafka-")
    sys.stdout.write(
        f"\nApache Kafka {version}, one node; session {SESSION_MS / 1_000:g} s, heartbeats "
        f"every {HEARTBEAT_MS / 1_000:g} s, {PARTITIONS} partitions, {options.tries} tries, given "
        f"up after {options.give_up:g} s.\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
