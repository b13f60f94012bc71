"""Demonstration on an embedded broker: train, stream claims through the worker, summarise.

The broker is librdkafka's mock cluster: in this process, without Java or Docker. It implements
neither isolation nor fencing; it is a demonstration, not evidence of exactly-once.
"""

import contextlib
import datetime as dt
import logging
import random
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from consumer.batch.decode import headers_of
from consumer.errors import SettingsError
from consumer.kafka.client import refused_property
from consumer.kafka.reading import Patience, records
from consumer.kafka.watchdog import Watchdog
from consumer.server.listen import listen
from consumer.server.server import Server, beside
from consumer.session.session import Session
from consumer.settings.settings import Settings
from consumer.telemetry.health import Loaded, Loop, health_of_worker
from consumer.telemetry.metrics import Metrics
from consumer.web.operations import operations_app
from consumer.worker.assembly import make_worker
from consumer.worker.worker import Batch, Worker
from model.artifact.manifest import SplitPlan
from model.cli.terminal import frame, show
from model.datasets.dataset import load
from model.datasets.rows import DatasetError
from model.decide import Top
from model.reports.table import Table
from model.scoring.load import load as load_model
from model.scoring.scorer import Scorer
from model.training.train import pick, split, train, write
from schemas.alert import FraudAlert
from schemas.claim import Claim
from schemas.dead_letter import DeadLetter

log = logging.getLogger(__name__)

OUTSTANDING: Final = 4_000
"""The embedded broker keeps 5 MB per partition and drops the oldest: never run that far ahead."""
BAD_SHARE: Final = 0.01
ALERT_SHARE: Final = 0.05
"""Alert budget of the demo's model: claims to refer."""
SHOWN: Final = 5
"""Alerts in the table at a time."""
REASONS: Final = 3
"""Reasons shown for each, the strongest first."""

BAD_RECORDS: Final = (
    b"",
    b"not json",
    b'{"claim_id": "torn", "loss_date": "2024-0',
    b'{"claim_id": "\xff\xfe"}',
    b'{"claim_id": 17}',
    b'{"claim_id": "day", "loss_date": "2024-02-31"}',
    b'{"claim_id": "sum", "claim_amount": -5}',
    b'{"claim_id": "nan", "claim_amount": NaN}',
    b"[]",
    b"[" * 100_000,
)


