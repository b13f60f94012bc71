"""What the HTTP endpoint knows about earlier claims: it reads the log but never writes to it."""

import datetime as dt
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, NamedTuple

from consumer.background import in_background
from consumer.batch.alerts import BatchScorer
from consumer.batch.recalled import Recalled
from consumer.kafka.topics import READS, require_topics
from consumer.memory.assembly import Opened, opened, read_first
from consumer.memory.recall import links_of
from consumer.memory.view import Asked, Link
from consumer.settings.settings import Remember, Settings
from consumer.stop import Stop
from consumer.telemetry.health import Check
from consumer.telemetry.metrics import ProcessMetrics
from model.history.facts import claim_ref, start_of_day
from model.scoring.scorer import Scorer

log = logging.getLogger(__name__)

WAIT_S: Final = 0.2
"""Between reads of the log, in a thread of its own."""
SUFFIX: Final = "-serve"
PATIENCE_S: Final = 3.0
"""For a database that does not answer: whoever posts a claim waits meanwhile."""


class KnownToServe(NamedTuple):
    """What is known about posted claims, in the server's terms: by default, nothing."""

    recall: Callable[[Sequence[Any], BatchScorer], Recalled | None] = lambda *_: None
    healthy: tuple[Check, ...] = ()
    complete: bool = True
    """False if it was asked to stop before the log had been read."""


class Following:
    """Follows the log in one thread while claims are looked up in another."""

    def __init__(self, made: Opened) -> None:
        self._made = made
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._fault: str | None = None

    def recall(self, claims: Sequence[Any], scorer: BatchScorer) -> Recalled | None:
        """What is known about claims that came in today; None for a model without history."""
        plan, event = scorer.history, scorer.decoder.contract.event
        if plan is None:
            return None
        as_of = start_of_day(int(dt.datetime.now(dt.UTC).timestamp() * 1_000))
        asked = [
            Asked(claim_ref(getattr(claim, event.id)), keys.entities, as_of)
            for claim, keys in zip(claims, self._made.notes.keys(claims), strict=True)
        ]
        with self._lock, self._made.counts.seconds.labels("recall").time():
            histories = self._made.view.histories(asked, {})
        return Recalled(
            kinds=plan.kinds,
            histories=histories,
            as_of=[as_of] * len(asked),
            behind_ms=self._made.tail.behind_ms,
            links=partial(self._links, asked),
        )

    def _links(self, asked: Sequence[Asked], rows: Sequence[int]) -> Mapping[int, Sequence[Link]]:
        with self._lock:
            return links_of(self._made.view, asked, rows)

    def broken(self) -> str | None:
        """A health check: the log is being followed."""
        return self._fault

    @contextmanager
    def running(self) -> Iterator[None]:
        """Follow the log while the body runs."""
        with in_background(self._run, "memory", self._stopping):
            yield

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._step()
        except Exception as error:  # nobody notices a thread that ends
            self._fault = f"nothing new is remembered: {error}"
            log.exception("the log is not followed any more")

    def _step(self) -> None:
        # Wait outside the lock: claims are looked up meanwhile.
        self._stopping.wait(WAIT_S)
        with self._lock, self._made.counts.seconds.labels("apply").time():
            self._made.tail.step()
        self._made.counts.behind.set(self._made.tail.behind_ms / 1_000)


@contextmanager
def remembered(
    settings: Settings, scorer: Scorer, metrics: ProcessMetrics, stop: Stop
) -> Iterator[KnownToServe]:
    """What MEMORY=on knows, after the log has been read, while the body runs.

    Raises:
        SettingsError, KafkaStoppedError, StoreStoppedError: see `consumer.memory.assembly.opened`.
    """
    if settings.memory is Remember.OFF:
        yield KnownToServe()
        return
    require_topics(settings, {settings.memory_topic: READS})
    made = opened(settings, scorer, metrics, SUFFIX, patience_s=PATIENCE_S)
    try:
        if not read_first(made.tail, settings.memory_topic, stop):
            yield KnownToServe(complete=False)
            return
        following = Following(made)
        with following.running():
            yield KnownToServe(following.recall, (following.broken,))
    finally:
        made.tail.close()
