"""Bootstrap intervals: the same figures as one draw at a time, and as wide as they should be."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from model.evaluation.bootstrap import Interval, figures, gains, intervals
from model.metrics import evaluate
from tests.model.examples import dataset

pytestmark = pytest.mark.slow

DATA = dataset()
RNG = np.random.default_rng(5)
P = np.clip(0.1 + 0.2 * DATA.labels + RNG.normal(0, 0.1, len(DATA.labels)), 0, 1)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from([0.1, 0.2, 0.3, 0.9])), min_size=1),
    st.integers(0, 1000),
)
def test_figures_of_a_draw_are_those_of_the_claims_drawn(
    rows: list[tuple[bool, float]], seed: int
) -> None:
    y, p = np.array([r[0] for r in rows], dtype=int), np.array([r[1] for r in rows])
    drawn = np.random.default_rng(seed).integers(0, len(y), (3, len(y)))
    weights = np.stack([np.bincount(d, minlength=len(y)) for d in drawn]).astype(float)
    found = figures(y, p, weights)
    for i, draw in enumerate(drawn):
        expected = msgspec.structs.asdict(evaluate(y[draw], p[draw]))
        for name, values in found.items():
            if expected[name] is None:
                assert np.isnan(values[i]), name
            else:
                assert values[i] == pytest.approx(expected[name]), name


def test_an_interval_holds_its_figure_and_shrinks_with_more_claims() -> None:
    report = evaluate(DATA.labels, P)
    whole = intervals(DATA.labels, P)
    for name, interval in whole.items():
        assert interval.low <= getattr(report, name) <= interval.high
    half = intervals(DATA.labels[:150], P[:150])
    assert whole["roc_auc"].high - whole["roc_auc"].low < half["roc_auc"].high - half["roc_auc"].low
    assert intervals(DATA.labels, P) == whole


def test_the_interval_is_as_wide_as_the_figure_varies() -> None:
    """Against fresh samples of the same population, not resamples of one."""

    def sample() -> tuple[np.ndarray, np.ndarray]:
        y = (RNG.random(400) < 0.2).astype(int)
        return y, np.clip(RNG.normal(0.3 + 0.2 * y, 0.2), 0, 1)

    spread = np.std([roc_auc_score(*sample()) for _ in range(300)])
    found = intervals(*sample())["roc_auc"]
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(spread, rel=0.3)


def test_figures_without_meaning_have_no_interval() -> None:
    assert intervals(np.zeros(20, dtype=int), np.full(20, 0.1)).keys() == {"brier"}


def test_a_difference_is_drawn_on_the_same_claims() -> None:
    """Of a model and itself there is none; of two that err alike it is known better than either."""
    other = np.clip(P + RNG.normal(0, 0.01, len(P)), 0, 1)
    assert set(gains(DATA.labels, P, P, resamples=100).values()) == {Interval(0.0, 0.0)}
    found = gains(DATA.labels, P, other, resamples=200)["roc_auc"]
    alone = intervals(DATA.labels, P, resamples=200)["roc_auc"]
    assert 0 < found.high - found.low < (alone.high - alone.low) / 3
    worse = gains(DATA.labels, P, np.full(len(P), 0.5), resamples=200)["roc_auc"]
    assert worse.low == pytest.approx(alone.low - 0.5)
    assert worse.high == pytest.approx(alone.high - 0.5)
