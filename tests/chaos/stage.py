"""The stage of a fault: brokers, proxy, workers and traffic of one round."""

import contextlib
import random
import shutil
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaException

from tests.broker import topics
from tests.broker.native import NativeKafka
from tests.broker.proxy import Proxy
from tests.broker.read import committed, end_offsets
from tests.chaos.database import RoundDatabase
from tests.chaos.hooks import Action, Plan, Point
from tests.chaos.traffic import LiveReader, Pool, Traffic
from tests.chaos.workers import APPLY, Fleet, Worker

PARTITIONS = 4
SESSION_S = 2.0
TRANSACTION_S = 7.0
STEP_S = 8.0
ASK_EVERY_S = 0.7

WORKER_ENV: Mapping[str, str] = {
    "BATCH_SIZE": "50",
    "BATCH_WAIT_MS": "5",
    "STEP_TIMEOUT_S": str(STEP_S),
    "METRICS_PORT": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "KAFKA_SESSION_TIMEOUT_MS": str(int(SESSION_S * 1000)),
    "KAFKA_HEARTBEAT_INTERVAL_MS": "400",
    "KAFKA_TRANSACTION_TIMEOUT_MS": str(int(TRANSACTION_S * 1000)),
    "KAFKA_RECONNECT_BACKOFF_MAX_MS": "500",
}


@dataclass(frozen=True)
class Names:
    """Topics and group of one round."""

    claims: str = field(default_factory=lambda: topics.fresh_name("claims"))
    alerts: str = field(default_factory=lambda: topics.fresh_name("alerts"))
    dead_letters: str = field(default_factory=lambda: topics.fresh_name("dead"))
    memory: str = field(default_factory=lambda: topics.fresh_name("memory"))
    group: str = field(default_factory=lambda: topics.fresh_name("group"))

    def env(self) -> dict[str, str]:
        return {
            "CLAIMS_TOPIC": self.claims,
            "ALERTS_TOPIC": self.alerts,
            "DEAD_LETTER_TOPIC": self.dead_letters,
            "CONSUMER_GROUP": self.group,
        }


@dataclass
class Stage:
    """Everything a fault may touch."""

    kafka: NativeKafka
    proxy: Proxy | None
    fleet: Fleet
    traffic: Traffic
    live: LiveReader
    names: Names
    pool: Pool
    model_dir: Path
    random: random.Random
    mark: Path
    database: RoundDatabase | None = None
    """Where the workers remember, if that is PostgreSQL."""
    mutant: str | None = None
    _ask_at: float = 0.0

    def start(self, plan: Plan | None = None, env: Mapping[str, str] | None = None) -> Worker:
        """Start the two workers; the first one, which has the plan."""
        first = self.fleet.add("w0", plan, mutant=self.mutant, env=env)
        self.fleet.add("w1", mutant=self.mutant, env=env)
        return first

    def filling(self, name: str, plan: Plan | None = None, instance: str | None = None) -> Worker:
        """Start a process that fills the database."""
        return self.fleet.add(name, plan, instance=instance, mutant=self.mutant, arguments=APPLY)

    def running(self, env: Mapping[str, str] | None = None) -> Worker:
        """Start the two workers and wait until they publish."""
        first = self.start(env=env)
        self.progress(100)
        return first

    def progress(self, outcomes: int = 50) -> None:
        """Wait until this many more outcomes are there."""
        target = len(self.live.rows) + outcomes
        self.fleet.until(lambda: len(self.live.rows) >= target, f"{outcomes} more outcomes")

    def back(self, worker: Worker, ends: int = 1) -> None:
        """Wait until the worker has ended so often and runs again, and more outcomes are there."""
        self.fleet.until(
            lambda: len(worker.codes) >= ends and worker.up(), f"{worker.name} to be back"
        )
        self.progress()

    def kill(self, *workers: Worker) -> None:
        """Kill workers, which are not started again for now."""
        for worker in workers:
            worker.keep = False
            worker.signal(signal.SIGKILL)
        self.fleet.until(lambda: all(w.pid is None for w in workers), "the end of killed workers")

    def start_again(self, *workers: Worker) -> None:
        """Start workers that were killed, and wait until they are back."""
        for worker in workers:
            worker.keep = True
        for worker in workers:
            self.back(worker)

    def hit(self) -> None:
        """Wait until the planned fault has happened."""
        self.fleet.until(self.mark.exists, "the planned fault to happen")

    def replace_model(self, model: Path) -> None:
        """Put another model where the workers look for theirs."""
        aside = self.model_dir.with_name("next")
        shutil.copytree(model, aside)
        self.model_dir.rename(self.model_dir.with_name("old"))
        aside.rename(self.model_dir)
        shutil.rmtree(self.model_dir.with_name("old"))

    @property
    def stores(self) -> Path:
        """Where the workers store what they remember."""
        return self.mark.with_name("stores")

    def store_of(self, worker: Worker) -> Path:
        """Where this worker does."""
        (found,) = (self.stores / worker.name).iterdir()
        return found

    @property
    def filled(self) -> RoundDatabase:
        """The database that the workers read."""
        assert self.database is not None
        return self.database

    def network(self) -> Proxy:
        assert self.proxy is not None
        return self.proxy

    def caught_up(self, ends: Mapping[int, int]) -> bool:
        """True if the group has committed everything; Kafka is queried occasionally."""
        if time.monotonic() < self._ask_at:
            return False
        self._ask_at = time.monotonic() + ASK_EVERY_S
        with contextlib.suppress(KafkaException, TimeoutError):
            own, patience = self.names, self.fleet.patience_s
            return committed(self.kafka.direct, own.group, own.claims, patience) == ends
        return False

    def applied(self) -> bool:
        """True if the database has everything that is committed in the log; both are queried
        occasionally.
        """
        if time.monotonic() < self._ask_at:
            return False
        self._ask_at = time.monotonic() + ASK_EVERY_S
        ends = end_offsets(self.kafka.direct, [self.names.memory])
        return self.filled.has({partition: end for (_, partition), end in ends.items()})


def plan(stage: Stage, point: Point, action: Action, seconds: float = 0.0) -> Plan:
    """A plan for a random passing of the point."""
    most = {"produce:after": 400, "consume:after": 60}.get(point, 30)
    return Plan(
        point=point,
        action=action,
        mark=str(stage.mark),
        nth=stage.random.randint(3, most),
        seconds=seconds,
        flush=stage.random.random() < 0.5,
    )
