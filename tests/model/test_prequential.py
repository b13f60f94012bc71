"""Month by month, trained on what was known."""

import datetime as dt
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from model.datasets.dataset import Dataset
from model.evaluation.walk_forward import prequential, windows
from schemas.claim import Claim
from tests.model.examples import AUTO, dataset

DATA = dataset(900)


def test_nothing_is_trained_on_before_it_was_known() -> None:
    found = list(windows(DATA, delay_days=60))
    assert len(found) > 3
    for month, known, tested in found:
        start = dt.date.fromisoformat(f"{month}-01")
        latest = max(DATA.claims[i].loss_date or dt.date.max for i in known)
        assert latest <= start - dt.timedelta(days=60)
        assert {f"{DATA.claims[i].loss_date:%Y-%m}" for i in tested} == {month}
        assert DATA.labels[known].sum() >= 30
    months = [month for month, _, _ in found]
    assert months == sorted(set(months))


def test_a_label_is_known_no_sooner_than_the_delay_after_the_report() -> None:
    late = {n: DATA.claims[n] for n in range(0, 300, 7)}
    reported = dt.date(2021, 8, 20)
    claims = [
        msgspec.structs.replace(claim, report_date=reported) if n in late else claim
        for n, claim in enumerate(DATA.claims)
    ]
    again = Dataset(AUTO, claims, DATA.labels)
    trained = {m: {*known.tolist()} for m, known, _ in windows(again, delay_days=60)}
    assert not trained["2021-09"] & late.keys()
    assert not trained["2021-10"] & late.keys()
    for month, known in trained.items():
        start = dt.date.fromisoformat(f"{month}-01")
        for row in known:
            told = max(claims[row].report_date or dt.date.min, claims[row].loss_date or start)
            assert told <= start - dt.timedelta(days=60)
    unreported = {n for n, claim in enumerate(claims) if claim.report_date is None}
    assert trained["2021-09"] & unreported


def test_the_last_days_of_the_calendar_are_days_like_others() -> None:
    last = Claim(claim_id="last", loss_date=dt.date.max)
    labels = np.append(DATA.labels, np.int8(0))
    assert list(windows(Dataset(AUTO, [*DATA.claims, last], labels)))[-1][0] == "9999-12"


def test_a_longer_delay_knows_less() -> None:
    early = {m: len(k) for m, k, _ in windows(DATA, delay_days=0)}
    late = {m: len(k) for m, k, _ in windows(DATA, delay_days=90)}
    assert late.keys() < early.keys()
    assert all(late[month] < early[month] for month in late)


def test_claims_without_a_day_are_in_no_window() -> None:
    undated = Claim(claim_id="undated")
    labels = np.append(DATA.labels, np.int8(1))
    for _, known, tested in windows(Dataset(AUTO, [*DATA.claims, undated], labels)):
        assert len(DATA.claims) not in {*known, *tested}


def test_each_step_is_evaluated_with_its_own_model() -> None:
    """A model that says the share of frauds it was shown."""

    def fit(claims: Sequence[Claim], labels: np.ndarray) -> float:
        return float(labels.mean())

    def predict(model: float, claims: Sequence[Claim]) -> np.ndarray:
        return np.full(len(claims), model)

    counted: list[None] = []
    steps = prequential(DATA, fit, predict, 0.5, on_fit=lambda: counted.append(None))
    expected = list(windows(DATA))
    assert len(steps) == len(expected) == len(counted)
    for step, (month, known, tested) in zip(steps, expected, strict=True):
        assert (step.month, step.trained_on, step.report.n) == (month, len(known), len(tested))
        said = DATA.labels[known].mean()
        assert step.report.brier == pytest.approx(((DATA.labels[tested] - said) ** 2).mean())
