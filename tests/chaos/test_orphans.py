"""A member dies while giving up partitions and is back at once: none may remain without an owner.

With static membership and a cooperative assignor the coordinator gives the member that came back
its old assignment without a rebalance, and what it was giving up belongs to nobody.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.broker import wait
from tests.conftest import NewTopic
from tests.harness.process import Process, module

pytestmark = pytest.mark.kafka

ALL = [0, 1, 2, 3]
STEADY_S = 3.0
"""For so long every partition has its owner: a rebalance would show in between."""


class Group:
    """Two members of one group."""

    def __init__(self, bootstrap: str, topic: str, assignor: str, folder: Path) -> None:
        self._arguments = bootstrap, topic
        self._assignor = assignor
        self._folder = folder
        self.die = folder / "die"
        self.processes: list[Process] = []

    def start(self, name: str) -> Process:
        (self._folder / name).unlink(missing_ok=True)
        member = [*self._arguments, name, self._assignor, str(self._folder)]
        log = self._folder / f"{name}.log"
        started = Process(module("tests.chaos.member", *member), os.environ, log)
        self.processes.append(started)
        return started

    def owned(self) -> list[int]:
        """The partitions owned by the members, once all have recorded them."""
        files = [self._folder / name for name in ("w0", "w1")]
        return sorted(p for f in files if f.exists() for p in msgspec.json.decode(f.read_bytes()))

    def steady(self) -> bool:
        """True if every partition has exactly one owner, and still has it after a while."""
        end = time.monotonic() + STEADY_S
        while time.monotonic() < end:
            if self.owned() != ALL:
                return False
            time.sleep(0.1)
        return True


@contextlib.contextmanager
def group(bootstrap: str, topic: str, assignor: str, folder: Path) -> Iterator[Group]:
    made = Group(bootstrap, topic, assignor, folder)
    try:
        yield made
    finally:
        for process in made.processes:
            process.kill()


@pytest.mark.parametrize("assignor", ["range", "roundrobin"])
def test_an_eager_static_member_that_died_revoking_leaves_no_orphans(
    kafka: str, new_topic: NewTopic, tmp_path: Path, assignor: str
) -> None:
    with group(kafka, new_topic(partitions=4), assignor, tmp_path) as members:
        dying = members.start("w1")
        wait.until(lambda: members.owned() == ALL, "one member to own everything")
        members.die.touch()
        members.start("w0")
        assert dying.wait(60) == -9
        members.die.unlink()
        members.start("w1")
        wait.until(members.steady, "every partition to have an owner", 60)
