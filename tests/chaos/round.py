"""One round: a fault on a stage, recovery, and the verdict."""

import contextlib
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from confluent_kafka import KafkaException

from consumer.errors import (
    STUCK_EXIT_CODE,
    UNKNOWN_EXIT_CODE,
    KafkaStoppedError,
    StoreStoppedError,
)
from tests.broker import jars, ports, topics, wait
from tests.broker.hanging import hanging
from tests.broker.native import NativeKafka
from tests.broker.proxy import Proxy
from tests.broker.read import committed, read_all
from tests.broker.transactions import open_transactions, unstable_partitions
from tests.broker.wait import GENEROUS
from tests.chaos import memory
from tests.chaos.check import Observation, check
from tests.chaos.database import RoundDatabase
from tests.chaos.faults import Fault
from tests.chaos.memory import StoreKind
from tests.chaos.stage import PARTITIONS, TRANSACTION_S, WORKER_ENV, Names, Stage
from tests.chaos.traffic import (
    BAD,
    LiveReader,
    Pool,
    Traffic,
    make_history_pool,
    make_pool,
    sources,
)
from tests.chaos.workers import Fleet, Launcher, Worker
from tests.database.native import NativePostgres
from tests.database.provide import database
from tests.harness.outcomes import Expected, Outputs, Place

SENT = (signal.SIGKILL, signal.SIGTERM)
"""Signals that the harness sends."""
FLAWED_S = 30.0
"""A flawed worker may stand still for good, or have set offsets back: that is seen soon enough."""

Protocol = Literal["classic", "consumer"]
Membership = Literal["static", "dynamic"]
Cluster = tuple[int, str]
"""Number of nodes, and version of Apache Kafka."""


@dataclass(frozen=True)
class Case:
    """The definition of a round; enough to repeat it."""

    fault: Fault
    protocol: Protocol
    membership: Membership
    seed: str
    mutant: str | None = None
    kafka: str = field(default_factory=jars.version)
    """Version of Apache Kafka."""
    store: StoreKind | None = None
    """Where the workers remember claims; None: they do not."""

    def __str__(self) -> str:
        mode = f"{self.protocol} {self.membership}"
        told = f"{self.fault.name} {mode} seed {self.seed} kafka {self.kafka}"
        return told if self.store is None else f"{told} memory {self.store}"


@dataclass(frozen=True)
class Result:
    """The result of a round."""

    case: Case
    broken: Sequence[str]
    records: int
    seconds: float
    codes: Mapping[str, Sequence[int]]
    """Exit codes of each worker, in order; minus the signal where one ended it."""
    logs: Path | None
    """Kept when something was broken."""


