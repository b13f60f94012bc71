"""The pure heart: a batch of records in; alerts, dead letters and offsets out.

Nothing here touches Kafka, a clock or a file: the same records, scorer and time always give the
same bytes.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from consumer.decode import Headers, RefusedError, decode, headers_of
from consumer.errors import ScoringBugError
from schemas.alert import Decision, FraudAlert, Source
from schemas.claim import Claim
from schemas.dead_letter import ATTEMPT_HEADER, DeadLetter, Header, Reason


class Message(Protocol):
    """What is used of a consumed record (confluent_kafka.Message has this form)."""

    def topic(self) -> str | None: ...  # noqa: D102
    def partition(self) -> int | None: ...  # noqa: D102
    def offset(self) -> int | None: ...  # noqa: D102
    def key(self) -> bytes | None: ...  # noqa: D102
    def value(self) -> bytes | None: ...  # noqa: D102
    def headers(self) -> Headers | None: ...  # noqa: D102
    def timestamp(self) -> tuple[int, int]: ...  # noqa: D102


class BatchScorer(Protocol):
    """What is used of a model: see `model.scorer.Scorer`."""

    name: str
    version: str
    sha256: str
    threshold: float

    def score(self, claims: Sequence[Claim]) -> npt.NDArray[np.float64]: ...  # noqa: D102


class Record(NamedTuple):
    """One record to publish; `topic` is chosen by whoever publishes it."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[Header] | None


class Outcome(NamedTuple):
    """Everything that follows from one batch."""

    alerts: list[Record]
    dead_letters: list[Record]
    offsets: dict[tuple[str, int], int]
    """Next offset to read, by topic and partition: last of the batch + 1."""
    reasons: Counter[Reason]
    referred: int
    claims: list[Claim]
    probabilities: npt.NDArray[np.float64]
    """Of `claims`, in their order."""


_encoder: Final = msgspec.json.Encoder()


def process(
    messages: Sequence[Message],
    scorer: BatchScorer,
    now: dt.datetime,
    *,
    referrals_only: bool = False,
) -> Outcome:
    """Decode, score and turn one batch into what is to be published.

    Args:
        messages: consumed records, in the order of each partition.
        scorer: the model; called once for the whole batch.
        now: becomes ``scored_at`` and ``failed_at``.
        referrals_only: leave out alerts below the threshold.

    Raises:
        ScoringBugError: the model raised on a valid claim, which the message names.
    """
    claims: list[Claim] = []
    accepted: list[Message] = []
    dead_letters: list[Record] = []
    reasons: Counter[Reason] = Counter()
    for message in messages:
        headers: list[Header] = []
        try:
            headers = headers_of(message)
            claims.append(decode(message.value(), headers))
            accepted.append(message)
        except RefusedError as refused:
            reasons[refused.reason] += 1
            dead_letters.append(dead_letter(message, headers, refused, now))
    probabilities = _score(claims, accepted, scorer) if claims else np.empty(0)
    fraudulent = probabilities >= scorer.threshold
    wanted = fraudulent if referrals_only else np.ones_like(fraudulent)
    return Outcome(
        alerts=[
            alert(message, claim, probability, scorer, now)
            for message, claim, probability, keep in zip(
                accepted, claims, probabilities.tolist(), wanted.tolist(), strict=True
            )
            if keep
        ],
        dead_letters=dead_letters,
        offsets=next_offsets(messages),
        reasons=reasons,
        referred=int(fraudulent.sum()),
        claims=claims,
        probabilities=probabilities,
    )


def next_offsets(messages: Iterable[Message]) -> dict[tuple[str, int], int]:
    """First offset after the batch, by topic and partition."""
    offsets: dict[tuple[str, int], int] = {}
    for message in messages:
        topic, partition, offset = coordinates(message)
        offsets[topic, partition] = offset + 1
    return offsets


def coordinates(message: Message) -> tuple[str, int, int]:
    """Topic, partition and offset of a consumed record."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    return topic, partition, offset


def alert(
    message: Message, claim: Claim, probability: float, scorer: BatchScorer, now: dt.datetime
) -> Record:
    """The alert of one scored claim, under the claim's key."""
    scored = fraud_alert(claim, probability, scorer, now, Source(*coordinates(message)))
    return Record(message.key(), _encoder.encode(scored), None)


def fraud_alert(
    claim: Claim,
    probability: float,
    scorer: BatchScorer,
    now: dt.datetime,
    source: Source | None,
) -> FraudAlert:
    """What is known of one scored claim; `source` is None for a claim that came over HTTP."""
    place = f"{source.topic}-{source.partition}-{source.offset}" if source else claim.claim_id
    return FraudAlert(
        alert_id=f"{place}-{scorer.sha256[:12]}",
        claim_id=claim.claim_id,
        policy_number=claim.policy_number,
        loss_date=claim.loss_date,
        report_date=claim.report_date,
        claim_amount=claim.claim_amount,
        fraud_probability=probability,
        fraudulent=probability >= scorer.threshold,
        decision=Decision.REFER if probability >= scorer.threshold else Decision.PASS,
        human_review_required=probability >= scorer.threshold,
        threshold=scorer.threshold,
        model=scorer.name,
        model_version=scorer.version,
        model_sha256=scorer.sha256,
        source=source,
        scored_at=now,
    )


def dead_letter(
    message: Message, headers: Sequence[Header], refused: RefusedError, now: dt.datetime
) -> Record:
    """The refused record itself, with the reason in headers."""
    topic, partition, offset = coordinates(message)
    letter = DeadLetter(
        reason=refused.reason,
        message=str(refused),
        path=refused.path,
        topic=topic,
        partition=partition,
        offset=offset,
        failed_at=now,
        attempt=_attempts(headers) + 1,
    )
    kept = [header for header in headers if header[0] != ATTEMPT_HEADER]
    return Record(message.key(), message.value(), [*kept, *letter.headers()])


def _attempts(headers: Iterable[Header]) -> int:
    """How often this record was a dead letter before; a redrive carries the count along."""
    for name, value in headers:
        if name == ATTEMPT_HEADER and value and len(value) < 6 and value.isdigit():
            return int(value)
    return 0


def _score(
    claims: Sequence[Claim], messages: Sequence[Message], scorer: BatchScorer
) -> npt.NDArray[np.float64]:
    try:
        return _probabilities(claims, scorer)
    except Exception as error:
        index = _first_bad(claims, scorer)
        topic, partition, offset = coordinates(messages[index])
        raise ScoringBugError(
            f"model {scorer.name} {scorer.version} raised {error!r} on a valid claim: "
            f"{topic}[{partition}]@{offset}. Nothing of the batch was published; "
            "fix or roll back the model and start again"
        ) from error


def _probabilities(claims: Sequence[Claim], scorer: BatchScorer) -> npt.NDArray[np.float64]:
    found = scorer.score(claims)
    if found.shape != (len(claims),) or not ((found >= 0) & (found <= 1)).all():
        raise ValueError("its answer is not one probability for each claim")
    return found


def _first_bad(claims: Sequence[Claim], scorer: BatchScorer) -> int:
    """Index of a claim the model raises on, by bisection; 0 when only the whole batch fails."""
    low, high = 0, len(claims)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            _probabilities(claims[low:middle], scorer)
        except Exception:  # noqa: BLE001 - the search is for whatever the model raises
            high = middle
        else:
            low = middle
    return low
