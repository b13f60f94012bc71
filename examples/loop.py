"""The whole loop on an embedded broker: claims, alerts, cases, outcomes, live precision.

    python -m examples.loop

The worker, the case service and the outcomes process run in threads of this program; synthetic
claims are sent, and each case is closed as the claim's label says, but for every tenth, which stays
inconclusive. The broker is that of the demo: a demonstration, not evidence of exactly-once.
"""

import datetime as dt
import logging
import os
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import msgspec
from confluent_kafka import Producer
from rich.console import Console

from consumer.batch.alerts import fraud_alerts
from consumer.batch.decode import decode
from consumer.errors import ScorerError
from consumer.kafka.watchdog import Watchdog
from consumer.outcomes.follow import follow
from consumer.outcomes.live_quality import LiveQuality
from consumer.outcomes.metrics import OutcomeMetrics
from consumer.outcomes.screening import Screening
from consumer.session.session import Session
from consumer.settings.settings import Publish, Settings, read_settings
from consumer.telemetry.health import Loop
from consumer.telemetry.metrics import Metrics, ProcessMetrics
from consumer.tools.demo import embedded_broker
from consumer.tools.demo_claims import DemoData, Sent, prepare
from consumer.worker.assembly import make_worker
from consumer.worker.worker import Batch
from examples.case_service import TABLE, close_case, occasion_of, serve
from model.samples.lines import AUTO
from model.scoring.scorer import Scorer
from schemas.outcome import Finding, Occasion

CLAIMS: Final = 3_000
"""Few enough for the embedded broker, which keeps 5 MB per partition."""
CONTROL_SHARE: Final = 0.02
INCONCLUSIVE_EVERY: Final = 10
SAVED: Final = 2_500.0
NO_OUTCOME: Final = b"this is not an outcome"


class Threads:
    """The parts of the loop, each in its own thread; stopped in the order they were started."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(3)
        self._running: list[tuple[Future[object], Callable[[], object]]] = []

    def start(self, body: Callable[[], object], stop: Callable[[], object]) -> None:
        """Run `body` until `stop` is called."""
        self._running.append((self._pool.submit(body), stop))

    def wait(self, what: str, done: Callable[[], bool]) -> None:
        """Wait until it is done; raises what a thread raised."""
        sys.stdout.write(f"waiting for {what}\n")
        while not done():
            for future, _ in self._running:
                if future.done():
                    future.result()
                    raise RuntimeError(f"a thread ended while waiting for {what}")
            time.sleep(0.05)

    def close(self) -> None:
        """Stop all of them."""
        for _, stop in self._running:
            stop()
        self._pool.shutdown()


@contextmanager
def working(
    settings: Settings, scorer: Scorer, metrics: Metrics, threads: Threads
) -> Iterator[None]:
    """The worker, as ``python -m consumer run`` has it."""
    watchdog = Watchdog(settings.step_timeout_s)
    session: Session[Batch] = Session(settings, watchdog, metrics.set_blocked)
    worker = make_worker(settings, session, lambda: scorer, metrics, Loop())
    with session:
        threads.start(worker.run, worker.stop)
        yield


@contextmanager
def following(
    settings: Settings, instruments: OutcomeMetrics, threads: Threads
) -> Iterator[list[LiveQuality]]:
    """The outcomes process, as ``python -m consumer outcomes`` has it; its figures at the end."""
    stopping, figures = threading.Event(), list[LiveQuality]()
    screening = Screening(settings, Watchdog(settings.step_timeout_s), instruments)
    with screening.session:
        threads.start(
            lambda: figures.append(follow(settings, instruments, Loop(), stopping, screening)),
            stopping.set,
        )
        yield figures


def send(settings: Settings, sent: Sent) -> None:
    """Send every claim, and one record to the outcomes topic that is not an outcome."""
    producer = Producer({"bootstrap.servers": settings.kafka_bootstrap_servers})
    for key, value, _ in sent.records:
        producer.produce(settings.claims_topic, value, key)
    producer.produce(settings.outcomes_topic, NO_OUTCOME)
    producer.flush()


def expected_cases(scorer: Scorer, sent: Sent) -> int:
    """How many of the claims are to be investigated."""
    good = [value for key, value, _ in sent.records if key != b"bad"]
    claims = [decode(value, (), scorer.decoder).claim for value in good]
    now, assessment = dt.datetime.now(dt.UTC), scorer.assess(claims)
    alerts = fraud_alerts(claims, [None] * len(claims), assessment, scorer, now)
    return sum(occasion_of(alert) is not None for alert in alerts)


def investigate(database: sqlite3.Connection, label_of: dict[str, bool]) -> Counter[Finding]:
    """Close every case as its claim's label says."""
    found: Counter[Finding] = Counter()
    rows = database.execute("select alert_id, claim_id from cases order by alert_id").fetchall()
    for number, (alert_id, claim_id) in enumerate(rows):
        finding = Finding.FRAUD if label_of[claim_id] else Finding.NOT_FRAUD
        if number % INCONCLUSIVE_EVERY == 0:
            finding = Finding.INCONCLUSIVE
        saved = SAVED if finding is Finding.FRAUD else None
        close_case(database, alert_id, finding, dt.datetime.now(dt.UTC), amount_saved=saved)
        found[finding] += 1
    return found


