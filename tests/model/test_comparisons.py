"""What a reference keeps for comparisons: counts that are large enough, and ranks."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from model.artifact.comparing import Comparer
from model.artifact.comparisons import (
    FEWEST,
    FEWEST_FRAUDS,
    Compared,
    Comparisons,
    Tally,
    compare,
    key,
)
from model.artifact.reference import Reference, describe
from model.files.trusted import decode
from model.training.train import fit, predict
from schemas.decoding.decoder import ClaimDecoder
from tests.model.examples import AUTO, dataset
from tests.schemas.contracts import small

rows = st.lists(
    st.tuples(st.sampled_from([0.0, 1.0, 2.5, 7.0, np.nan]), st.integers(0, 1)), min_size=1
)


def one(values: list[float], labels: list[int], *, number: bool = True) -> Compared:
    found = compare(
        np.array(values)[:, None], np.array(labels), {"a": number}, np.zeros(1, dtype=bool)
    )
    return found.features["a"]


@given(rows.map(lambda some: some * 4))
def test_small_counts_are_withheld_and_others_right(some: list[tuple[float, int]]) -> None:
    values, labels = [v for v, _ in some], [y for _, y in some]
    tallies = one(values, labels).tallies
    for code in {key(v) for v in values}:
        frauds = [y for v, y in some if key(v) == code]
        if len(frauds) < FEWEST:
            assert code not in tallies
        else:
            known = sum(frauds) if sum(frauds) >= FEWEST_FRAUDS else None
            assert tallies[code] == Tally(len(frauds), known)


@example([0.0] * 24, 1)
@given(st.lists(st.integers(-50, 400).map(float), min_size=1, max_size=300), st.integers(-60, 410))
def test_a_number_never_stands_out_more_than_it_does(values: list[float], asked: int) -> None:
    spread = one(values, [0] * len(values)).spread
    if spread is None:
        assert len(values) < 2 * FEWEST
        return
    total = len(values)
    assert spread.above(asked) <= sum(v < asked for v in values) / total
    assert spread.under(asked) <= sum(v > asked for v in values) / total
    assert max(spread.above(asked), spread.under(asked)) <= (total - FEWEST) / total
    assert sum(v <= spread.median for v in values) >= total / 2
    assert sum(v >= spread.median for v in values) >= total / 2


def test_ranks_are_fine_at_both_ends() -> None:
    spread = one([float(n) for n in range(10_000)], [0] * 10_000).spread
    assert spread is not None
    assert spread.above(9_999) == pytest.approx(0.999, abs=0.0011)
    assert spread.above(9_700) == pytest.approx(0.97, abs=0.011)
    assert spread.under(2) == pytest.approx(0.999, abs=0.0011)
    assert spread.median == 4_999
    assert len(spread.values) < 50


def test_many_values_have_no_counts_but_missing_ones_have() -> None:
    found = one([float(n) for n in range(40)] * 10 + [np.nan] * 12, [1] * 412)
    assert found.tallies == {"nan": Tally(12, 12)}
    assert one([0.0] * 12 + [1.0] * 12, [0] * 24, number=False).spread is None


def test_a_reference_keeps_nothing_about_personal_facts_dates_and_identifiers() -> None:
    contract = small(
        {
            "name": {"type": "string", "x-role": "personal"},
            "age": {"type": "number", "x-role": "protected"},
            "day": {"type": "string", "format": "date", "x-role": "time"},
            "amount": {"type": "number", "x-role": "feature"},
        },
        x_derived={"per_year": "amount / age"},
    )
    decode_ = ClaimDecoder(contract).convert
    claims = [
        decode_(
            {"claim_no": str(n), "name": "ab"[n % 2], "age": 20 + n % 7, "amount": n % 5,
             "day": f"2024-01-{1 + n % 20:02}"}
        )
        for n in range(300)
    ]  # fmt: skip
    labels = np.array([n % 3 == 0 for n in range(300)], dtype=np.int8)
    names = ("claim_no", "name", "age", "day", "amount", "per_year")
    pipeline = fit(contract, claims, labels, "gradient_boosting", features=names)
    found = describe(contract, pipeline, claims, predict(contract, pipeline, claims), labels)
    assert found.comparisons is not None
    assert set(found.comparisons.features) == {"amount"}
    assert (found.comparisons.claims, found.comparisons.frauds) == (300, 100)


def test_a_reference_of_before_has_none() -> None:
    made = dataset(200)
    pipeline = fit(AUTO, made.claims, made.labels, "gradient_boosting", features=("claim_amount",))
    scores = predict(AUTO, pipeline, made.claims)
    assert describe(AUTO, pipeline, made.claims, scores).comparisons is None
    old = b'{"scores": [0.5], "columns": {}, "golden": []}'
    assert decode(old, Reference).comparisons is None
    assert Comparisons(claims=1, frauds=0, features={}).features == {}


def test_one_day_is_not_days() -> None:
    lags = np.array([1.0] * 60 + [float(n) for n in range(2, 52)])[:, None]
    labels = np.zeros(len(lags), dtype=np.int64)
    known = compare(lags, labels, {"report_lag_days": True}, np.zeros(1, dtype=bool))
    text = Comparer(known, AUTO).compare("report_lag_days", 90.0).text
    assert text.endswith("of all claims; half have at most 1 day")


def test_counts_of_two_features_together_are_withheld_alike() -> None:
    first = np.array([0.0] * 30 + [1.0] * 30 + [np.nan] * 12)
    second = np.array([0.0] * 21 + [1.0] * 9 + [0.0] * 30 + [2.0] * 12)
    labels = np.array([1] * 4 + [0] * 26 + [1] * 7 + [0] * 23 + [0] * 12)
    codes, names = np.array([first, second]).T, {"a": False, "b": False}
    found = compare(codes, labels, names, np.zeros(2, dtype=bool), [(0, 1)])
    assert found.joint == {
        "a|b": {"0.0|0.0": Tally(21, None), "1.0|0.0": Tally(30, 7), "nan|2.0": Tally(12, None)}
    }
    hidden = compare(codes, labels, names, np.array([False, True]), [(0, 1)])
    assert hidden.joint == {}
    many = np.array([np.arange(72.0), second]).T
    assert compare(many, labels, names, np.zeros(2, dtype=bool), [(0, 1)]).joint == {"a|b": {}}


def test_a_share_is_never_rounded_up() -> None:
    spread = one([float(n) for n in range(10_000)], [0] * 10_000)
    known = Comparisons(claims=10_000, frauds=100, features={"report_lag_days": spread})
    found = {
        value: Comparer(known, AUTO).compare("report_lag_days", value).text.partition(" of all")[0]
        for value in (9_999.0, 9_989.0, 9_899.0, 7_599.0, 50.0)
    }
    assert list(found.values()) == [
        "more than 99.9 %", "more than 99.8 %", "more than 98 %", "more than 75 %",
        "less than 99.4 %",
    ]  # fmt: skip
