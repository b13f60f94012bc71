"""Alerts of a batch: the model's result for each claim, as a FraudAlert and as a record. Pure."""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import compress, repeat
from operator import attrgetter, or_
from typing import Any, Final, Protocol, get_type_hints

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Struct
from msgspec.structs import asdict

from consumer.batch.recalled import (
    Recalled,
    entity_histories,
    linked_claims,
    memory_statuses,
)
from consumer.batch.records import Message, Record
from consumer.batch.revisions import succession_or_flag
from model.history.features import ClaimHistory
from model.history.plan import HistoryPlan
from model.scoring.decisions import decided
from model.scoring.phrases import CaseFacts
from model.scoring.scorer import Assessment
from schemas.alert import CaseFact, Decision, FraudAlert, LinkedClaim, Remainder, Source
from schemas.dead_letter import Header
from schemas.decoding.decoder import ClaimDecoder
from schemas.decoding.unknown import flagged

CLOUD_EVENT_TYPE: Final = "claims-fraud-scorer.fraud-alert.v1"
TRACE_HEADERS: Final = ("traceparent", "tracestate")
"""Passed on from the claim to its alert (W3C Trace Context)."""

_encode: Final = msgspec.json.Encoder().encode
# Calling a NamedTuple runs a Python function; this is its equivalent in C.
_record: Final = partial(tuple.__new__, Record)
_CONSTANT_HEADERS: Final[tuple[Header, ...]] = (
    ("content-type", "application/json"),
    ("ce_specversion", "1.0"),
    ("ce_type", CLOUD_EVENT_TYPE),
)
_IN_COMMON: Final = (
    "schema_version",
    "threshold",
    "threshold_policy",
    "model",
    "model_version",
    "model_sha256",
    "claim_schema_version",
    "line_of_business",
    "currency",
    "scored_at",
)
"""Fields with the same value in every alert of a batch."""
_OF_MEMORY: Final = ("history", "links", "memory")
"""Fields only in alerts of models with history."""


def _part(name: str, fields: Sequence[str]) -> Any:
    """A struct with some of an alert's fields and their types; none has a default."""
    types = get_type_hints(FraudAlert, include_extras=True)
    return msgspec.defstruct(name, [(f, types[f]) for f in fields], frozen=True, gc=False)


_Shared: Final = _part("Shared", _IN_COMMON)
_SCHEMA_VERSION: Final = next(
    field.default for field in msgspec.structs.fields(FraudAlert) if field.name == "schema_version"
)
_OWN_FIELDS: Final = [f for f in FraudAlert.__struct_fields__ if f not in _IN_COMMON]
_Own: Final = _part("Own", [f for f in _OWN_FIELDS if f not in _OF_MEMORY])
_OwnWithMemory: Final = _part("OwnWithMemory", _OWN_FIELDS)


class BatchScorer(Protocol):
    """The part of a model that is used here: see `model.scoring.scorer.Scorer`."""

    name: str
    version: str
    sha256: str
    threshold: float
    threshold_policy: str
    decoder: ClaimDecoder
    features: tuple[str, ...]
    history: HistoryPlan | None

    def score(  # noqa: D102
        self, claims: Sequence[Any], histories: Sequence[ClaimHistory] | None = None
    ) -> npt.NDArray[np.float64]: ...
    def assess(  # noqa: D102
        self, claims: Sequence[Any], histories: Sequence[ClaimHistory] | None = None
    ) -> Assessment: ...


Wanted = Callable[[Sequence[Any], Assessment, BatchScorer], Sequence[bool] | None]
"""Decides for each scored claim whether its alert is published; None: all are."""


def all_alerts(claims: Sequence[Any], assessment: Assessment, scorer: BatchScorer) -> None:
    """Publish an alert for every claim."""


