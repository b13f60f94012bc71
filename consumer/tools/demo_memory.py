"""The demo's memory: the log has the earlier claims, and findings come in on their days."""

import base64
import contextlib
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np
from confluent_kafka import Producer
from rich.console import Console

from consumer.batch.records import Record
from consumer.kafka.reading import Patience
from consumer.kafka.topics import KeptLog
from consumer.memory.assembly import memory_secret, opened
from consumer.memory.log import NoteTaker, finding_record
from consumer.memory.recall import Memory
from consumer.settings.settings import Remember, Settings
from consumer.telemetry.metrics import Metrics
from model.arrays import Indices, Scores
from model.datasets.dataset import Dataset
from model.features.facts import UNDATED
from model.history.facts import at_start_of
from model.history.keys import SECRET_BYTES
from model.scoring.scorer import Scorer
from model.training.splits import Split
from model.training.train import fit, pick, predict
from schemas.alert import Source

AT_ONCE: Final = 4_000
"""Records of the log that are written before they are read: the embedded broker keeps 5 MB."""
WAIT_MS: Final = 10
"""The embedded broker answers a fetch at once only if there is already something to read; by
default it would be asked twice a second."""
EARLIER: Final = "earlier-claims"
"""Stands in for the topic of the earlier claims."""
FOUND: Final = "findings"
"""Stands in for the topic of findings."""


class Dated(NamedTuple):
    """A data set that says when everything in it became known."""

    dataset: Dataset
    earlier: Indices
    """Rows that the model is trained on: the log has them before the first claim is sent."""
    later: Indices
    """Rows that are sent, in the order of their reports."""
    without: Scores
    """Fraud probabilities of the later ones by a model without history, in the same order."""

    def reported(self, row: int) -> int:
        """When a claim came in, in milliseconds since 1970."""
        return at_start_of(int(self.dataset.reported[row]))

    def name(self, row: int) -> str:
        """The id of a claim."""
        found: str = getattr(self.dataset.claims[row], self.dataset.contract.event.id)
        return found


class LaterFinding(NamedTuple):
    """A record of the log, and when it comes in, in milliseconds since 1970."""

    known_at: int
    record: Record


def says_when(dataset: Dataset) -> bool:
    """Whether claims name people or things, and say when what was found about them became known."""
    contract = dataset.contract
    return bool(contract.entities and contract.event.time and dataset.decided is not None)


def dated(dataset: Dataset, sides: Split, algorithm: str, count: int) -> Dated:
    """What the demo remembers and sends, and what a model without history says about the latter.

    Args:
        dataset: as read, without history.
        sides: which claims are trained on.
        algorithm: of both models.
        count: send at most this many claims.
    """
    contract = dataset.contract
    chosen = sides.test[:count]
    later = chosen[np.argsort(dataset.reported[chosen], kind="stable")]
    seen, labels = pick(dataset.claims, sides.train), dataset.labels[sides.train]
    plain = fit(contract, seen, labels, algorithm, features=contract.features())
    without = predict(contract, plain, pick(dataset.claims, later))
    return Dated(dataset, sides.train, later, without)


def findings(known: Dated, rows: Indices) -> list[LaterFinding]:
    """What was found about some claims, in the order in which it became known.

    Args:
        known: the claims.
        rows: which ones.
    """
    decided, labels = known.dataset.decided, known.dataset.labels
    assert decided is not None
    found = []
    for row in rows[decided[rows] != UNDATED].tolist():
        moment, source = at_start_of(int(decided[row])), Source(FOUND, 0, row)
        record = finding_record(known.name(row), moment, source, fraud=bool(labels[row]))
        found.append(LaterFinding(moment, record))
    return sorted(found, key=lambda one: one.known_at)


def with_memory(settings: Settings, folder: Path) -> Settings:
    """The settings with MEMORY=on and a new random key.

    Args:
        settings: of the embedded broker.
        folder: for the key and the store.
    """
    key = folder / "memory.key"
    key.write_bytes(base64.b64encode(secrets.token_bytes(SECRET_BYTES)))
    key.chmod(0o600)
    return msgspec.structs.replace(
        settings,
        memory=Remember.ON,
        memory_key_file=key,
        memory_store=folder / "memory",
        librdkafka={**settings.librdkafka, "fetch.wait.max.ms": str(WAIT_MS)},
    )


@contextlib.contextmanager
def remembering(
    console: Console, settings: Settings, scorer: Scorer, metrics: Metrics, known: Dated
) -> Iterator[Memory]:
    """A memory that has read the earlier claims, and what was found about them, from the log.

    Args:
        console: shows how many.
        settings: see `with_memory`.
        scorer: the model.
        metrics: where counts go.
        known: has the earlier claims.
    """
    made = opened(settings, scorer, metrics, kept_by=_kept_by_the_embedded_broker)
    memory = Memory(*made)
    with contextlib.closing(memory):
        memory.load(lambda: True, lambda _done, _all: None)
        claims = _claims(known, NoteTaker(known.dataset.contract, memory_secret(settings)))
        found = findings(known, known.earlier)
        facts = [*claims, *(one.record for one in found)]
        producer = Producer({"bootstrap.servers": settings.kafka_bootstrap_servers})
        with console.status("reading what is known of the earlier claims"):
            patience = Patience(f"reading {settings.memory_topic}")
            for start in range(0, len(facts), AT_ONCE):
                portion = facts[start : start + AT_ONCE]
                write(producer, settings, portion)
                while sum(made.view.positions().values()) < start + len(portion):
                    memory.catch_up(WAIT_MS / 1_000)
                    patience.check()
                patience.progressed()
        console.print(
            f"remembered: {len(claims):,} earlier claims and {len(found):,} findings about them, "
            f"read from {settings.memory_topic}",
            soft_wrap=True,
        )
        yield memory


def write(producer: Producer, settings: Settings, facts: Sequence[Record]) -> None:
    """Write records of the log, and return once the broker has them."""
    for fact in facts:
        producer.produce(settings.memory_topic, fact.value, fact.key)
        producer.poll(0)
    producer.flush()


def _claims(known: Dated, notes: NoteTaker) -> list[Record]:
    rows = known.earlier.tolist()
    claims = pick(known.dataset.claims, known.earlier)
    sources = [Source(EARLIER, 0, row) for row in rows]
    moments = [known.reported(row) for row in rows]
    return notes.note(claims, notes.keys(claims), sources, moments).records


def _kept_by_the_embedded_broker(_: Settings) -> KeptLog:
    """It cannot be asked for a topic's settings; this one ends with the demo."""
    return KeptLog(topic_id="embedded", tombstones_s=0.0)
