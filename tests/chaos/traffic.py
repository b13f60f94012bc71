"""Claims in, while the faults happen: committed, aborted, good and bad ones; and a live reader."""

import itertools
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition

from consumer.memory.log import finding_record
from model.datasets.synthetic import generate
from model.samples import motor
from model.scoring.load import load
from schemas.alert import Source
from schemas.dead_letter import Reason
from tests.broker.read import QUIET, Record, partitions_of, read_all, record
from tests.harness import bad_records as catalogue
from tests.harness.outcomes import Expected, Place, Score

POOL = 12_000
CHUNK = 12
PAUSE = 0.1
BAD_SHARE = 0.03
ABORTED_SHARE = 0.08
BAD: Sequence[bytes | None] = [catalogue.BAD[kind].value for kind in catalogue.LIGHT]
REASONS = {bad.value: bad.reason for bad in catalogue.BAD.values()}
MOTOR: Sequence[str] = (
    "--contract", "motor", "--history", "--split", "time", "--algorithm", "gradient_boosting",
    "--alert-share", "0.1",
)  # fmt: skip
"""How a model is trained that asks for the history of motor claims."""
STEP_MS = 6 * 3_600_000
"""Time by the claims' records from one chunk to the next: claims see earlier days only."""
PAST_MS = 300 * 24 * 3_600_000
"""How long ago the first claims came in, by their records."""
AGAIN_SHARE = 0.05
"""Share of the claims that are sent a second time, days later."""
FOUND_SHARE = 0.3
LATEST = 400
"""Claims of which one is found out about, or sent again."""


class Row(NamedTuple):
    """A record to send."""

    topic: str
    key: bytes | None
    value: bytes | None
    at_ms: int = 0
    """Its timestamp; 0: when it is sent."""


class Pool(NamedTuple):
    """Claims that are the same in every round, and what each model makes of them."""

    values: Sequence[bytes]
    claims: Mapping[bytes, tuple[str, Mapping[str, Score]]]
    models: Sequence[Path]
    reasons: Mapping[bytes | None, Reason] = {}
    """Why records that are no claims are refused; of those that are not named, for any."""

    def expected(self, row: Record) -> Expected:
        claim_id, scores = self.claims.get(row.value or b"", (None, {}))
        reason = self.reasons.get(row.value)
        return Expected(row.key, row.value, row.headers, claim_id, scores, reason)


def make_pool(folder: Path) -> Pool:
    """Train two models and score all claims with both, in one call each."""
    models = [train(folder / f"model-{seed}", seed) for seed in (1, 2)]
    claims = [
        msgspec.structs.replace(claim, claim_id=f"chaos-{i}")
        for i, claim in enumerate(generate(POOL, seed=3)[0])
    ]
    scores = {s.sha256: (s.threshold, s.score(claims).tolist()) for s in map(load, models)}
    values = [msgspec.json.encode(claim) for claim in claims]
    known = {
        value: (claim.claim_id, {sha: Score(by[i], limit) for sha, (limit, by) in scores.items()})
        for i, (value, claim) in enumerate(zip(values, claims, strict=True))
    }
    return Pool(values, known, models, REASONS)


def make_history_pool(folder: Path) -> Pool:
    """Train two models that ask for history. What they make of a claim depends on what is known of
    it, see `tests.chaos.memory.scored`.
    """
    models = [train(folder / f"history-{seed}", seed, MOTOR) for seed in (1, 2)]
    events = motor.generate(POOL, seed=3)
    values = [
        json.dumps({n: v for n, v in event.items() if n != "outcome"}).encode() for event in events
    ]
    known = {
        value: (str(event["claim_no"]), dict[str, Score]())
        for value, event in zip(values, events, strict=True)
    }
    return Pool(values, known, models)


def train(folder: Path, seed: int, options: Sequence[str] = ()) -> Path:
    """Train a model on synthetic claims."""
    command = [sys.executable, "-m", "model", "train", "--data", "synthetic", "--rows", "2000"]
    command += ["--seed", str(seed), *options, "--output", str(folder)]
    # More threads than free cores would wait for each other: another harness may be running.
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, env=one_thread, check=True, capture_output=True)
    return folder


