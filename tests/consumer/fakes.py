"""A model that is nothing but what a test says, and what goes with it."""

import datetime as dt
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from confluent_kafka import TopicPartition

from consumer.batch.decode import decode as decode_by
from consumer.batch.records import Record
from consumer.intake.takeover import Start, TakeOver
from consumer.kafka.receipts import Place
from model.history.features import ClaimHistory
from model.history.plan import HistoryPlan
from model.scoring.scorer import Assessment
from model.thresholds import Levels, decide
from schemas.alert import FraudAlert, Source
from schemas.claim import Claim
from schemas.dead_letter import REDRIVEN_HEADER, DeadLetter, Header
from tests.schemas.contracts import decoder

NOW = dt.datetime(2024, 5, 6, 7, 8, 9, tzinfo=dt.UTC)


class FakeScorer:
    """The fraud probability of a claim is its amount in thousands, 0 when it has none."""

    name = "fake"
    version = "1"
    sha256 = "f" * 64
    threshold = 0.5
    threshold_policy = "fixed"
    decoder = decoder("auto")
    features: tuple[str, ...] = ()
    history: HistoryPlan | None = None
    levels = Levels(threshold=0.5, review=0.4, medium=0.2, high=0.6)

    def __init__(self, raises_on: str | None = None) -> None:
        self.raises_on = raises_on
        self.calls: list[list[str]] = []

    def score(
        self, claims: Sequence[Claim], histories: Sequence[ClaimHistory] | None = None
    ) -> npt.NDArray[np.float64]:
        names = [claim.claim_id for claim in claims]
        self.calls.append(names)
        if self.raises_on in names:
            raise ZeroDivisionError(self.raises_on)
        return np.array([min((c.claim_amount or 0.0) / 1_000, 1.0) for c in claims], dtype=float)

    def assess(
        self, claims: Sequence[Claim], histories: Sequence[ClaimHistory] | None = None
    ) -> Assessment:
        p = self.score(claims)
        none: list[tuple[()]] = [()] * len(claims)
        decisions = decide(p, self.levels, [0.0, 0.5])
        return Assessment(p, decisions, [*none], [*none], [*none], np.zeros((len(claims), 0)))


class Trusting(TakeOver):
    """Begins where the group has committed; finding more out is `test_takeover`'s."""

    def __init__(self) -> None:
        self.open = {}

    def restart(self, *, distrust: bool) -> None: ...

    def step(self, committed: Sequence[TopicPartition]) -> dict[Place, Start] | None:
        return {(p.topic, p.partition): Start(p.offset) for p in committed}


class Clock:
    """The monotonic clock, which a test may set forward."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_s


def mark(letter: Source, *_: bytes | None) -> Header:
    """The mark a redrive puts on a record, without the proof."""
    return REDRIVEN_HEADER, f"{letter.topic}-{letter.partition}-{letter.offset}"


def decode(value: bytes | None, headers: Sequence[Header] = ()) -> Any:
    """The claim of a record, by the contract of `FakeScorer`."""
    return decode_by(value, headers, FakeScorer.decoder).claim


def claim(claim_id: str = "c1", amount: float | None = None) -> bytes:
    """The bytes of a claim."""
    return msgspec.json.encode(Claim(claim_id=claim_id, claim_amount=amount))


def alert_of(record: Record) -> FraudAlert:
    """The alert in a record."""
    return msgspec.json.decode(record.value or b"", type=FraudAlert)


def letter_of(record: Record) -> DeadLetter:
    """The refusal described by a dead letter's record."""
    return DeadLetter.from_headers(record.headers or ())
