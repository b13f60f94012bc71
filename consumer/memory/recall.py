"""Recalls what is known about people and things in a batch, and notes the batch for later ones."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from consumer.batch.alerts import BatchScorer
from consumer.batch.edges import Remembering
from consumer.batch.recalled import MOST_LINKS, Recalled
from consumer.batch.records import Message
from consumer.memory.log import NoteTaker, known_at
from consumer.memory.pending import PendingClaims
from consumer.memory.view import Asked, Link, LogFollower, View
from consumer.telemetry.memory_metrics import MemoryMetrics
from model.history.features import COMMON, ClaimHistory
from model.history.plan import EntityKind, kinds_in
from schemas.alert import Source


def links_of(
    view: View, asked: Sequence[Asked], rows: Sequence[int]
) -> Mapping[int, Sequence[Link]]:
    """For some of the claims asked about, earlier claims that name the same people."""
    links = view.links([asked[row] for row in rows], MOST_LINKS)
    return dict(zip(rows, links, strict=True))


class Memory:
    """What a worker knows about earlier claims; used from one thread.

    Args:
        view: of the log.
        tail: keeps the view up to date.
        notes: makes keys and records.
        pending: the worker's own claims that the view does not have yet.
        metrics: where counts go.
        beside: a model beside the one in service uses histories, whether or not that one does.
    """

    def __init__(
        self,
        view: View,
        tail: LogFollower,
        notes: NoteTaker,
        pending: PendingClaims,
        metrics: MemoryMetrics,
        *,
        beside: bool = False,
    ) -> None:
        self._view = view
        self._metrics = metrics
        self._tail = tail
        self._notes = notes
        self._pending = pending
        self._beside = beside

    def catch_up(self, wait_s: float = 0.0) -> None:
        """Take in new records, waiting up to this long for them.

        Raises:
            KafkaStoppedError: the log cannot be read.
            SettingsError: a hash was made with another key.
        """
        with self._metrics.seconds.labels("apply").time():
            self._tail.step(wait_s)
        self._metrics.behind.set(self._tail.behind_ms / 1_000)
        self._metrics.pending.set(len(self._pending))

    def load(self, going_on: Callable[[], bool], progress: Callable[[int, int], object]) -> bool:
        """Read the log up to its current end; see `consumer.memory.tail.Tail.load`.

        No claim may be scored before that: missing history would look like no earlier claims.
        """
        return self._tail.load(going_on, progress)

    def recall(
        self,
        claims: Sequence[Any],
        messages: Sequence[Message],
        sources: Sequence[Source],
        scorer: BatchScorer,
        now: dt.datetime,
    ) -> Remembering:
        """What is known about each claim, and what will be remembered about it.

        Claims of earlier days are seen, including those in this batch. If the model uses no
        history, claims are still remembered, and their histories are recalled only for a model
        beside it.

        Args:
            claims: of a batch.
            messages: the records that they came in.
            sources: coordinates of those records.
            scorer: the model.
            now: the time of the batch, for records without a timestamp.
        """
        with self._metrics.seconds.labels("recall").time():
            keys = self._notes.keys(claims)
            moments = [known_at(message, now) for message in messages]
            noted = self._notes.note(claims, keys, sources, moments)
            self._pending.add(noted.claimed)
            plan = scorer.history
            if plan is None and not self._beside:
                return Remembering(None, noted.records)
            asked = [
                Asked(claimed.fact.claim, claimed.entities, claimed.fact.known_at)
                for claimed in noted.claimed
            ]
            histories = self._view.histories(asked, self._pending.facts)
            self._count(kinds_in(scorer.decoder.contract), histories)
            if plan is None:
                return Remembering(None, noted.records, histories)
            recalled = Recalled(
                kinds=plan.kinds,
                histories=histories,
                as_of=[one.as_of for one in asked],
                behind_ms=self._tail.behind_ms,
                links=partial(links_of, self._view, asked),
            )
            return Remembering(recalled, noted.records, histories)

    def _count(self, kinds: Sequence[EntityKind], histories: Sequence[ClaimHistory]) -> None:
        for number, kind in enumerate(kinds):
            flag = f"{COMMON}:{kind.kind}"
            common = sum([flag in history.flags for history in histories if history.flags])
            told = [history.kinds[number] for history in histories]
            seen = sum([one.days_since >= 0 for one in told])
            known = sum([one.decided >= 0 for one in told])
            without = len(histories) - known - common
            self._metrics.recalled(number, (seen, known - seen, common, max(0, without)))

    def committed(self) -> None:
        """The earliest uncommitted batch has been committed."""
        self._pending.committed()

    def void(self) -> None:
        """What was scored but not committed will be read again."""
        self._pending.void()

    def close(self) -> None:
        """Close the connection and the view."""
        self._tail.close()
