"""Whatever the model answers, the alert is within its schema in every form it is published in."""

import io
import math
from collections.abc import Sequence
from typing import Any, cast

import fastavro
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st

from consumer.batch.edges import Recall, Remembering
from consumer.batch.process import process
from consumer.batch.recalled import Recalled
from consumer.memory.view import Link
from consumer.registry.alerts import plain
from model.history.features import MISSING, ClaimHistory, EntityFeatures
from model.history.plan import EntityKind
from model.scoring.reasons import Explainer, Explanation
from model.scoring.scorer import Assessment
from model.thresholds import Levels, decide
from schemas.alert import Decision, FraudAlert, RuleHit
from schemas.avro import alert_avro
from schemas.claim import MAX_AMOUNT, Claim
from schemas.contract.parse import shipped
from tests.consumer.fakes import NOW, FakeScorer
from tests.harness.kafka import FakeMessage
from tests.schemas.reading import validator

SCHEMA: Any = fastavro.parse_schema(alert_avro())
SIZES = st.one_of(st.sampled_from([1, 11, 22, 39, 44, 78, 797, 1000]), st.integers(1, 1_000))

probabilities = st.one_of(st.floats(0, 1), st.sampled_from([0.0, 5e-324, 1 - 2**-53, 1.0]))
levels = st.lists(probabilities, min_size=4, max_size=4).map(
    lambda p: Levels(**dict(zip(("review", "threshold", "medium", "high"), sorted(p), strict=True)))
)
contributions = st.floats(-1e307, 1e307).filter(bool)
hits = st.builds(
    RuleHit, id=st.just("r"), version=st.integers(1, 2**31 - 1),
    outcome=st.sampled_from(Decision), text=st.text(max_size=9),
)  # fmt: skip
claims = st.builds(
    Claim,
    claim_id=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=128),
    claim_amount=st.none() | st.floats(0, MAX_AMOUNT),
    witnesses=st.none() | st.integers(0, 1_000).map(float),
    police_report_filed=st.none() | st.booleans(),
    fault=st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
    loss_date=st.none() | st.dates(),
)
FEATURES = ("claim_amount", "witnesses", "police_report_filed", "fault")


class Answering(FakeScorer):
    """Answers what it was made with."""

    def __init__(self, answer: Assessment, at: Levels) -> None:
        super().__init__()
        self._answer = answer
        self.threshold = at.threshold

    def assess(self, claims: Any, histories: Sequence[ClaimHistory] | None = None) -> Assessment:
        return self._answer


class Contributions:
    """A model whose features move the score by as much as is asked."""

    unit = "log-odds"

    def __init__(self, parts: list[float]) -> None:
        self._parts = parts

    def contributions(self, X: Any) -> Any:
        return np.array([[*self._parts, 0.0]] * len(X))


KINDS = (EntityKind(kind="phone", like="person"), EntityKind(kind="garage", like="business"))
MOMENTS = st.integers(0, 4_102_444_800_000)
LINKED = st.builds(
    Link,
    kind=st.integers(0, 1),
    claim_id=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=128),
    known_at=MOMENTS,
    finding=st.none() | st.booleans(),
    amount=st.none() | st.floats(0, MAX_AMOUNT),
)


@st.composite
def of_entity(draw: st.DrawFn) -> EntityFeatures:
    """The history of an entity, or that of none."""
    if draw(st.booleans()):
        return MISSING
    count = st.integers(0, 10**9).map(float)
    return EntityFeatures(
        claims_30d=draw(count),
        claims_90d=draw(count),
        claims_365d=draw(count),
        policies=draw(count),
        days_since=draw(st.just(math.nan) | st.floats(0, 1_095)),
        decided=draw(count),
        frauds=draw(count),
        fraud_rate=draw(st.just(math.nan) | st.floats(0, 1)),
    )


@st.composite
def recalled(draw: st.DrawFn) -> Recalled:
    """What may be known of one claim."""
    history = ClaimHistory(
        (draw(of_entity()), draw(of_entity())), bounded=(1,) if draw(st.booleans()) else ()
    )
    links = draw(st.lists(LINKED, max_size=12))
    behind_ms = draw(st.integers(0, 2**40))
    return Recalled(
        KINDS, [history], [draw(MOMENTS)], behind_ms, lambda rows: dict.fromkeys(rows, links)
    )


def recalling(known: Recalled | None) -> Recall | None:
    """Recalls it, and remembers nothing."""
    return None if known is None else lambda *_: Remembering(known, [])


def reasons_for(claim: Claim, parts: list[float]) -> Explanation:
    known_faults = {"fault": ("policyholder", "third party")}
    explainer = Explainer(Contributions(parts), FEATURES, shipped("auto"), known_faults)  # type: ignore[arg-type]
    known = [claim.claim_amount, claim.witnesses, claim.police_report_filed, 3.0]
    codes = np.array([[np.nan if code is None else float(code) for code in known]])
    return explainer.explain([claim], codes)[0]


@pytest.mark.slow
@trying(max_examples=200, deadline=None)
@given(
    claim=claims,
    p=probabilities,
    at=levels,
    size=SIZES,
    ends=st.tuples(probabilities, probabilities).map(sorted),
    parts=st.lists(contributions, min_size=4, max_size=4),
    hit=st.lists(hits, max_size=2),
    known=st.none() | recalled(),
)
def test_every_alert_is_within_its_schema(
    claim: Claim,
    p: float,
    at: Levels,
    size: int,
    ends: list[float],
    parts: list[float],
    hit: list[RuleHit],
    known: Recalled | None,
) -> None:
    score = np.array([p])
    decisions = decide(score, at, np.linspace(ends[0], ends[1], size))
    items, left_out = reasons_for(claim, parts)
    assessment = Assessment(
        score, decisions, [("missing:fault",)], [items], [tuple(hit)], np.zeros((1, 0)),
        remainders={0: left_out},
    )  # fmt: skip
    scorer = Answering(assessment, at)
    message = FakeMessage(msgspec.json.encode(claim))
    (record,) = process([message], scorer, NOW, recall=recalling(known)).alerts
    value = record.value or b""
    document = msgspec.json.decode(value)
    validator("fraud-alert.json").validate(document)
    wanted = [item | {"features": [*item["features"]]} for item in msgspec.to_builtins(items)]
    assert document["reasons"] == wanted, "no number became null"
    assert document["remainder"] == msgspec.to_builtins(left_out), "nor here"
    alert = msgspec.json.decode(value, type=FraudAlert)
    written = io.BytesIO()
    fastavro.schemaless_writer(written, SCHEMA, plain(value))
    written.seek(0)
    back = cast("dict[str, Any]", fastavro.schemaless_reader(written, SCHEMA, None))
    if known is None:  # a record has all fields, JSON has those of memory only where there is any
        assert (back.pop("history"), back.pop("links"), back.pop("memory")) == ([], [], None)
    assert msgspec.convert(back, FraudAlert) == alert