class Sent:
    """The records that the demo produced, to compare with what comes back."""

    def __init__(self, claims: Sequence[Claim], labels: Sequence[bool], seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 - a demo, not a secret
        self.records: list[tuple[bytes, bytes]] = []
        for claim in claims:
            self.records.append((claim.claim_id.encode(), msgspec.json.encode(claim)))
            if chance.random() < BAD_SHARE:
                self.records.append((b"bad", chance.choice(BAD_RECORDS)))
        self.label_of = {claim.claim_id: label for claim, label in zip(claims, labels, strict=True)}
        self.bad = len(self.records) - len(self.label_of)


class Received:
    """The alerts and dead letters that came back."""

    def __init__(self) -> None:
        self.alerts: list[FraudAlert] = []
        self.letters: list[DeadLetter] = []
        self.latest: deque[FraudAlert] = deque(maxlen=SHOWN)

    def __len__(self) -> int:
        return len(self.alerts) + len(self.letters)


def run_demo(settings: Settings, data: str, data_format: str, count: int) -> None:
    """Train on the earlier claims, stream the later ones, print a summary.

    Raises:
        ScorerError: the data cannot be read, or the port is in use.
    """
    console = Console(markup=False, emoji=False)  # names come from files and are not markup
    logging.getLogger().setLevel(logging.ERROR)
    sock = listen("127.0.0.1", settings.metrics_port, "METRICS_PORT")
    with tempfile.TemporaryDirectory() as folder:
        scorer, sent = prepare(console, Path(folder), data, data_format, count)
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
            session: Session[Batch] = Session(embedded, watchdog, metrics.set_blocked)
            worker = make_worker(embedded, session, lambda: scorer, metrics, loop)
            with session, running(worker) as failed:
                wait_for_assignment(console, loop, failed)
                seen, seconds = stream(console, embedded, sent, failed)
    console.print()
    show(summary(sent, seen, metrics, seconds))


def prepare(
    console: Console, folder: Path, data: str, data_format: str, count: int
) -> tuple[Scorer, Sent]:
    """Train on the earlier claims by date; the later ones, with some bad records, will be sent."""
    with console.status(f"reading {data}"):
        try:
            synthetic = data == "synthetic"
            dataset = load(data, data_format, rows=2 * count if synthetic else None)
            plan = SplitPlan(kind="time", test_size=0.5 if synthetic else 0.2, seed=42)
            _, held_out = split(dataset, plan)
        except (DatasetError, ValueError, OSError) as error:
            raise SettingsError(f"DATA={data} FORMAT={data_format}: {error}") from error
    with console.status("training gradient boosting on the earlier claims"):
        trained = train(dataset, "gradient_boosting", plan, policy=Top(ALERT_SHARE))
        write(trained, folder / "model", created_at=dt.datetime.now(dt.UTC))
    console.print(
        f"trained on {trained.data.training_rows:,} earlier claims of {dataset.name}; "
        f"on {trained.report.n:,} later ones ROC AUC {trained.report.roc_auc:.3f}",
        soft_wrap=True,
    )
    repeats = held_out[np.arange(min(count, len(held_out)))]
    sent = Sent(pick(dataset.claims, repeats), (dataset.labels[repeats] == 1).tolist(), seed=42)
    return load_model(folder / "model"), sent


@contextlib.contextmanager
def embedded_broker(settings: Settings) -> Iterator[Settings]:
    """Settings that point to a broker in this process."""
    try:
        owner = Producer({"test.mock.num.brokers": 1, "log_level": 3})
    except KafkaException as error:
        raise refused_property(error) from error
    outputs = settings.alerts_topic, settings.dead_letter_topic
    found = settings.outcomes_topic, settings.outcomes_dead_letter_topic
    for name in (settings.claims_topic, *outputs, *found):
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
    reader = reader_of(servers, (settings.alerts_topic, settings.dead_letter_topic))
    seen, produced, total = Received(), 0, len(sent.records)
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
            until = min(total, len(seen) + OUTSTANDING)
            for key, value in sent.records[produced:until]:
                producer.produce(settings.claims_topic, value, key)
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
        if alert.fraudulent:
            seen.latest.append(alert)


def table(seen: Received) -> Table:
    """The latest referrals."""
    rows = [
        [alert.claim_id, f"{alert.fraud_probability:.3f}", reasons(alert)] for alert in seen.latest
    ]
    head = ["claim", "probability", "reasons (effect on the score)"]
    return Table(head, rows, "latest alerts at or above the threshold", text=(0, 2))


def reasons(alert: FraudAlert) -> str:
    """Why the claim was referred, one reason a line."""
    told = alert.reasons[:REASONS]
    return "\n".join(
        f"{r.text} ({r.contribution:+.2f})" if r.contribution else r.text for r in told
    )


def summary(sent: Sent, seen: Received, metrics: Metrics, seconds: float) -> Table:
    """Throughput, latency, dead letters and quality against the known labels."""
    reasons = Counter(letter.reason.value for letter in seen.letters)
    told = ", ".join(f"{name} {n}" for name, n in sorted(reasons.items()))
    referred = [alert for alert in seen.alerts if alert.fraudulent]
    hits = sum(sent.label_of[alert.claim_id] for alert in referred)
    frauds = sum(sent.label_of.values())
    rate = f"{len(seen) / seconds:,.0f} (broker, producer and reader share the process)"
    rows = [
        ["claims sent", f"{len(sent.records):,}"],
        ["alerts", f"{len(seen.alerts):,}"],
        ["dead letters", f"{len(seen.letters)} of {sent.bad} bad records ({told})"],
        ["claims/s", rate],
        ["latency, median", f"{metrics.latency.quantile(0.5) * 1_000:.0f} ms"],
        ["referred", f"{len(referred):,} ({hits} fraud)"],
        ["precision", f"{hits / len(referred):.2f}" if referred else "no claim referred"],
        ["recall", f"{hits / frauds:.2f} of {frauds} frauds" if frauds else "no fraud"],
    ]
    return Table((), rows, "summary", text=(0, 1))
