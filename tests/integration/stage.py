"""Separate topics and a group, and workers as processes on them."""

import contextlib
import signal
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from confluent_kafka.admin import AdminClient
from prometheus_client.parser import text_string_to_metric_families

from consumer.outcomes.topics import create_every_topic
from consumer.settings.settings import Settings, read_settings
from tests.broker import ports, topics, wait
from tests.broker.read import committed, end_offsets
from tests.harness import process
from tests.harness.process import Process
from tests.integration.traffic import Row, produce


class Answer(NamedTuple):
    """The response of an HTTP endpoint."""

    status: int
    text: str


class Worker(Process):
    """``python -m consumer run`` (or another command) as a separate process."""

    def __init__(
        self,
        environ: Mapping[str, str],
        log: Path,
        arguments: tuple[str, ...],
        module: str = "consumer",
    ) -> None:
        super().__init__(process.module(module, *arguments), environ, log)
        self.port = int(environ["METRICS_PORT"])

    def get(self, path: str) -> Answer | None:
        """Request its operations endpoints; None while nothing answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as found:
                return Answer(found.status, found.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.read().decode())
        except OSError:
            return None

    def ready(self) -> "Worker":
        """Wait until it has its model and partitions."""
        wait.until(lambda: self.check() and (self.get("/readyz") or (0,))[0] == 200, "a worker")
        return self

    def metrics(self) -> dict[tuple[str, ...], float]:
        """Samples by name and values of the labels."""
        found = self.get("/metrics")
        assert found is not None
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(found.text)
            for sample in family.samples
        }


class Stage:
    """Three topics of fresh names, a group, and the workers started on them."""

    def __init__(self, bootstrap: str, folder: Path, model_dir: Path, partitions: int = 4) -> None:
        name = topics.fresh_name("t")
        self.bootstrap = bootstrap
        self.claims, self.alerts, self.dead = (f"{name}.{s}" for s in ("claims", "alerts", "dead"))
        self.group = f"{name}.group"
        self.environ = {
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "CLAIMS_TOPIC": self.claims,
            "ALERTS_TOPIC": self.alerts,
            "DEAD_LETTER_TOPIC": self.dead,
            "OUTCOMES_TOPIC": f"{name}.outcomes",
            "OUTCOMES_DEAD_LETTER_TOPIC": f"{name}.outcomes-dead",
            "CONSUMER_GROUP": self.group,
            "INSTANCE_ID": "w1",
            "METRICS_PORT": "0",
            "MODEL_DIR": str(model_dir),
            "DEAD_LETTER_MAX_RATIO": "1",
            "DEAD_LETTER_MAX_CONSECUTIVE": "1000000",
        }
        self.folder = folder
        self.workers: list[Worker] = []
        create_every_topic(self.settings(), partitions, 1)
        wait.until(lambda: self._led(partitions), "leaders of the topics")

    def _led(self, partitions: int) -> bool:
        found = AdminClient({"bootstrap.servers": self.bootstrap}).list_topics(timeout=30).topics
        return all(
            name in found
            and len(found[name].partitions) == partitions
            and all(p.leader >= 0 for p in found[name].partitions.values())
            for name in (self.claims, self.alerts, self.dead)
        )

    def settings(self, **changes: str) -> Settings:
        """The settings the workers read."""
        return read_settings({**self.environ, **changes})

    def worker(self, instance: str = "w1", **settings: str) -> Worker:
        """Start a worker."""
        return self.command("run", INSTANCE_ID=instance, **settings)

    def command(self, *arguments: str, module: str = "consumer", **settings: str) -> Worker:
        """Start a command."""
        (port,) = ports.free_ports(1)
        changes = {**self.environ, "METRICS_PORT": str(port), **settings}
        log = self.folder / f"{len(self.workers)}.log"
        self.workers.append(Worker(process.environment(changes), log, arguments, module))
        return self.workers[-1]

    def send(self, rows: list[Row]) -> int:
        """Produce to the claims topic."""
        return produce(self.bootstrap, self.claims, rows)

    def committed(self) -> dict[int, int]:
        """Committed offsets of the claims topic's partitions."""
        return committed(self.bootstrap, self.group, self.claims)

    def claim_ends(self) -> dict[int, int]:
        """End offsets of the non-empty partitions of the claims topic."""
        ends = end_offsets(self.bootstrap, [self.claims])
        return {p: end for (_, p), end in ends.items() if end}

    def wait_published(self, count: int, worker: Worker) -> None:
        """Wait until about so much was written to the outputs, by a worker that runs."""
        wait.until(lambda: worker.check() and self.published() > count, "some alerts")

    def drained(self) -> bool:
        """True if every claim is committed."""
        return self.committed() == self.claim_ends()

    def wait_drained(self) -> None:
        """Wait until every claim is committed; fails when a worker ends by itself."""
        running = [w for w in self.workers if not w.ended]
        assert running
        wait.until(lambda: all(w.check() for w in running) and self.drained(), "the last claim")

    def published(self) -> int:
        """About how much was written to the outputs, committed or not."""
        ends = end_offsets(self.bootstrap, [self.alerts, self.dead], "read_uncommitted")
        return sum(ends.values())

    def close(self) -> None:
        """End what still runs."""
        for worker in self.workers:
            with contextlib.suppress(ProcessLookupError):
                worker.process.send_signal(signal.SIGCONT)
            worker.kill()
