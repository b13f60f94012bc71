"""What a model does not use, and what its features are worth, is said."""

import dataclasses
import datetime as dt
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from model.__main__ import main
from model.arrays import Matrix
from model.artifact.manifest import SplitPlan
from model.datasets.dataset import Dataset, write_jsonl
from model.evaluation.importance import MOST_CLAIMS, importance
from model.features.encoder import ClaimEncoder
from model.features.facts import Columns
from model.reports.card import Card, by_reason
from model.training.left_out import CONSTANT, MISSING, SCREENED
from model.training.train import Trained, package, train
from tests.model.examples import AUTO, FEATURES, dataset

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
WHOLE = ("fault", "vehicle_make", "claim_amount")
"""What the labels of the examples depend on."""


def with_one_area() -> Dataset:
    plain = dataset(2_000)
    claims = [msgspec.structs.replace(claim, loss_area="Urban") for claim in plain.claims]
    return dataclasses.replace(plain, claims=claims)


DATA = with_one_area()


@cache
def trained() -> Trained:
    return train(DATA, "gradient_boosting", SplitPlan(kind="random", test_size=0.4))


def test_every_feature_is_used_or_has_a_reason() -> None:
    left = trained().left_out
    assert left["loss_area"] == CONSTANT
    assert left["vehicle_category"] == MISSING
    assert by_reason(left)[SCREENED]
    _, manifest = package(trained(), created_at=NOW)
    assert manifest.left_out == left
    used = set(manifest.features) - {name for name, why in left.items() if why == SCREENED}
    assert used | set(left) == set(FEATURES)
    assert not used & set(left)
    assert set(WHOLE) <= used
    assert by_reason(left)[CONSTANT] == ["loss_area"]


def measured(trained: Trained, data: Dataset) -> dict[str, float]:
    tested = data.part(trained.test_rows)
    found = importance(AUTO, trained.pipeline, tested.claims, tested.labels)
    assert [one.roc_auc for one in found] == sorted((one.roc_auc for one in found), reverse=True)
    return {one.feature: one.roc_auc for one in found}


def test_what_the_labels_depend_on_is_important() -> None:
    found = measured(trained(), DATA)
    assert set(found) == set(trained().pipeline["encode"].features) - set(trained().left_out)
    assert min(found[name] for name in WHOLE) > 0.01
    assert max((abs(v) for name, v in found.items() if name not in WHOLE), default=0) < 0.05
    assert measured(trained(), DATA) == found


class Counted:
    """An encoder that notes how many claims it is given each time."""

    def __init__(self, encoder: ClaimEncoder) -> None:
        self.features = encoder.features
        self.given: list[int] = []
        self._encoder = encoder

    def codes(self, columns: Columns) -> Matrix:
        (count,) = {len(column) for column in columns.values()}
        self.given.append(count)
        return self._encoder.codes(columns)


def test_the_cost_of_importance_is_bounded() -> None:
    tested = DATA.part(np.arange(2_000).repeat(3))
    assert len(tested.claims) > MOST_CLAIMS
    encoder = Counted(trained().pipeline["encode"])
    pipeline = Pipeline([("encode", encoder), ("classify", trained().pipeline["classify"])])
    done: list[None] = []
    importance(AUTO, pipeline, tested.claims, tested.labels, on_feature=lambda: done.append(None))
    assert encoder.given == [MOST_CLAIMS]
    assert len(done) == len(trained().pipeline["encode"].features)


def test_claims_of_one_label_have_no_importance() -> None:
    honest = DATA.part(np.flatnonzero(DATA.labels == 0))
    assert importance(AUTO, trained().pipeline, honest.claims, honest.labels) == ()


@pytest.mark.slow
def test_console_card_and_report_say_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_jsonl(DATA, tmp_path / "claims.jsonl")
    given = ["train", "--data", str(tmp_path / "claims.jsonl"), "--format", "jsonl"]
    assert main([*given, "--output", str(tmp_path / "m"), "--test-size", "0.02"]) == 0
    said = capsys.readouterr().err
    assert f"not used by gradient_boosting, {CONSTANT}: loss_area\n" in said
    assert f"not used by gradient_boosting, {SCREENED}: " in said
    assert "warning: gradient_boosting: only " in said
    card = msgspec.json.decode((tmp_path / "m" / "card.json").read_bytes(), type=Card)
    assert card.left_out["loss_area"] == CONSTANT
    assert any("frauds to test on" in doubt for doubt in card.doubts)
    assert {one.feature for one in card.evaluation.importance} >= set(WHOLE)
    texts = [(tmp_path / "m" / name).read_text() for name in ("card.md", "report.html")]
    for text in texts:
        assert f"not used, {CONSTANT}: loss" in text
        assert "frauds to test on" in text
        assert "average precision lost" in text
    assert "Importance of the features" in texts[0]
