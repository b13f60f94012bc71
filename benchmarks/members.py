"""Bare clients that share a topic in a group, as processes to be killed."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from multiprocessing.sharedctypes import Synchronized
from typing import Any, Final, NamedTuple

from confluent_kafka import Consumer

from tests.broker import wait

PARTITIONS: Final = 4
EVERYTHING: Final = (1 << PARTITIONS) - 1
SESSION_MS: Final = 6_000
HEARTBEAT_MS: Final = 500
CONTEXT: Final = multiprocessing.get_context("forkserver")


class Mode(NamedTuple):
    """The way members share the partitions."""

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
    """True if each partition has one owner."""
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
