"""Copies of a claim: found by id and by content, reported, and kept on one side of every split."""

import dataclasses
import datetime as dt
from pathlib import Path

import msgspec
import numpy as np
import pytest

from model.__main__ import main
from model.arrays import Indices
from model.artifact.manifest import SplitPlan
from model.artifact.store import read_manifest
from model.datasets import dataset as datasets
from model.datasets.dataset import Dataset, write_jsonl
from model.datasets.duplicates import Duplicates, groups_of
from model.evaluation.bootstrap import intervals
from model.evaluation.walk_forward import windows
from model.features.facts import event_days
from model.leaks import check as leaks
from model.leaks.lift import CHANCE, chance_error, cross_validated, encoded
from model.studies import quality, search
from model.studies.quality import Prediction
from model.training import splits
from model.training.train import out_of_fold, split, train
from schemas.claim import Claim
from tests.model.examples import AUTO, FEATURES, dataset

COPIES = 3


def tripled(plain: Dataset, *, new_ids: bool) -> Dataset:
    """Each claim three times, as an export does that is run three times; labels by chance."""
    once = np.random.default_rng(3).random(len(plain.claims)) < 0.3
    copies = tuple(plain.claims) * COPIES
    if new_ids:
        copies = tuple(
            msgspec.structs.replace(claim, claim_id=f"n{n}") for n, claim in enumerate(copies)
        )
    labels = np.tile(once, COPIES).astype(np.int8)
    return dataclasses.replace(plain, claims=copies, labels=labels)


@pytest.fixture(scope="module", params=[False, True], ids=["by id", "by content"])
def copied(request: pytest.FixtureRequest) -> Dataset:
    return tripled(dataset(400), new_ids=request.param)


def sides_share_nothing(found: Dataset, train: Indices, test: Indices) -> bool:
    return not {*found.groups[train].tolist()} & {*found.groups[test].tolist()}


def test_copies_are_found_and_counted(copied: Dataset) -> None:
    np.testing.assert_array_equal(copied.groups, np.tile(np.arange(400), COPIES))
    by_id = len({claim.claim_id for claim in copied.claims}) == 400
    assert copied.duplicates == Duplicates(
        claims=800, by_id=800 if by_id else 0, by_content=800, contradictory=0
    )


def test_groups_join_what_ids_and_content_join() -> None:
    one, two, three, four = dataset(4).claims
    claims = [
        *dataset(200).claims,
        msgspec.structs.replace(one, claim_id=two.claim_id),  # joins the first two
        msgspec.structs.replace(three, claim_id="new"),
        Claim(claim_id="new", claim_amount=4.0),
        four,
    ]
    groups = groups_of(claims, "claim_id").tolist()
    assert groups[:4] == [0, 0, 1, 2]
    assert groups[-4:] == [0, 1, 1, 2]
    assert max(groups) == 198


def test_claims_of_which_little_is_known_are_not_copies() -> None:
    coarse = [Claim(claim_id=str(n), fault=f"f{n % 3}", witnesses=n % 2) for n in range(600)]
    assert groups_of(coarse, "claim_id").tolist() == list(range(600))
    bare = [Claim(claim_id=str(n)) for n in range(50)]
    assert groups_of(bare, "claim_id").tolist() == list(range(50))
    assert groups_of([], "claim_id").tolist() == []


def test_contradictory_labels_are_counted() -> None:
    plain = tripled(dataset(100), new_ids=False)
    labels = plain.labels.copy()
    labels[:7] = 1 - labels[:7]
    found = dataclasses.replace(plain, labels=labels).duplicates
    assert found.contradictory == 7
    assert "contradict each other in 7 groups" in found.text()


@pytest.mark.parametrize("kind", ["random", "time"])
def test_every_split_keeps_copies_together(copied: Dataset, kind: str) -> None:
    plan = msgspec.convert({"kind": kind}, SplitPlan)
    inside, outside = split(copied, plan)
    assert len(inside) + len(outside) == len(copied.claims)
    assert sides_share_nothing(copied, inside, outside)
    assert 0.15 < len(outside) / len(copied.claims) < 0.25


def test_every_fold_keeps_copies_together(copied: Dataset) -> None:
    folds = splits.stratified_folds(copied.labels, 5, 1, copied.groups)
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(1_200))
    for fold in folds:
        assert sides_share_nothing(copied, fold.train, fold.test)


def test_splits_without_copies_are_as_they_were() -> None:
    plain = dataset()
    alone = np.arange(len(plain.claims))
    np.testing.assert_array_equal(plain.groups, alone)
    for ours, theirs in zip(
        splits.random_split(plain.labels, 0.2, 42, plain.groups),
        splits.random_split(plain.labels, 0.2, 42),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)


def revised(day: int, later: int) -> list[Claim]:
    """A hundred claims, one a day, and one of them once more with a later day of loss."""
    first = dt.date(2024, 1, 1)
    plain = [
        Claim(claim_id=str(n), loss_date=first + dt.timedelta(days=n), claim_amount=n)
        for n in range(100)
    ]
    again = msgspec.structs.replace(plain[day], loss_date=first + dt.timedelta(days=later))
    return [*plain, again]


