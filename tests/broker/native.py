"""Apache Kafka as processes of this machine, to be killed, frozen and restarted by tests."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.broker import ports, wait
from tests.broker.jars import jars
from tests.broker.jars import version as jars_version
from tests.harness.process import die_with_parent

QUICK: Mapping[str, str] = {
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.min.heartbeat.interval.ms": "300",
    "group.consumer.session.timeout.ms": "2500",
    "group.consumer.heartbeat.interval.ms": "500",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
    "transaction.remove.expired.transaction.cleanup.interval.ms": "60000",
    "transaction.state.log.num.partitions": "5",
    "offsets.topic.num.partitions": "5",
    "share.coordinator.state.topic.num.partitions": "1",
    "broker.session.timeout.ms": "6000",
    "broker.heartbeat.interval.ms": "500",
    "num.network.threads": "2",
    "num.io.threads": "4",
}
"""Settings that make faults show in seconds; none weakens what Kafka promises."""

JVM = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")

LOGGING = """\
appender.file.type = File
appender.file.name = File
appender.file.fileName = {file}
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{{ISO8601}} %p %c{{1}} %m%n
rootLogger.level = warn
rootLogger.appenderRef.file.ref = File
"""


class Node:
    """One broker with a controller in the same process; ports and data outlive a kill."""

    def __init__(
        self,
        node_id: int,
        folder: Path,
        port: int,
        direct_port: int,
        advertised: int,
        version: str,
    ) -> None:
        self.id = node_id
        self.version = version
        self.folder = folder
        self.port = port
        self.direct_port = direct_port
        self.advertised = advertised
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> Path:
        return self.folder / "broker.log"

    def start(self) -> None:
        """Start the process. From the main thread: it dies with the thread that started it."""
        assert not self.running
        command = [
            *die_with_parent(), "java", *JVM,
            f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}",
            "-cp", f"{jars(self.version)}/*", "kafka.Kafka", str(self.folder / "server.properties"),
        ]  # fmt: skip
        with (self.folder / "console.log").open("ab") as out:
            self._process = subprocess.Popen(
                command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True
            )

    def kill(self) -> None:
        """End it as a power cut would."""
        self.kill_soon()
        self._end(signal.SIGKILL)

    def kill_soon(self) -> None:
        """Begin to `kill` it: the signal is sent, its end not awaited."""
        self._signal(signal.SIGKILL)

    def stop(self) -> None:
        """End it in good order: partitions and coordinators move first."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    def _end(self, number: signal.Signals) -> None:
        self._signal(signal.SIGCONT)
        self._signal(number)
        if self._process is not None:
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


class NativeKafka:
    """A cluster of one or three nodes, started on entry, gone with its data on exit."""

    def __init__(
        self,
        nodes: int = 1,
        advertised: Sequence[int] | None = None,
        settings: Mapping[str, str] | None = None,
        version: str | None = None,
    ) -> None:
        """Plan the cluster.

        Args:
            nodes: how many brokers.
            advertised: the ports clients are told to use, one a node: a proxy's.
            settings: broker settings in addition to `QUICK`.
            version: of Apache Kafka; `jars.version` by default.
        """
        self._folder = Path(tempfile.mkdtemp(prefix="kafka-"))
        free = ports.free_ports(nodes * 3)
        mine, direct, self._controllers = free[:nodes], free[nodes:-nodes], free[-nodes:]
        self._settings = settings or {}
        self.version = version or jars_version()
        self.nodes = [
            Node(i + 1, self._folder / str(i + 1), *of_node, self.version)
            for i, of_node in enumerate(zip(mine, direct, advertised or mine, strict=True))
        ]

    @property
    def node(self) -> Node:
        return self.nodes[0]

    @property
    def direct(self) -> str:
        """Addresses that never go through a proxy."""
        return ",".join(f"127.0.0.1:{n.direct_port}" for n in self.nodes)

    @property
    def bootstrap(self) -> str:
        """Addresses for clients: the proxies', where there are any."""
        return ",".join(f"127.0.0.1:{n.advertised}" for n in self.nodes)

    def __enter__(self) -> Self:
        try:
            self._format()
            self.start()
            self.ready()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def kill(self) -> None:
        """End every node at once, as a power cut would."""
        for node in self.nodes:
            node.kill_soon()
        for node in self.nodes:
            node.kill()

    def start(self) -> None:
        """Start every node."""
        for node in self.nodes:
            node.start()

    def ready(self) -> None:
        """Wait until every running node answers and knows of the others."""
        up = [n for n in self.nodes if n.running]
        for node in up:
            wait.until(
                lambda n=node: self._answers(n, len(up)),  # type: ignore[misc]
                f"broker {node.id}; its log is {node.log}",
            )

    def _answers(self, node: Node, expected: int) -> bool:
        if not node.running:
            console = (node.folder / "console.log").read_text()[-2000:]
            raise RuntimeError(f"broker {node.id} ended by itself: {console}")
        return wait.brokers(f"127.0.0.1:{node.direct_port}") >= expected

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _format(self) -> None:
        cluster = uuid.uuid4().hex[:22]
        for node in self.nodes:
            node.folder.mkdir()
            (node.folder / "log4j2.properties").write_text(LOGGING.format(file=node.log))
            properties = node.folder / "server.properties"
            properties.write_text("".join(f"{k}={v}\n" for k, v in self._properties(node)))
            subprocess.run(
                ["java", *JVM, "-cp", f"{jars(self.version)}/*", "kafka.tools.StorageTool",
                 "format", "--cluster-id", cluster, "--config", str(properties)],
                check=True, capture_output=True,
            )  # fmt: skip

    def _properties(self, node: Node) -> Iterator[tuple[str, str]]:
        copies = str(len(self.nodes))
        most = str(len(self.nodes) // 2 + 1)
        voters = ",".join(
            f"{n.id}@127.0.0.1:{port}"
            for n, port in zip(self.nodes, self._controllers, strict=True)
        )
        yield from {
            "process.roles": "broker,controller",
            "node.id": str(node.id),
            "controller.quorum.voters": voters,
            "controller.listener.names": "CONTROLLER",
            "listeners": f"CLIENT://127.0.0.1:{node.port},DIRECT://127.0.0.1:{node.direct_port},"
            f"CONTROLLER://127.0.0.1:{self._controllers[node.id - 1]}",
            "advertised.listeners": f"CLIENT://127.0.0.1:{node.advertised},"
            f"DIRECT://127.0.0.1:{node.direct_port}",
            "listener.security.protocol.map": "CLIENT:PLAINTEXT,DIRECT:PLAINTEXT,"
            "CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "DIRECT",
            "log.dirs": str(node.folder / "data"),
            "default.replication.factor": copies,
            "min.insync.replicas": most,
            "offsets.topic.replication.factor": copies,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": most,
            "share.coordinator.state.topic.replication.factor": copies,
            "share.coordinator.state.topic.min.isr": most,
            **QUICK,
            **self._settings,
        }.items()