def referrals(claims: Sequence[Any], assessment: Assessment, scorer: BatchScorer) -> Sequence[bool]:
    """Publish alerts at or above the threshold only."""
    chosen: list[bool] = (assessment.probability >= scorer.threshold).tolist()
    return chosen


def actionable(
    claims: Sequence[Any], assessment: Assessment, scorer: BatchScorer
) -> Sequence[bool]:
    """Publish alerts that a person must act on: referred, due for review, or drawn at random."""
    acted = [decision is not Decision.PASS for decision in decided(assessment)]
    if not assessment.control:
        return acted
    return [one or drawn for one, drawn in zip(acted, assessment.control, strict=True)]


def fraud_alerts(
    claims: Sequence[Any],
    sources: Sequence[Source | None],
    assessment: Assessment,
    scorer: BatchScorer,
    now: dt.datetime,
    unknown_fields: Sequence[tuple[str, ...]] | None = None,
    recalled: Recalled | None = None,
) -> Iterator[FraudAlert]:
    """One alert for each scored claim.

    Args:
        claims: the claims of the batch.
        sources: where each came from; None for a claim that came over HTTP.
        assessment: the model's results for them, in the same order.
        scorer: the model.
        now: becomes ``scored_at``.
        unknown_fields: for each claim; see `consumer.batch.decode.Decoded`.
        recalled: the histories that the claims were scored with, if any.
    """
    shared = asdict(_shared(scorer, now))
    nothing: list[tuple[()]] = [()] * len(claims)
    unknown = nothing if unknown_fields is None else unknown_fields
    for own in _own_parts(claims, sources, nothing, unknown, assessment, scorer, recalled):
        yield FraudAlert(**shared, **asdict(own))


def _shared(scorer: BatchScorer, now: dt.datetime) -> Struct:
    made: Struct = _Shared(
        schema_version=_SCHEMA_VERSION,
        claim_schema_version=scorer.decoder.contract.about.version,
        threshold=scorer.threshold,
        threshold_policy=scorer.threshold_policy,
        model=scorer.name,
        model_version=scorer.version,
        model_sha256=scorer.sha256,
        line_of_business=scorer.decoder.contract.about.line_of_business,
        currency=scorer.decoder.contract.about.currency,
        scored_at=now,
    )
    return made


def _own_parts(
    claims: Sequence[Any],
    sources: Sequence[Source | None],
    headers: Sequence[Sequence[Header]],
    unknown_fields: Sequence[tuple[str, ...]],
    assessment: Assessment,
    scorer: BatchScorer,
    recalled: Recalled | None,
) -> Iterator[Any]:
    """What differs between the batch's alerts; built by column, as this is the hot path."""
    nothing = [None] * len(claims)
    band, _, percentile = assessment.decisions
    probability, decision = assessment.probability, decided(assessment)
    flags = flagged(assessment.data_quality, unknown_fields)
    revision, supersedes, previous = [1] * len(claims), nothing, nothing
    if any(headers):
        succeeded = map(succession_or_flag, headers, flags)
        revision, supersedes, previous, flags = map(list, zip(*succeeded, strict=True))
    suffix, event = scorer.sha256[:12], scorer.decoder.contract.event
    ids, keys, losses, reports, amounts = _values(
        claims, (event.id, event.key, event.occurred, event.time, event.amount)
    )
    control, left_out = assessment.control or [False] * len(claims), assessment.remainders
    acted = [one is not Decision.PASS for one in decision]
    remainders: list[Remainder | None] = [*nothing]
    priority: list[float | None] = [*nothing]
    cases: list[tuple[CaseFact, ...]] = [()] * len(claims)
    for row, rest in left_out.items():
        remainders[row] = rest
    looked_at = list(compress(range(len(claims)), map(or_, acted, control)))
    told = _case_facts(scorer.decoder).of([claims[row] for row in looked_at])
    for row, facts in zip(looked_at, told, strict=True):
        cases[row] = facts
        if amounts[row] is not None:
            priority[row] = round(float(probability[row]) * amounts[row], 2)
    columns: dict[str, Iterable[object]] = {
        "alert_id": [
            f"{s.topic}-{s.partition}-{s.offset}-{suffix}" if s else f"{claim_id}-{suffix}"
            for claim_id, s in zip(ids, sources, strict=True)
        ],
        "revision": revision,
        "supersedes": supersedes,
        "previous_probability": previous,
        "claim_id": ids,
        "policy_number": keys,
        "loss_date": losses,
        "report_date": reports,
        "claim_amount": amounts,
        "fraud_probability": probability.tolist(),
        "fraudulent": (probability >= scorer.threshold).tolist(),
        "percentile": percentile,
        "band": band,
        "decision": decision,
        "human_review_required": acted,
        "control": control,
        "reasons": assessment.reasons,
        "remainder": remainders,
        "priority": priority,
        "case_facts": cases,
        "rule_hits": assessment.rule_hits,
        "data_quality": flags,
        "source": sources,
    }
    if recalled is None:
        return map(_Own, *(columns[name] for name in _Own.__struct_fields__))
    columns |= _of_memory(recalled, looked_at)
    return map(_OwnWithMemory, *(columns[name] for name in _OWN_FIELDS))


