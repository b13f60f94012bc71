"""Demonstration on an embedded broker: train, stream claims through the worker, summarise.

The broker is librdkafka's mock cluster: in this process, without Java or Docker. It implements
neither isolation nor fencing; it is a demonstration, not evidence of exactly-once.
"""

import contextlib
import logging
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from consumer.batch.decode import headers_of
from consumer.batch.records import Record
from consumer.kafka.client import refused_property
from consumer.kafka.reading import Patience, records
from consumer.kafka.watchdog import Watchdog
from consumer.server.listen import listen
from consumer.server.server import Server, beside
from consumer.session.session import Session
from consumer.settings.settings import Settings
from consumer.telemetry.health import Loaded, Loop, health_of_worker
from consumer.telemetry.metrics import Metrics
from consumer.tools.demo_claims import DemoData, Sent, prepare
from consumer.tools.demo_memory import LaterFinding, remembering, with_memory, write
from consumer.tools.demo_tables import Received, gain, gain_in_words, summary, table
from consumer.web.operations import operations_app
from consumer.worker.assembly import make_worker
from consumer.worker.worker import Batch, Worker
from model.cli.terminal import frame, show
from schemas.alert import FraudAlert
from schemas.dead_letter import DeadLetter

log = logging.getLogger(__name__)

OUTSTANDING: Final = 4_000
"""The embedded broker keeps 5 MB per partition and drops the oldest: never run that far ahead."""
OUTSTANDING_DAYS_APART: Final = 1_000
"""The same for claims that came in over many days: fewer, so that findings come at their time."""
BY_KEY: Final = -1
"""For a producer: the partition that a record's key selects."""
IN_ORDER: Final = 0
"""The partition of such claims: all are in one, as records are in order only within one."""


def run_demo(settings: Settings, source: DemoData, count: int) -> None:
    """Train on the earlier claims, stream the later ones, print a summary.

    Raises:
        ScorerError: the data cannot be read, or the port is in use.
    """
    console = Console(markup=False, emoji=False)  # names come from files and are not markup
    logging.getLogger().setLevel(logging.ERROR)
    sock = listen("127.0.0.1", settings.metrics_port, "METRICS_PORT")
    with tempfile.TemporaryDirectory() as folder:
        scorer, sent, known = prepare(console, Path(folder), source, count)
        metrics, watchdog = Metrics(), Watchdog(settings.step_timeout_s)
        loop = Loop()
        health = health_of_worker(Loaded(scorer.version), loop, watchdog.overdue)
        operations = Server(operations_app(metrics, health), refused=metrics.answered)
        with embedded_broker(settings) as embedded, beside(operations, sock):
            console.print(
                f"embedded broker at {embedded.kafka_bootstrap_servers}, "
                f"metrics at http://127.0.0.1:{sock.getsockname()[1]}/metrics",
                soft_wrap=True,
            )
            used = embedded if known is None else with_memory(embedded, Path(folder))
            with (
                contextlib.nullcontext()
                if known is None
                else remembering(console, used, scorer, metrics, known)
            ) as memory:
                session: Session[Batch] = Session(used, watchdog, metrics.set_blocked)
                worker = make_worker(used, session, lambda: scorer, metrics, loop, memory=memory)
                with session, running(worker) as failed:
                    wait_for_assignment(console, loop, failed)
                    seen, seconds = stream(console, used, sent, failed)
    console.print()
    show(summary(sent, seen, metrics, seconds))
    if sent.without:
        console.print()
        show(gain(sent, seen))
        console.print(gain_in_words(sent, seen))


@contextlib.contextmanager
def embedded_broker(settings: Settings) -> Iterator[Settings]:
    """Settings that point to a broker in this process."""
    try:
        owner = Producer({"test.mock.num.brokers": 1, "log_level": 3})
    except KafkaException as error:
        raise refused_property(error) from error
    outputs = settings.alerts_topic, settings.dead_letter_topic
    found = settings.outcomes_topic, settings.outcomes_dead_letter_topic
    for name in (settings.claims_topic, *outputs, *found, settings.memory_topic):
        brokers = owner.list_topics(name, timeout=10).brokers
    address = ",".join(f"{broker.host}:{broker.port}" for broker in brokers.values())
    yield msgspec.structs.replace(settings, kafka_bootstrap_servers=address, librdkafka={})
    del owner


