"""The pure core: a batch of records in; alerts, dead letters and offsets out.

Nothing here touches Kafka, a clock or a file: the same records, scorer and time always produce the
same bytes. With a schema registry, the ids in claims are looked up, each once.
"""

import datetime as dt
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, compress
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from consumer.batch.alerts import BatchScorer, Wanted, alert_records, all_alerts
from consumer.batch.cut import cut
from consumer.batch.decode import headers_of
from consumer.batch.edges import PLAIN, Recall, Seal, Wire, as_it_is
from consumer.batch.recalled import Recalled
from consumer.batch.records import Message, Record, coordinates
from consumer.errors import ScoringBugError
from model.history.features import ClaimHistory
from model.scoring.scorer import Assessment
from schemas.alert import Source
from schemas.dead_letter import (
    ATTEMPT_HEADER,
    NOT_OF_THE_RECORD,
    REDRIVEN_HEADER,
    DeadLetter,
    Header,
    Reason,
)
from schemas.decoding.refusal import RefusedError

Histories = Sequence[ClaimHistory] | None


class Outcome(NamedTuple):
    """The complete result of one batch."""

    alerts: list[Record]
    dead_letters: list[Record]
    offsets: dict[tuple[str, int], int]
    """Next offset to read, by topic and partition: the last one of the batch + 1."""
    outcomes: dict[tuple[str, int], int]
    """Number of published records, by topic and partition of their claims."""
    reasons: Counter[Reason]
    referred: int
    claims: list[Any]
    assessment: Assessment | None
    """In the order of `claims`; None if there are none."""
    alert_sources: Sequence[Source] = ()
    """Records of the claims that `alerts` are about, in the same order."""
    letter_sources: Sequence[Source] = ()
    """Records that became `dead_letters`, in the same order."""
    unknown_fields: Sequence[tuple[str, ...]] = ()
    """For each of `claims`: names in the event that the contract does not know."""
    memories: Sequence[Record] = ()
    """What is remembered of `claims`, in the same order; empty if nothing is."""
    memory_sources: Sequence[Source] = ()
    """Records of the claims that `memories` are about, in the same order."""
    histories: Histories = None
    """In the order of `claims`, if the model or the shadow model asks for them."""

    @property
    def probabilities(self) -> npt.NDArray[np.float64]:
        """Fraud probabilities of `claims`, shape (n_claims,)."""
        return np.empty(0) if self.assessment is None else self.assessment.probability


MisfitCounts = Mapping[Source, int]
MOST_HEADERS: Final = 1_000
ADDED: Final = frozenset({ATTEMPT_HEADER, REDRIVEN_HEADER})
"""Headers that a redrive adds to a record, each once."""


class AlertMisfitError(RefusedError):
    """A claim is refused because its alert fits no record of the alerts topic."""

    def __init__(self) -> None:
        super().__init__(
            Reason.TOO_LARGE,
            "the claim's alert does not fit the alerts topic: its key and trace headers, which the "
            "alert has too, are too large",
        )


class _Accepted(NamedTuple):
    """The records of a batch that are valid claims, as parallel lists."""

    messages: list[Message]
    sources: list[Source]
    headers: list[list[Header]]
    claims: list[Any]
    unknown_fields: list[tuple[str, ...]]


def process(
    messages: Sequence[Message],
    scorer: BatchScorer,
    now: dt.datetime,
    *,
    wanted: Wanted = all_alerts,
    seal: Seal = as_it_is,
    wire: Wire = PLAIN,
    misfits: MisfitCounts = MappingProxyType({}),
    recall: Recall | None = None,
) -> Outcome:
    """Decode and score one batch, and return what to publish.

    Args:
        messages: consumed records, in the order of each partition.
        scorer: the model; called once for the whole batch.
        now: becomes ``scored_at`` and ``failed_at``.
        wanted: selects the scored claims for which an alert is published.
        seal: decides what a dead letter keeps of the record; see `consumer.dead_letters.sealing`.
        wire: the form of claims and alerts; see `consumer.registry.wire`.
        misfits: records whose outcome did not fit its topic, and how often: a dead letter
            replaces an alert, and a cut one replaces a dead letter.
        recall: looks up earlier claims, and notes these; None: nothing is remembered.

    Raises:
        ScoringBugError: the model raised an error on a valid claim, which the message names.
        RegistryStoppedError: the schema registry does not answer.
    """
    read, frame, prepare = wire
    if prepare is not None:
        prepare(messages)
    decoder = scorer.decoder
    accepted = _Accepted([], [], [], [], [])
    sources = list(map(coordinates, messages))
    dead_letters: list[Record] = []
    letter_sources: list[Source] = []
    reasons: Counter[Reason] = Counter()
    for message, source in zip(messages, sources, strict=True):
        headers: list[Header] = []
        try:
            headers = _few_headers(message)
            claim, unknown_fields = read(message.value(), headers, decoder)
            if misfits and source in misfits:
                raise AlertMisfitError
        except RefusedError as refused:
            reasons[refused.reason] += 1
            letter = dead_letter(message, source, headers, refused, now)
            whole = misfits.get(source, 0) <= isinstance(refused, AlertMisfitError)
            dead_letters.append(seal(letter, decoder) if whole else cut(letter, seal, decoder))
            letter_sources.append(source)
        else:
            accepted.messages.append(message)
            accepted.sources.append(source)
            accepted.headers.append(headers)
            accepted.claims.append(claim)
            accepted.unknown_fields.append(unknown_fields)
    recalled, memories, histories = None, list[Record](), None
    if recall is not None and accepted.claims:
        known = (accepted.claims, accepted.messages, accepted.sources)
        recalled, memories, histories = recall(*known, scorer, now)
    assessment = _assess(accepted, scorer, recalled) if accepted.claims else None
    alerts, alert_sources, referred = [], accepted.sources, 0
    if assessment is not None:
        referred = int((assessment.probability >= scorer.threshold).sum())
        alerts = alert_records(*accepted, assessment, scorer, now, recalled)
        chosen = wanted(accepted.claims, assessment, scorer)
        if chosen is not None:
            alerts = list(compress(alerts, chosen))
            alert_sources = list(compress(accepted.sources, chosen))
        if frame is not as_it_is:
            alerts = list(map(frame, alerts))
    return Outcome(
        alerts=alerts,
        dead_letters=dead_letters,
        offsets=next_offsets(sources),
        outcomes=dict(Counter(map(_partition, chain(alert_sources, letter_sources)))),
        reasons=reasons,
        referred=referred,
        claims=accepted.claims,
        assessment=assessment,
        alert_sources=alert_sources,
        letter_sources=letter_sources,
        unknown_fields=accepted.unknown_fields,
        memories=memories,
        memory_sources=accepted.sources if memories else (),
        histories=histories,
    )