class Traffic:
    """Produces claims in transactions, some of them aborted, until asked to stop."""

    def __init__(
        self, bootstrap: str, topic: str, pool: Pool, seed: str, log: str | None = None
    ) -> None:
        """Nothing is sent yet.

        Args:
            bootstrap: of the brokers.
            topic: of the claims.
            pool: the claims, in their order.
            seed: of all draws.
            log: where findings are remembered; with one, claims have times of their own, and some
                come again.
        """
        self._bootstrap = bootstrap
        self._topic = topic
        self._log = log
        self._at_ms = 0 if log is None else int(time.time() * 1_000) - PAST_MS
        self._latest = deque[bytes](maxlen=LATEST)
        self._pool = pool
        self._random = random.Random(seed)
        self._enough = threading.Event()
        self._values = iter(pool.values)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._serial = itertools.count()
        self.aborted_share = ABORTED_SHARE
        self.bad: Sequence[bytes | None] = BAD
        """Records that may be sent instead of a claim; may be changed while it runs."""

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        """Send no more; returns when all that was sent is committed."""
        self._enough.set()
        self._thread.join()

    def _run(self) -> None:
        producer = self._producer()
        while not self._enough.wait(PAUSE):
            rows = [self._row(v) for v in itertools.islice(self._values, CHUNK)]
            if not rows:
                return
            if self._random.random() < self.aborted_share:
                producer = self._send(producer, rows, commit=False)
            producer = self._send(producer, rows, commit=True)
            if self._log is not None:
                self._latest += [v for row in rows if (v := row.value) in self._pool.claims and v]
                self._at_ms += STEP_MS
                if self._random.random() < FOUND_SHARE:
                    # What an outcomes process that dies leaves is the opposite of the next.
                    producer = self._send(producer, self._findings(self._log), commit=False)
                    producer = self._send(producer, self._findings(self._log), commit=True)

    def _row(self, value: bytes) -> Row:
        sent: bytes | None = value
        if self._latest and self._random.random() < AGAIN_SHARE:
            sent = self._random.choice(self._latest)
        if self.bad and self._random.random() < BAD_SHARE:
            sent = self._random.choice(self.bad)
        key = None if self._random.random() < 0.05 else b"policy-%d" % self._random.randrange(100)
        return Row(self._topic, key, sent, self._at_ms)

    def _findings(self, log: str) -> list[Row]:
        """What is found about some claims, each in a record of its own: half of it is fraud."""
        found = []
        for value in self._random.sample(self._latest, k=min(3, len(self._latest))):
            claim_id, _ = self._pool.claims[value]
            source = Source("outcomes", 0, next(self._serial))
            fraud = self._random.random() < 0.5
            record = finding_record(claim_id, self._at_ms, source, fraud=fraud)
            found.append(Row(log, record.key, record.value))
        return found

    def _send(self, producer: Producer, rows: Sequence[Row], *, commit: bool) -> Producer:
        # After an unknown outcome the rows may be sent twice: then they are two source records.
        while True:
            try:
                producer.begin_transaction()
                for row in rows:
                    producer.produce(row.topic, row.value, row.key, timestamp=row.at_ms)
                producer.flush(5)
                if commit:
                    producer.commit_transaction(5)
                else:
                    producer.abort_transaction(5)
                return producer
            except KafkaException:
                producer = self._producer()

    def _producer(self) -> Producer:
        while True:
            producer = Producer(
                {
                    "bootstrap.servers": self._bootstrap,
                    "transactional.id": f"traffic-{self._topic}",
                    "transaction.timeout.ms": 5_000,
                    "retry.backoff.ms": 5,
                    "reconnect.backoff.max.ms": 500,
                    **QUIET,
                }
            )
            try:
                producer.init_transactions(5)
                return producer
            except KafkaException:
                continue


def sources(bootstrap: str, topic: str, pool: Pool) -> dict[Place, Expected]:
    """Every committed source record, as Kafka has it: not as the producer remembers it."""
    return {row.place: pool.expected(row) for row in read_all(bootstrap, topic)}


class LiveReader:
    """Reads outcomes with read_committed while the faults happen."""

    def __init__(self, bootstrap: str, topics: Sequence[str]) -> None:
        self.rows: list[Record] = []
        self._stop = threading.Event()
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "live-reader",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "reconnect.backoff.max.ms": 500,
                **QUIET,
            }
        )
        self._consumer.assign(
            [
                TopicPartition(p.topic, p.partition, OFFSET_BEGINNING)
                for p in partitions_of(bootstrap, topics)
            ]
        )
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            for message in self._consumer.consume(500, 0.1):
                if message.error() is None:
                    self.rows.append(record(message))

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._consumer.close()