class Arena:
    """Brokers, database, launcher and claims that rounds share."""

    def __init__(self, logs: Path, *, keep_logs: bool = False) -> None:
        self._logs = logs
        self._keep_logs = keep_logs
        self._stack = contextlib.ExitStack()
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self._pools: dict[bool, Pool] = {}
        self.launcher = self._stack.enter_context(Launcher())
        self._server: NativePostgres | None = None
        self._clusters: dict[Cluster, tuple[contextlib.ExitStack, NativeKafka, Proxy | None]] = {}

    def close(self) -> None:
        for cluster in list(self._clusters):
            self._drop(cluster)
        self._stack.close()

    def _pool(self, *, memory: bool) -> Pool:
        if memory not in self._pools:
            self._pools[memory] = (make_history_pool if memory else make_pool)(self._folder)
        return self._pools[memory]

    def _cluster(self, wanted: Cluster) -> tuple[NativeKafka, Proxy | None]:
        nodes, kafka_version = wanted
        for other in set(self._clusters) - {wanted}:
            self._drop(other)
        if wanted not in self._clusters:
            stack = contextlib.ExitStack()
            if nodes == 1:
                (port,) = ports.free_ports(1)
                kafka = stack.enter_context(NativeKafka(advertised=[port], version=kafka_version))
                proxy: Proxy | None = stack.enter_context(Proxy(port, kafka.node.port))
            else:
                kafka, proxy = stack.enter_context(NativeKafka(nodes, version=kafka_version)), None
            self._clusters[wanted] = stack, kafka, proxy
        _, kafka, proxy = self._clusters[wanted]
        return kafka, proxy

    @contextlib.contextmanager
    def _database(self, case: Case, topic: str) -> Iterator[RoundDatabase | None]:
        if case.store != "postgresql":
            yield None
            return
        if self._server is None:
            self._server = self._stack.enter_context(NativePostgres())
        with database(self._server.url) as url:
            made = RoundDatabase(self._server, url, topic)
            try:
                yield made
            finally:
                made.heal()

    def _drop(self, cluster: Cluster) -> None:
        self._clusters.pop(cluster)[0].close()

    def play(self, case: Case) -> Result:
        """Run the round."""
        started = time.monotonic()
        folder = self._logs / str(case).replace(" ", "-").replace(":", "-")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        cluster = case.fault.nodes, case.kafka
        kafka, proxy = self._cluster(cluster)
        with self._stage(case, kafka, proxy, folder) as stage:
            broken, records = _play(case, stage)
            codes = {w.name: w.codes for w in stage.fleet.members}
        if broken:
            (folder / "broken.txt").write_text("\n".join(broken) + "\n")
            for node in kafka.nodes:
                node.kill()
                shutil.copytree(node.folder, folder / f"broker-{node.id}")
            self._drop(cluster)  # whatever it was, no later round inherits it
        elif not self._keep_logs:
            shutil.rmtree(folder)
        took = time.monotonic() - started
        return Result(case, broken, records, took, codes, folder if broken else None)

    @contextlib.contextmanager
    def _stage(
        self, case: Case, kafka: NativeKafka, proxy: Proxy | None, folder: Path
    ) -> Iterator[Stage]:
        names, pool = Names(), self._pool(memory=case.store is not None)
        # Claims that are remembered have times of their own, which are long ago.
        topics.create(kafka.direct, names.claims, PARTITIONS, {"retention.ms": "-1"})
        topics.create(kafka.direct, names.alerts, PARTITIONS)
        limit = case.fault.dead_letter_bytes
        config = {"max.message.bytes": str(limit)} if limit else {}
        topics.create(kafka.direct, names.dead_letters, PARTITIONS, config)
        topics.create(kafka.direct, names.memory, PARTITIONS, {"cleanup.policy": "compact"})
        model_dir = folder / "model"
        shutil.copytree(pool.models[0], model_dir)
        env = {
            **WORKER_ENV,
            **names.env(),
            "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
            "KAFKA_GROUP_PROTOCOL": case.protocol,
            "MEMBERSHIP": case.membership,
            "MODEL_DIR": str(model_dir),
        }
        log = None if case.store is None else names.memory
        traffic = Traffic(kafka.direct, names.claims, pool, case.seed, log)
        if case.mutant is not None:
            traffic.aborted_share = 0.0  # it is to be caught by more than reading aborted claims
        traffic.bad = BAD if case.fault.bad_from_start else ()
        live = LiveReader(kafka.direct, _live_topics(case, names))
        with contextlib.ExitStack() as stack:
            held = stack.enter_context(self._database(case, names.memory))
            if case.store is not None:
                env |= memory.environment(folder, names.memory, held)
            stack.callback(live.close)
            stack.callback(traffic.finish)
            if proxy is not None:
                stack.callback(proxy.heal)
            fleet = stack.enter_context(
                Fleet(self.launcher, folder, env, GENEROUS if case.mutant is None else FLAWED_S)
            )
            traffic.start()
            made = Stage(
                kafka=kafka,
                proxy=proxy,
                fleet=fleet,
                traffic=traffic,
                live=live,
                names=names,
                pool=pool,
                model_dir=model_dir,
                random=random.Random(case.seed),
                mark=folder / "mark",
                database=held,
                mutant=case.mutant,
            )
            if held is not None:
                for number in range(made.random.choice((1, 2))):
                    made.filling(f"a{number}")
                # Workers would end, and start again, before anybody has begun to fill it.
                fleet.until(lambda: all(a.up() for a in fleet.appliers), "appliers to be up")
            yield made


def _live_topics(case: Case, names: Names) -> list[str]:
    return [names.alerts, names.dead_letters] if case.fault.live_dead_letters else [names.alerts]