def _of_memory(recalled: Recalled, looked_at: Sequence[int]) -> dict[str, Iterable[object]]:
    links: list[tuple[LinkedClaim, ...]] = [()] * len(recalled.histories)
    for row, found in linked_claims(recalled, looked_at).items():
        links[row] = found
    return {
        "history": entity_histories(recalled),
        "links": links,
        "memory": memory_statuses(recalled),
    }


@lru_cache(maxsize=4)
def _case_facts(decoder: ClaimDecoder) -> CaseFacts:
    """The case facts of the decoder's contract; what they cache lasts from batch to batch."""
    return CaseFacts(decoder.contract)


def _values(claims: Sequence[Any], fields: Sequence[str | None]) -> Iterator[Sequence[Any]]:
    """The fields that the contract names for parts of the event; None where it names none.

    They are read in one pass, as the values of one claim are adjacent in memory.
    """
    named = [field for field in fields if field is not None]
    rows = map(attrgetter(*named), claims)
    found = iter(zip(*rows, strict=True) if len(named) > 1 else [list(rows)])
    for field in fields:
        yield [None] * len(claims) if field is None else next(found)


def alert_records(
    messages: Sequence[Message],
    sources: Sequence[Source],
    headers: Sequence[Sequence[Header]],
    claims: Sequence[Any],
    unknown_fields: Sequence[tuple[str, ...]],
    assessment: Assessment,
    scorer: BatchScorer,
    now: dt.datetime,
    recalled: Recalled | None = None,
) -> list[Record]:
    """One alert per claim, under the claim's key, as a binary-mode CloudEvent 1.0.

    With `recalled`, the histories that the claims were scored with, alerts say what was known.
    """
    # The end of every alert of the batch: a JSON object without its opening brace.
    ending = b"," + _encode(_shared(scorer, now))[1:]
    parts = _own_parts(claims, sources, headers, unknown_fields, assessment, scorer, recalled)
    own = list(parts)
    values = [encoded[:-1] + ending for encoded in map(_encode, own)]
    time: Header = ("ce_time", now.isoformat())
    before = {
        place: (*_CONSTANT_HEADERS, ("ce_source", f"/{place[0]}/{place[1]}"))
        for place in {(source.topic, source.partition) for source in sources}
    }
    added = [
        [
            *before[source.topic, source.partition],
            ("ce_id", alert.alert_id),
            time,
            *([header for header in given if header[0] in TRACE_HEADERS] if given else ()),
        ]
        for given, source, alert in zip(headers, sources, own, strict=True)
    ]
    keys = [message.key() for message in messages]
    return list(map(_record, zip(keys, values, added, repeat(0, len(own)), strict=True)))