@contextlib.contextmanager
def running(worker: Worker) -> Iterator[list[Exception]]:
    """The worker in a thread; what it raised, if anything, is in the list."""
    failed: list[Exception] = []

    def body() -> None:
        try:
            worker.run()
        except Exception as error:  # noqa: BLE001 - handed to the main thread, which raises it
            failed.append(error)

    thread = threading.Thread(target=body, name="worker")
    thread.start()
    try:
        yield failed
    finally:
        worker.stop()
        thread.join()
    check(failed)


def check(failed: Sequence[Exception]) -> None:
    """Raise in the main thread what the worker raised in its thread."""
    if failed:
        raise failed[0]


def wait_for_assignment(console: Console, loop: Loop, failed: Sequence[Exception]) -> None:
    """Return once the worker has partitions."""
    with console.status("the worker is joining its group"):
        patience = Patience("joining the group")
        while not loop.assigned:
            check(failed)
            patience.check()
            time.sleep(0.05)


def stream(
    console: Console, settings: Settings, sent: Sent, failed: Sequence[Exception]
) -> tuple[Received, float]:
    """Produce every record and read the results; returns them and the seconds it took."""
    servers = {"bootstrap.servers": settings.kafka_bootstrap_servers, "logger": log}
    producer = Producer({**servers, "linger.ms": 5})
    waiting = {n: v for n, v in settings.librdkafka.items() if n.startswith("fetch.")}
    reader = reader_of({**servers, **waiting}, (settings.alerts_topic, settings.dead_letter_topic))
    seen, produced, total = Received(), 0, len(sent.records)
    found = deque(sent.findings)
    most = OUTSTANDING_DAYS_APART if sent.dated else OUTSTANDING
    partition = IN_ORDER if sent.dated else BY_KEY
    bar = Progress(
        TextColumn("claims"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )
    task = bar.add_task("", total=total)
    start = time.monotonic()
    with Live(bar, console=console, refresh_per_second=8) as live:
        patience = Patience("streaming claims")
        while len(seen) < total:
            check(failed)
            patience.check(f", {len(seen)} of {total} have an outcome")
            until = min(total, len(seen) + most)
            due = sent.records[produced:until]
            if due and found:
                write(producer, settings, list(known_by(due[-1].known_at, found)))
            for key, value, known_at in due:
                producer.produce(settings.claims_topic, value, key, partition, timestamp=known_at)
            produced = max(produced, until)
            producer.poll(0)
            before = len(seen)
            take(reader, settings, seen)
            if len(seen) > before:
                patience.progressed()
            bar.update(task, completed=len(seen))
            live.update(Group(frame(table(seen)), bar))
    seconds = time.monotonic() - start
    reader.close()
    return seen, seconds


def known_by(moment: int, found: deque[LaterFinding]) -> Iterator[Record]:
    """Take the findings that came in by a moment, in milliseconds since 1970."""
    while found and found[0].known_at <= moment:
        yield found.popleft().record


def reader_of(servers: dict[str, Any], topics: Sequence[str]) -> Consumer:
    """A consumer of every partition from its beginning, without a group to join."""
    reader = Consumer({**servers, "group.id": "demo", "enable.auto.commit": False})
    reader.assign(
        [
            TopicPartition(topic, partition, OFFSET_BEGINNING)
            for topic in topics
            for partition in reader.list_topics(topic, timeout=10).topics[topic].partitions
        ]
    )
    return reader


def take(reader: Consumer, settings: Settings, seen: Received) -> None:
    """Read what has been published since."""
    for message in records(reader.consume(1_000, 0.01), "the embedded broker"):
        if message.topic() == settings.dead_letter_topic:
            headers = headers_of(message)
            assert isinstance(headers, list)
            seen.letters.append(DeadLetter.from_headers(headers))
            continue
        alert = msgspec.json.decode(message.value() or b"", type=FraudAlert)
        seen.alerts.append(alert)
        if alert.fraudulent and (alert.links or not alert.memory):
            seen.latest.append(alert)
