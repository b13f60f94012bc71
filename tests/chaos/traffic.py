"""Claims in, while the faults happen: committed, aborted, good and bad ones; and a live reader."""

import itertools
import os
import random
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition

from model.datasets.synthetic import generate
from model.scoring.load import load
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


class Pool(NamedTuple):
    """Claims that are the same in every round, and what each model makes of them."""

    values: Sequence[bytes]
    claims: Mapping[bytes, tuple[str, Mapping[str, Score]]]
    models: Sequence[Path]

    def expected(self, row: Record) -> Expected:
        claim_id, scores = self.claims.get(row.value or b"", (None, {}))
        reason = REASONS.get(row.value)
        return Expected(row.key, row.value, row.headers, claim_id, scores, reason)


def make_pool(folder: Path) -> Pool:
    """Train two models and score all claims with both, in one call each."""
    models = [_train(folder / f"model-{seed}", seed) for seed in (1, 2)]
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
    return Pool(values, known, models)


def _train(folder: Path, seed: int) -> Path:
    command = [sys.executable, "-m", "model", "train", "--data", "synthetic", "--rows", "2000"]
    command += ["--seed", str(seed), "--output", str(folder)]
    # More threads than free cores would wait for each other: another harness may be running.
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(command, env=one_thread, check=True, capture_output=True)
    return folder


class Traffic:
    """Produces claims in transactions, some of them aborted, until asked to stop."""

    def __init__(self, bootstrap: str, topic: str, pool: Pool, seed: str) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
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

    def _row(self, value: bytes) -> tuple[bytes | None, bytes | None]:
        sent: bytes | None = value
        if self.bad and self._random.random() < BAD_SHARE:
            sent = self._random.choice(self.bad)
        key = None if self._random.random() < 0.05 else b"policy-%d" % self._random.randrange(100)
        return key, sent

    def _send(
        self, producer: Producer, rows: Sequence[tuple[bytes | None, bytes | None]], *, commit: bool
    ) -> Producer:
        # After an unknown outcome the rows may be sent twice: then they are two source records.
        while True:
            try:
                producer.begin_transaction()
                for key, value in rows:
                    producer.produce(self._topic, value, key)
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