def _play(case: Case, stage: Stage) -> tuple[list[str], int]:
    broken: list[str] = []
    try:
        case.fault.act(stage)
    except (TimeoutError, RuntimeError, LookupError, KafkaException) as error:
        broken.append(f"the fault did not work out: {error!r}")
    stage.traffic.finish()
    if stage.proxy is not None:
        stage.proxy.heal()
    if stage.database is not None:
        stage.database.heal()
    expected = sources(stage.kafka.direct, stage.names.claims, stage.pool)
    ends = next_offsets(expected)
    if not _caught_up(stage, ends):
        held = why_stuck(stage.kafka)
        broken += ["stuck after the fault: not every offset was committed", *held]
        if case.mutant is not None and held:  # what they hold back would be waited for in vain
            return broken, len(expected)
    if not _applied(stage):
        broken.append("stuck after the fault: the database does not get what the log has")
    try:
        stage.fleet.stop_all()
    except TimeoutError as error:
        broken.append(f"stuck when told to stop: {error}")
    broken += [f"{w.name} crashed: exit codes {w.codes}" for w in stage.fleet.members if crashed(w)]
    broken += [f"{w.name} did not stop in good order" for w in stage.fleet.members if disorderly(w)]
    try:
        seen = observe(case, stage, expected, ends)
    except TimeoutError as error:
        return [*broken, f"what Kafka holds cannot be read: {error}"], len(expected)
    if case.store is None:
        return [*broken, *map(str, check(seen))], len(expected)
    outputs = seen.outputs
    scored = memory.scored(outputs.expected, outputs.alerts, stage.pool.models)
    broken += map(str, check(seen._replace(outputs=outputs._replace(expected=scored))))
    remembered = memory.Remembered(
        claims=read_all(stage.kafka.direct, stage.names.claims),
        alerts=outputs.alerts,
        log=read_all(stage.kafka.direct, stage.names.memory),
        stores=stage.stores,
        database=stage.database,
    )
    broken += map(str, memory.check(remembered))
    return broken, len(expected)


def _caught_up(stage: Stage, ends: Mapping[int, int]) -> bool:
    try:
        stage.fleet.until(lambda: stage.caught_up(ends), "every offset to be committed")
    except TimeoutError:
        return False
    return True


def _applied(stage: Stage) -> bool:
    if stage.database is None:
        return True
    try:
        stage.fleet.until(stage.applied, "the log in the database")
    except TimeoutError:
        return False
    return True


def why_stuck(kafka: NativeKafka) -> list[str]:
    """The transactions that hang in the brokers.

    They are named, not ended: a worker has to get past them without an operator.
    """
    found = hanging(kafka.direct, [node.id for node in kafka.nodes if node.running])
    return [f"a transaction hangs: {one}" for one in found]


def crashed(worker: Worker) -> bool:
    """Whether a signal that nobody sent ended a worker: a fault in compiled code."""
    return any(code < 0 and -code not in SENT for code in worker.codes)


def disorderly(worker: Worker) -> bool:
    """True if a worker asked to stop crashed or had to be killed.

    The echo of a fault may still end it with an exit code that says so, and the signal itself
    ends it before it is up.
    """
    last = worker.codes[-1] if worker.codes else None
    early = last == -signal.SIGTERM and not worker.up()
    stopped = KafkaStoppedError.exit_code, StoreStoppedError.exit_code
    orderly = {0, *stopped, STUCK_EXIT_CODE, UNKNOWN_EXIT_CODE}
    return not (worker.gone or early or last in orderly)


def observe(
    case: Case, stage: Stage, expected: Mapping[Place, Expected], ends: Mapping[int, int]
) -> Observation:
    """Read what Kafka holds at the end."""
    kafka, names = stage.kafka.direct, stage.names
    with contextlib.suppress(TimeoutError):
        wait.until(lambda: not open_transactions(kafka), "transactions to end", TRANSACTION_S + 20)
    still_open = open_transactions(kafka)
    alerts = read_all(kafka, names.alerts)
    dead_letters = read_all(kafka, names.dead_letters)
    live_topics = _live_topics(case, names)
    final = len(alerts) + (len(dead_letters) if names.dead_letters in live_topics else 0)
    with contextlib.suppress(TimeoutError):
        wait.until(lambda: len(stage.live.rows) >= final, "the live reader", 20)
    return Observation(
        outputs=Outputs(
            expected, alerts, dead_letters, may_be_cut=case.fault.dead_letter_bytes is not None
        ),
        seen_live=stage.live.rows,
        live_topics=live_topics,
        committed=committed(kafka, names.group, names.claims, stage.fleet.patience_s),
        next_offsets=ends,
        open_transactions=still_open,
        unstable=unstable_partitions(kafka, [names.alerts, names.dead_letters]),
    )


def next_offsets(expected: Mapping[Place, Expected]) -> dict[int, int]:
    """Offset after the last source record, by partition."""
    ends: dict[int, int] = {}
    for _, partition, offset in expected:
        ends[partition] = max(ends.get(partition, 0), offset + 1)
    return ends