def test_the_latest_day_of_copies_counts_in_splits_by_time() -> None:
    claims = revised(10, 90)
    groups = groups_of(claims, "claim_id")
    cut = dt.date(2024, 1, 1) + dt.timedelta(days=80)
    lost = event_days(AUTO, claims)
    for found in (
        splits.time_split(lost, 0.2, groups),
        splits.cutoff_split(lost, cut, groups),
        splits.forward_folds(lost, 2, groups=groups)[-1],
    ):
        assert {10, 100} <= {*found.test.tolist()}
        assert not {10, 100} & {*found.train.tolist()}
        days = [claim.loss_date or dt.date.max for claim in claims]
        assert max(days[i] for i in found.train) < min(days[i] for i in found.test if i != 10)


def test_the_walk_forward_trains_on_no_copy_of_what_it_tests() -> None:
    plain = dataset(900)
    again = msgspec.structs.replace(plain.claims[0], loss_date=dt.date(2021, 8, 5))
    claims, labels = [*plain.claims, again], np.append(plain.labels, plain.labels[0])
    found = {
        month: (known, tested) for month, known, tested in windows(Dataset(AUTO, claims, labels))
    }
    known, tested = found["2021-08"]
    assert 900 in tested
    assert 0 not in known
    assert 0 in found["2021-07"][0]


@pytest.mark.slow
def test_labels_by_chance_are_not_predictable(copied: Dataset) -> None:
    noise = CHANCE * chance_error(copied.labels[:400])
    scores = out_of_fold(
        AUTO, copied.claims, copied.labels, copied.groups, "gradient_boosting", features=FEATURES
    )
    assert abs(quality.METRICS["roc_auc"](copied.labels, scores) - 0.5) < noise
    X = encoded(AUTO, copied.claims, FEATURES)
    assert abs(cross_validated(X, copied.labels, 1, copied.groups) - 0.5) < noise
    assert cross_validated(X, copied.labels, 1, np.arange(1_200)) > 0.5 + noise
    trained = train(copied, "gradient_boosting", SplitPlan(kind="random"))
    tested = chance_error(copied.labels[trained.test_rows][:80])
    assert abs((trained.report.roc_auc or 0) - 0.5) < CHANCE * tested
    assert trained.data.duplicates.claims == 800


@pytest.mark.slow
def test_copies_do_not_make_chance_a_leak(copied: Dataset) -> None:
    found = leaks.check(AUTO, copied.claims, copied.labels, copied.groups, FEATURES)
    assert found is not None
    assert found.findings == ()
    assert found.margin == pytest.approx(CHANCE * chance_error(copied.labels[:400]))


def test_copies_do_not_narrow_the_intervals() -> None:
    rng = np.random.default_rng(5)
    y = (rng.random(300) < 0.3).astype(np.int8)
    p = np.clip(rng.normal(0.3 + 0.1 * y, 0.15), 0, 1)
    once = intervals(y, p)
    groups = np.tile(np.arange(300), COPIES)
    found = intervals(np.tile(y, COPIES), np.tile(p, COPIES), groups=groups)
    assert found.keys() == once.keys()
    for name, interval in found.items():
        assert (interval.low, interval.high) == pytest.approx((once[name].low, once[name].high))
    blind = intervals(np.tile(y, COPIES), np.tile(p, COPIES))["roc_auc"]
    assert blind.high - blind.low < 0.75 * (once["roc_auc"].high - once["roc_auc"].low)


def test_the_studies_keep_copies_together(copied: Dataset) -> None:
    seen: list[tuple[Indices, Indices]] = []

    def predict(found: Dataset, train: Indices, test: Indices, *_: object) -> Prediction:
        seen.append((train, test))
        labels = found.labels[test]
        return labels, labels.astype(np.float64)

    for runs in (
        quality.later_year(copied, "one", dt.date(2021, 4, 1), predict),
        quality.stratified(copied, "one", predict),
        quality.cross_validation(copied, "one", FEATURES, predict),
    ):
        assert list(runs)
    search.validate(copied, search.candidates()[0], predict=predict)
    assert len(seen) == 5 + 5 + 25 + 4
    assert all(sides_share_nothing(copied, train, test) for train, test in seen)


@pytest.mark.slow
def test_training_reports_the_copies(
    copied: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_jsonl(copied, tmp_path / "claims.jsonl")
    on = ["--data", str(tmp_path / "claims.jsonl"), "--format", "jsonl"]
    model = tmp_path / "m"
    algorithm = ["--algorithm", "logistic_regression"]
    assert main(["train", *on, "--output", str(model), *algorithm]) == 0
    assert f"warning: claims.jsonl: {copied.duplicates.text()}\n" in capsys.readouterr().err
    assert read_manifest(model).trained_on.duplicates == copied.duplicates
    for name in ("card.md", "report.html"):
        assert copied.duplicates.text() in (model / name).read_text()
    for command in (["evaluate", "--model"], ["compare"]):
        assert main([*command, str(model), *on]) == 0
        assert copied.duplicates.text() in capsys.readouterr().err
    assert main(["evaluate", "--model", str(model), *on, "--split", "none"]) == 0
    assert "trained on 960 of 1200 rows" in capsys.readouterr().err


def test_no_copies_in_the_claims_of_the_generator() -> None:
    assert datasets.load("synthetic", "synthetic", rows=3_000).duplicates == Duplicates()