_partition = attrgetter("topic", "partition")


def next_offsets(sources: Iterable[Source]) -> dict[tuple[str, int], int]:
    """First offset after the batch, by topic and partition."""
    return {(source.topic, source.partition): source.offset + 1 for source in sources}


def _few_headers(message: Message) -> list[Header]:
    """The record's headers, if an alert or a dead letter can carry them.

    Raises:
        RefusedError: see `headers_of`; or the sender set more than `MOST_HEADERS`. The Kafka client
            reads no headers at all from a record with more than 100,000, so the origin of a dead
            letter with both these and its own could not be determined; they also take memory.
    """
    headers = headers_of(message)
    if len(headers) <= MOST_HEADERS:
        return headers
    own = len(headers) - len(ADDED & {name for name, _ in headers})
    if own <= MOST_HEADERS:
        return headers
    message.set_headers([])
    raise RefusedError(
        Reason.TOO_LARGE,
        f"{own:,} headers, which are left out; {MOST_HEADERS:,} are allowed",
        "headers",
    )


def dead_letter(
    message: Message,
    source: Source,
    headers: Sequence[Header],
    refused: RefusedError,
    now: dt.datetime,
) -> Record:
    """The refused record itself, with the reason in headers."""
    letter = DeadLetter(
        reason=refused.reason,
        message=str(refused),
        path=refused.path,
        topic=source.topic,
        partition=source.partition,
        offset=source.offset,
        failed_at=now,
        attempt=_attempts(headers) + 1,
    )
    kept = [header for header in headers if header[0] not in NOT_OF_THE_RECORD]
    return Record(message.key(), message.value(), [*kept, *letter.headers()])


def _attempts(headers: Iterable[Header]) -> int:
    """Number of times this record was a dead letter; a redrive carries the count forward."""
    for name, value in headers:
        if name == ATTEMPT_HEADER and value and len(value) < 6 and value.isdigit():
            return int(value)
    return 0


def _assess(accepted: _Accepted, scorer: BatchScorer, recalled: Recalled | None) -> Assessment:
    histories = None if recalled is None else recalled.histories
    try:
        return checked_assessment(accepted.claims, scorer, histories)
    except Exception as error:
        index = _first_bad(accepted.claims, scorer, histories)
        place = accepted.sources[index]
        raise ScoringBugError(
            f"model {scorer.name} {scorer.version} raised {error!r} on a valid claim: "
            f"{place.topic}[{place.partition}]@{place.offset}. Nothing of the batch was published; "
            "fix or roll back the model and start again"
        ) from error


def checked_assessment(
    claims: Sequence[Any], scorer: BatchScorer, histories: Histories = None
) -> Assessment:
    """The model's assessment of the claims.

    Args:
        claims: at least one.
        scorer: the model.
        histories: one per claim, for a model that asks for them.

    Raises:
        ValueError: its answer is not one probability for each claim, or a contribution to one
            is not a finite number: no alert could contain it.
    """
    found = scorer.assess(claims) if histories is None else scorer.assess(claims, histories)
    if not are_probabilities(found.probability, len(claims)):
        raise ValueError("its answer is not one probability for each claim")
    if not all(math.isfinite(item.contribution) for items in found.reasons for item in items):
        raise ValueError("a contribution to a score is not a finite number")
    return found


def are_probabilities(p: npt.NDArray[np.float64], claims: int) -> bool:
    """True if it is one probability for each of N claims."""
    return p.shape == (claims,) and bool(((p >= 0) & (p <= 1)).all())


def _first_bad(claims: Sequence[Any], scorer: BatchScorer, histories: Histories) -> int:
    """Index of a claim the model raises on, by bisection; 0 if only the whole batch fails."""
    low, high = 0, len(claims)
    while high - low > 1:
        middle = (low + high) // 2
        part = None if histories is None else histories[low:middle]
        try:
            checked_assessment(claims[low:middle], scorer, part)
        except Exception:  # noqa: BLE001 - the search is for whatever the model raises
            high = middle
        else:
            low = middle
    return low
