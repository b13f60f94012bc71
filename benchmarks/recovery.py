"""How soon every partition has an owner again: ``python -m benchmarks.recovery [--tries N]``.

Two bare clients share a topic; one of them dies and is started again at once. It dies by
``kill -9``, or in the callback in which it gives partitions up because the other one joins.
"""

import argparse
import multiprocessing
import os
import signal
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from multiprocessing.sharedctypes import Synchronized
from typing import Any, Final, NamedTuple

from confluent_kafka import Consumer

from benchmarks.markdown import table
from tests.broker import jars, topics, wait
from tests.broker.native import NativeKafka

PARTITIONS: Final = 4
EVERYTHING: Final = (1 << PARTITIONS) - 1
SESSION_MS: Final = 6_000
HEARTBEAT_MS: Final = 500
BROKER: Final = {
    "group.consumer.session.timeout.ms": str(SESSION_MS),
    "group.consumer.heartbeat.interval.ms": str(HEARTBEAT_MS),
}
NEVER: Final = float("inf")
CONTEXT: Final = multiprocessing.get_context("forkserver")


class Mode(NamedTuple):
    """How members share the partitions."""

    protocol: str
    membership: str
    assignor: str

    def config(self, instance: str) -> dict[str, str | int | float | bool]:
        """Client properties of a member."""
        static = {"group.instance.id": instance} if self.membership == "static" else {}
        if self.protocol == "consumer":
            return {"group.protocol": "consumer", **static}
        return {
            "partition.assignment.strategy": self.assignor,
            "session.timeout.ms": SESSION_MS,
            "heartbeat.interval.ms": HEARTBEAT_MS,
            **static,
        }


MODES: Final = (
    Mode("classic", "static", "range"),
    Mode("classic", "static", "roundrobin"),
    Mode("classic", "static", "cooperative-sticky"),
    Mode("classic", "dynamic", "range"),
    Mode("classic", "dynamic", "cooperative-sticky"),
    Mode("consumer", "dynamic", "the broker's"),
)


class Member:
    """A consumer as a process; `owned` has a bit for each partition it has been assigned."""

    def __init__(self, bootstrap: str, topic: str, group: str, mode: Mode, name: str) -> None:
        self._config = {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "enable.auto.commit": False,
            "log_level": 0,
            **mode.config(name),
        }
        self._topic = topic
        self.owned: Synchronized[int] = CONTEXT.Value("i", 0)
        self.dies_revoking: Synchronized[int] = CONTEXT.Value("i", 0)
        self._process: BaseProcess | None = None

    def start(self) -> None:
        """Start it, again if it has died."""
        self.owned.value = self.dies_revoking.value = 0
        self._process = CONTEXT.Process(
            target=consume,
            args=(self._config, self._topic, self.owned, self.dies_revoking),
            daemon=True,
        )
        self._process.start()

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
        self.wait()

    def wait(self) -> None:
        """Wait until it has died."""
        assert self._process is not None
        self._process.join(wait.GENEROUS)
        assert self._process.exitcode is not None, "it did not die"


def consume(config: Any, topic: str, owned: Any, dies_revoking: Any) -> None:
    """Body of the process: poll, and report what is assigned."""

    def revoked(*_: Any) -> None:
        if dies_revoking.value:
            os.kill(os.getpid(), signal.SIGKILL)

    consumer = Consumer(config)
    consumer.subscribe([topic], on_revoke=revoked)
    while True:
        consumer.poll(0.02)
        owned.value = sum(1 << place.partition for place in consumer.assignment())


def shared(*members: Member) -> bool:
    """Whether each partition has one owner."""
    bits = [member.owned.value for member in members]
    return sum(bits) == EVERYTHING == _union(bits)


def _union(bits: Sequence[int]) -> int:
    union = 0
    for one in bits:
        union |= one
    return union


def killed(first: Member, second: Member) -> None:
    """Both own something, one dies."""
    first.start()
    second.start()
    wait.until(lambda: shared(first, second) and second.owned.value, "both to own something")
    second.kill()
    second.start()


def killed_revoking(first: Member, second: Member) -> None:
    """One owns everything, another joins, the first dies while it gives partitions up."""
    second.start()
    wait.until(lambda: shared(second), "one to own everything")
    second.dies_revoking.value = 1
    first.start()
    second.wait()
    second.start()


FAULTS: Final[dict[str, Callable[[Member, Member], None]]] = {
    "kill -9": killed,
    "killed while revoking": killed_revoking,
}


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
    parser.add_argument("--tries", type=int, default=10, help="of each fault in each mode (10)")
    parser.add_argument("--give-up", type=float, default=40.0, metavar="SECONDS", help="(40)")
    options = parser.parse_args(arguments)
    # Ended from outside, it still ends what it started.
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
    sys.stdout.write(
        f"\nApache Kafka {jars.VERSION}, one node; session {SESSION_MS / 1_000:g} s, heartbeats "
        f"every {HEARTBEAT_MS / 1_000:g} s, {PARTITIONS} partitions, {options.tries} tries, given "
        f"up after {options.give_up:g} s.\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
