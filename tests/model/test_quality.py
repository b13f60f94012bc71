from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from model.datasets.dataset import DatasetError, load
from model.studies import quality
from model.studies.quality import Figure, figures, predict, summarise
from model.training import splits
from tests.model.examples import FEATURES

pytestmark = pytest.mark.slow

MADE = load("synthetic", "synthetic", rows=6_000)


def run(seed: int, noise: float) -> quality.Prediction:
    rng = np.random.default_rng(seed)
    y = (rng.random(600) < 0.2).astype(np.int8)
    return y, np.clip(0.3 * y + noise * rng.random(600), 0, 1)


def by_metric(runs: list[quality.Prediction]) -> dict[str, Figure]:
    return {f.metric: f for f in summarise("p", "a", runs)}


def test_a_figure_is_the_mean_over_the_runs() -> None:
    runs = [run(1, 0.9), run(2, 0.9)]
    found = by_metric(runs)
    assert set(found) == set(quality.METRICS)
    assert found["roc_auc"].mean == np.mean([roc_auc_score(y, p) for y, p in runs])
    wanted = np.mean([average_precision_score(y, p) for y, p in runs])
    assert found["average_precision"].mean == wanted
    assert {f.runs for f in found.values()} == {2}


def test_the_interval_covers_chance_in_claims_and_in_runs() -> None:
    one = by_metric([run(1, 0.9)])["roc_auc"]
    assert one.low < one.mean < one.high
    assert 0.02 < one.high - one.low < 0.12
    apart = by_metric([run(1, 0.5), run(2, 0.9)])["roc_auc"]
    assert apart.high - apart.low > one.high - one.low


def test_the_same_predictions_give_the_same_figures() -> None:
    assert summarise("p", "a", [run(1, 0.9)]) == summarise("p", "a", [run(1, 0.9)])


def test_predictions_are_of_the_test_rows_and_repeatable() -> None:
    train, test = splits.random_split(MADE.labels, 0.3, 1)
    y, p = predict(MADE, train, test, "gradient_boosting", FEATURES, 1)
    np.testing.assert_array_equal(y, MADE.labels[test])
    assert roc_auc_score(y, p) > 0.75
    again = predict(MADE, train, test, "gradient_boosting", FEATURES, 1)[1]
    np.testing.assert_array_equal(p, again)
    weak = predict(MADE, train, test, "gradient_boosting", FEATURES, 1, boosting__max_iter=1)[1]
    assert len(np.unique(weak)) < 20 < len(np.unique(p))


def test_figures_need_the_files(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"fraud_oracle\.csv"):
        figures(tmp_path)


def test_the_table_has_a_row_for_each_protocol_and_family() -> None:
    found = summarise("later", "one", [run(1, 0.9)]) + summarise("later", "two", [run(2, 0.9)])
    shown = quality.table(found)
    assert [row[:2] for row in shown.rows] == [["later", "one"], ["later", "two"]]
    assert shown.rows[0][2].startswith(f"{found[0].mean:.4f} (")