def run_loop(settings: Settings, folder: Path, claims: int = CLAIMS) -> tuple[LiveQuality, str]:
    """Run the loop once; returns the live figures and the version of the model."""
    scorer, sent, _ = prepare(Console(), folder, DemoData("synthetic", "jsonl", AUTO), claims)
    scorer.control_share = CONTROL_SHARE
    file, metrics, followed = folder / "cases.sqlite", Metrics(), ProcessMetrics()
    database, instruments = sqlite3.connect(file, timeout=60), OutcomeMetrics(followed)
    database.execute(TABLE)
    threads, serving = Threads(), threading.Event()

    def cases() -> int:
        counted: tuple[int] = database.execute("select count(*) from cases").fetchone()
        return counted[0]

    def decided() -> float:
        family = next(iter(instruments.findings.collect()))
        return sum(sample.value for sample in family.samples)

    with ExitStack() as stack:
        embedded = stack.enter_context(embedded_broker(settings))
        embedded = msgspec.structs.replace(embedded, publish=Publish.ACTIONABLE)
        stack.enter_context(working(embedded, scorer, metrics, threads))
        figures = stack.enter_context(following(embedded, instruments, threads))
        stack.callback(threads.close)
        servers = embedded.kafka_bootstrap_servers
        topics = embedded.alerts_topic, embedded.outcomes_topic
        threads.start(
            lambda: serve(sqlite3.connect(file, timeout=60), servers, topics, serving.is_set),
            serving.set,
        )
        send(embedded, sent)
        expected = expected_cases(scorer, sent)
        threads.wait(
            f"{expected} cases from {len(sent.records):,} records", lambda: cases() == expected
        )
        found = investigate(database, sent.label_of)
        shown = ", ".join(f"{count} {finding}" for finding, count in sorted(found.items()))
        threads.wait(f"outcomes: {shown}", lambda: decided() == expected)
        name, labels = "fraud_scorer_outcome_dead_letters_total", {"reason": "not_json"}
        threads.wait(
            "the dead letter", lambda: followed.registry.get_sample_value(name, labels) == 1
        )
    return figures[0], scorer.version


def report(quality: LiveQuality, version: str) -> str:
    """The live figures in words."""
    control = {f: quality.findings[f, Occasion.RANDOM_CONTROL] for f in Finding}
    return "\n".join(
        [
            f"live precision {quality.precision(version):.2f}, live recall "
            f"{quality.recall(version):.2f}, of decided claims",
            f"control sample: {control[Finding.FRAUD]} fraud, {control[Finding.NOT_FRAUD]} not, "
            f"{control[Finding.INCONCLUSIVE]} inconclusive",
            f"amount saved {quality.saved:,.0f}; 1 record became a dead letter",
        ]
    )


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    try:
        with tempfile.TemporaryDirectory() as made:
            sys.stdout.write(report(*run_loop(read_settings(os.environ), Path(made))) + "\n")
    except ScorerError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
