"""Parts of the business in the evaluation."""

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import binomtest  # type: ignore[attr-defined]

from model.datasets.dataset import Dataset
from model.evaluation.segments import MAX_SEGMENTS, Segment, segments
from model.reports.table import html
from model.reports.tables import segments as shown
from model.thresholds import top_share
from schemas.claim import Claim, Role, role_of
from tests.model.examples import AUTO, dataset

DATA = dataset()
RNG = np.random.default_rng(6)
P = np.clip(0.2 + 0.3 * DATA.labels + RNG.normal(0, 0.2, len(DATA.labels)), 0, 1)


def rows(field: str, **values: Sequence[object]) -> list[Segment]:
    """Segments of claims with these values of one field, half of them frauds."""
    (name, given) = next(iter(values.items()))
    claims = [Claim(claim_id=str(i), **{name: v}) for i, v in enumerate(given)]  # type: ignore[arg-type]
    made = Dataset(AUTO, claims, (np.arange(len(claims)) % 2).astype(np.int8))
    return [s for s in segments(made, np.full(len(claims), 0.5), 0.4) if s.field == field]


def test_segments_are_of_ordinary_features() -> None:
    """Texts, flags and amounts of money; no identifier, time, personal or protected field."""
    values: dict[str, object] = {"text": "one", "flag": True, "number": 1}
    full = {
        name: values[field.kind] for name, field in AUTO.fields.items() if field.kind != "date"
    } | {"claim_id": "full"}
    claims = [*[Claim(**full)] * 60, *[Claim(claim_id=str(n)) for n in range(60)]]  # type: ignore[arg-type]
    found = segments(Dataset(AUTO, claims, np.zeros(120, dtype=np.int8)), np.full(120, 0.5), 0.4)
    fields = {s.field for s in found}
    assert {role_of(field) for field in fields} == {Role.FEATURE}
    assert {"fault", "police_report_filed", "claim_amount", "vehicle_make"} <= fields
    assert not {"witnesses", "past_claims"} & fields


def test_a_field_with_too_many_parts_has_no_segments() -> None:
    for count, parts in ((MAX_SEGMENTS, MAX_SEGMENTS), (MAX_SEGMENTS + 1, 0)):
        makes = [f"make {n}" for n in range(count)] * 40
        assert len(rows("vehicle_make", vehicle_make=makes)) == parts


def test_figures_are_of_the_claims_of_the_segment() -> None:
    found = {s.segment: s for s in segments(DATA, P, 0.4) if s.field == "fault"}
    assert list(found) == ["policy holder", "third party", "unknown"]
    inside = np.array([c.fault == "Policy Holder" for c in DATA.claims])
    fraud, top = DATA.labels[inside] == 1, top_share(P, 0.10) <= P
    one = found["policy holder"]
    assert (one.n, one.frauds) == (inside.sum(), fraud.sum())
    assert one.mean_score == pytest.approx(P[inside].mean())
    assert one.referral_rate == pytest.approx((P[inside] >= 0.4).mean())
    assert one.top_rate == pytest.approx(top[inside].mean())
    assert one.top_recall == pytest.approx(top[inside][fraud].mean())
    expected = binomtest(one.frauds, one.n).proportion_ci(method="wilson")
    interval = one.fraud_rate_interval
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-4)
    assert sum(s.n for s in found.values()) == len(DATA.claims)


def test_amounts_are_cut_into_quarters_of_the_claims_at_hand() -> None:
    found = rows("claim_amount", claim_amount=[*range(1, 401), *[None] * 40])
    assert [(s.segment, s.n) for s in found] == [
        ("1. up to 100", 100),
        ("2. up to 200", 100),
        ("3. up to 300", 100),
        ("4. more", 100),
        ("unknown", 40),
    ]


def test_an_amount_that_is_common_makes_fewer_ranges() -> None:
    found = rows("vehicle_price", vehicle_price=[10_000] * 300 + [20_000] * 60)
    assert [(s.segment, s.n) for s in found] == [("1. up to 10,000", 300), ("2. more", 60)]
    assert rows("vehicle_price", vehicle_price=[10_000] * 360) == []
    assert rows("vehicle_price", vehicle_price=[None] * 360) == []


def test_small_segments_are_put_together() -> None:
    makes = ["sedan"] * 100 + ["sport"] * 50 + ["van"] * 20 + ["truck"] * 25
    found = rows("vehicle_category", vehicle_category=makes)
    assert [(s.segment, s.n) for s in found] == [("sedan", 100), ("sport", 50), ("other", 45)]
    assert [s.small for s in found] == [False, True, True]


def test_a_segment_whose_scores_are_off_is_marked() -> None:
    kinds = ["urban"] * 200 + ["rural"] * 200
    claims = [Claim(claim_id=str(i), loss_area=kind) for i, kind in enumerate(kinds)]
    y = np.array([1] * 20 + [0] * 180 + [1] * 20 + [0] * 180, dtype=np.int8)
    p = np.array([0.1] * 200 + [0.3] * 200)
    rural, urban = segments(Dataset(AUTO, claims, y), p, 0.5)
    assert (rural.off, urban.off) == (True, False)
    text = html(shown([rural, urban]))
    assert "30.0% \u2020" in text
    assert "10.0% \u2020" not in text
    assert "10.0% (6.6-14.9)" in text
    assert text.count("loss area") == 1
