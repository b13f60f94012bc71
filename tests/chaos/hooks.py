"""Faults at a step of the worker, from outside: its Kafka clients and model are wrapped.

Production code has no hook: each client class the worker's modules import is replaced in the
launched process by a subclass that may kill, stop, end or slow the process at a step.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import confluent_kafka
import msgspec

Point = Literal[
    "consume:after",
    "score:before",
    "begin:before",
    "begin:after",
    "produce:before",
    "produce:after",
    "offsets:before",
    "offsets:after",
    "commit:before",
    "commit:after",
    "revoke:before",
    "revoke:after",
    "facts:after",
    "applied:after",
]
Action = Literal["kill", "stop", "term", "sleep"]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The action on the worker at its nth passing of a point."""

    point: Point
    action: Action
    mark: str
    """File that is written when it happens."""
    nth: int = 1
    seconds: float = 0.0
    """Sleep so long there; after a stop, once the process runs again."""
    flush: bool = False
    """Let what was produced reach the broker first."""


class Trap:
    """Counts passings and acts at the planned one."""

    def __init__(self, plan: Plan | None) -> None:
        self._plan = plan
        self._passed = 0
        self._lock = threading.Lock()

    def at(self, point: Point, flush: Callable[[float], object] | None = None) -> None:
        plan = self._plan
        if plan is None or plan.point != point:
            return
        with self._lock:
            self._passed += 1
            if self._passed != plan.nth:
                return
        if plan.flush and flush is not None:
            flush(5.0)
        Path(plan.mark).write_text(point)
        act(plan)


def act(plan: Plan) -> None:
    """Do it to this very process."""
    if plan.action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif plan.action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif plan.action == "term":
        os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(plan.seconds)


def producer_class(trap: Trap) -> type[confluent_kafka.Producer]:
    """A Producer that passes the trap at each transactional step."""

    class TrappedProducer(confluent_kafka.Producer):
        def begin_transaction(self, *args: Any, **kwargs: Any) -> Any:
            trap.at("begin:before")
            super().begin_transaction(*args, **kwargs)
            trap.at("begin:after")

        def produce(self, *args: Any, **kwargs: Any) -> Any:
            trap.at("produce:before", self.flush)
            super().produce(*args, **kwargs)
            trap.at("produce:after", self.flush)

        def send_offsets_to_transaction(self, *args: Any, **kwargs: Any) -> Any:
            trap.at("offsets:before", self.flush)
            super().send_offsets_to_transaction(*args, **kwargs)
            trap.at("offsets:after", self.flush)

        def commit_transaction(self, *args: Any, **kwargs: Any) -> Any:
            trap.at("commit:before", self.flush)
            super().commit_transaction(*args, **kwargs)
            trap.at("commit:after")

    return TrappedProducer


def consumer_class(trap: Trap) -> type[confluent_kafka.Consumer]:
    """A Consumer that passes the trap whenever it brought records or gives partitions up."""

    class TrappedConsumer(confluent_kafka.Consumer):
        def subscribe(self, *args: Any, **kwargs: Any) -> None:
            on_revoke = kwargs["on_revoke"]

            def trapped(*revoked: Any) -> None:
                trap.at("revoke:before")
                on_revoke(*revoked)
                trap.at("revoke:after")

            super().subscribe(*args, **{**kwargs, "on_revoke": trapped})

        def poll(self, *args: Any, **kwargs: Any) -> Any:
            message = super().poll(*args, **kwargs)
            if message is not None:
                trap.at("consume:after")
            return message

        def consume(self, *args: Any, **kwargs: Any) -> Any:
            messages = super().consume(*args, **kwargs)
            if messages:
                trap.at("consume:after")
            return messages

    return TrappedConsumer


def install(plan: Plan | None) -> None:
    """Wrap the clients, the scoring and the database of this process's worker."""
    from consumer.batch.process import process
    from consumer.memory.postgres.store import PostgresStore
    from consumer.memory.postgres.writing import write

    trap = Trap(plan)
    replace(confluent_kafka.Producer, producer_class(trap))
    replace(confluent_kafka.Consumer, consumer_class(trap))

    def trapped(*args: Any, **kwargs: Any) -> Any:
        trap.at("score:before")
        return process(*args, **kwargs)

    replace(process, trapped)

    def written(*args: Any, **kwargs: Any) -> None:
        write(*args, **kwargs)
        trap.at("facts:after")  # in a transaction: the positions are to come

    class TrappedStore(PostgresStore):
        def apply(self, *args: Any, **kwargs: Any) -> None:
            super().apply(*args, **kwargs)
            trap.at("applied:after")

    replace(write, written)
    replace(PostgresStore, TrappedStore)


def replace(old: object, new: object) -> None:
    """Put `new` wherever a module of the worker has imported `old`."""
    found = 0
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == "consumer":
            for attribute, value in list(vars(module).items()):
                if value is old:
                    setattr(module, attribute, new)
                    found += 1
    assert found, f"no module of the worker uses {old}"
