"""A model as plain data: scored without the libraries that trained it, to the last bit the same."""

import dataclasses
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from scipy.special import expit

from model.artifact.manifest import SplitPlan
from model.artifact.store import MODEL_FILE, PLAIN_FILE, ArtifactError
from model.compiled.fitted import plain_pipeline
from model.compiled.plain import PlainPipeline, encoded
from model.compiled.trees import probability
from model.datasets.dataset import Dataset
from model.datasets.dataset import load as load_data
from model.families.estimators import ALGORITHMS
from model.features.facts import claim_columns
from model.scoring.load import load
from model.scoring.scorer import Scorer
from model.thresholds import Top
from model.training.train import package, train, write
from tests.model.examples import linear
from tests.model.pickled import without_plain
from tests.model.test_artifact import NOW, TRAINED, Bomb
from tests.model.test_rates import SIGNAL, data
from tests.model.test_refusals import put

PLAN = SplitPlan(kind="random")
MADE = load_data("synthetic", "synthetic", rows=1_200, seed=2)
RATED = dataclasses.replace(data(SIGNAL), digest="ab" * 32)
SERVING = """
import sys
import consumer.__main__
from model.scoring.load import load
from schemas.claim import Claim
scorer = load(sys.argv[1])
claims = [Claim(claim_id=str(n), fault="Third Party", claim_amount=n) for n in range(300)]
scorer.assess(claims)
scorer.score(claims[:1])
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""
LIBRARIES = {"sklearn", "scipy", "pandas", "lightgbm", "joblib"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(linear(), tmp_path / "v1", created_at=NOW)
    return tmp_path / "v1"


def said(scorer: Scorer, claims: Any) -> tuple[Any, ...]:
    """Everything that is said of the claims, numbers to the last bit."""
    found = scorer.assess(claims)
    return (
        found.probability.tobytes(),
        found.codes.tobytes(),
        scorer.compiled.contributions(found.codes).tobytes(),
        scorer.score(claims[:1]).tobytes(),
        found._replace(probability=None, codes=None),  # type: ignore[arg-type]
    )


@pytest.mark.slow
@pytest.mark.parametrize("made", [MADE, RATED], ids=["auto", "with rates"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_it_says_what_the_pickle_says_to_the_last_bit(
    algorithm: str, made: Dataset, tmp_path: Path
) -> None:
    trained = train(made, algorithm, PLAN, policy=Top(0.1))
    write(trained, tmp_path / "plain", created_at=NOW)
    shutil.copytree(tmp_path / "plain", tmp_path / "pickled")
    plain, pickled = load(tmp_path / "plain"), load(without_plain(tmp_path / "pickled"))
    assert said(plain, made.claims) == said(pickled, made.claims)
    columns = claim_columns(plain.contract, made.claims, plain.features)
    wanted = trained.pipeline.predict_proba(columns)[:, 1]
    # The pickled logistic regression multiplies matrices, which adds in another order.
    near = 1e-14 if algorithm == "logistic_regression" else 0.0
    np.testing.assert_allclose(plain.score(made.claims), wanted, rtol=0, atol=near)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("algorithm", "imported"),
    [
        ("gradient_boosting", set()),
        ("logistic_regression", set()),
        ("random_forest", {"lightgbm"}),
    ],
)
def test_a_worker_imports_no_library_of_training(
    algorithm: str, imported: set[str], tmp_path: Path
) -> None:
    """Trees too large for tables are scored by LightGBM, which brings others along."""
    write(train(MADE, algorithm, PLAN), tmp_path / "m", created_at=NOW)
    run = subprocess.run(
        [sys.executable, "-c", SERVING, str(tmp_path / "m")], check=True, capture_output=True
    )
    found = LIBRARIES & {*run.stdout.decode().split()}
    assert found >= imported
    assert imported or not found


def test_a_probability_is_that_of_scipy_to_the_last_bit() -> None:
    rng = np.random.default_rng(0)
    spread = [rng.normal(0, scale, 50_000) for scale in (0.1, 1, 5, 100, 800)]
    edges = [0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, 1e308, -1e308, -745.2, -710.0]
    near = np.nextafter(-709.782712893384, [-np.inf, np.inf])
    for raw in (*spread, np.array(edges), near, near[:1], near[:0]):
        assert probability(raw).tobytes() == expit(raw).tobytes()


def test_nothing_of_it_is_unpickled_where_it_serves(folder: Path, tmp_path: Path) -> None:
    trace, plain = tmp_path / "trace", (folder / PLAIN_FILE).read_bytes()
    put(folder, MODEL_FILE, pickle.dumps(Bomb(trace)))
    put(folder, PLAIN_FILE, plain)
    load(folder)
    assert not trace.exists()
    with pytest.raises(ArtifactError, match="cannot be loaded"):
        load(folder, prove=True)
    assert trace.exists()


def test_it_is_proven_to_be_the_model_beside_it(folder: Path) -> None:
    load(folder, prove=True)
    plain = msgspec.json.decode((folder / PLAIN_FILE).read_bytes())
    table = plain["classify"]["scores"]["weights"]
    table[table.index(min(table))] += 1e-15
    put(folder, PLAIN_FILE, msgspec.json.encode(plain))
    load(folder)
    with pytest.raises(ArtifactError, match=r"model\.json is not the model in model\.joblib"):
        load(folder, prove=True)


def test_a_model_that_differs_as_plain_data_is_not_saved() -> None:
    """Its golden examples would not have the scores that the compiled form gives them."""
    other = train(MADE, "gradient_boosting", PLAN)
    plain = plain_pipeline(TRAINED.pipeline)
    assert msgspec.json.decode(encoded(plain), type=PlainPipeline) == plain
    assert plain != plain_pipeline(other.pipeline)
    contents, manifest = package(TRAINED, created_at=NOW)
    assert contents.plain == encoded(plain)
    assert contents.digests().plain == manifest.plain_sha256


def _first_tree(plain: Any) -> Any:
    return next(t for t in plain["classify"]["scores"]["trees"] if len(t["feature"]) > 3)


def _circle(plain: Any) -> None:
    tree = _first_tree(plain)
    tree["left"][0] = 0


def _shared(plain: Any) -> None:
    tree = _first_tree(plain)
    tree["left"][0] = tree["right"][0]


def _before_its_parent(plain: Any) -> None:
    tree = _first_tree(plain)
    number = next(n for n, f in enumerate(tree["feature"]) if n and f >= 0)
    tree["left"][number], tree["left"][0] = tree["left"][0], tree["left"][number]


def _no_feature(plain: Any) -> None:
    _first_tree(plain)["feature"][0] = -2


def _too_short(plain: Any) -> None:
    _first_tree(plain)["rows"].pop()


def _no_trees(plain: Any) -> None:
    plain["classify"]["scores"]["trees"] = []


def _fewer_features(plain: Any) -> None:
    plain["encode"]["features"].pop()


def _no_number(plain: Any) -> None:
    _first_tree(plain)["value"][0] = None


def _another_kind(plain: Any) -> None:
    plain["classify"]["scores"]["type"] = "__import__"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_circle, "not those of one tree"),
        (_shared, "not those of one tree"),
        (_before_its_parent, "stands before its parent"),
        (_no_feature, "not among"),
        (_too_short, "cannot be loaded"),
        (_no_trees, "has no tree"),
        (_fewer_features, r"the classifier has \d+ features, not \d+"),
        (_no_number, r"model\.json is not a model: Expected `float`, got `null`"),
        (_another_kind, r"model\.json is not a model: Invalid value '__import__'"),
    ],
)
def test_what_is_no_model_is_refused(
    change: Callable[[Any], None], message: str, tmp_path: Path
) -> None:
    write(TRAINED, tmp_path / "m", created_at=NOW)
    plain = msgspec.json.decode((tmp_path / "m" / PLAIN_FILE).read_bytes())
    change(plain)
    put(tmp_path / "m", PLAIN_FILE, msgspec.json.encode(plain))
    with pytest.raises(ArtifactError, match=message):
        load(tmp_path / "m")


def test_weights_of_other_cells_are_refused(folder: Path) -> None:
    plain = msgspec.json.decode((folder / PLAIN_FILE).read_bytes())
    plain["classify"]["scores"]["weights"].pop()
    put(folder, PLAIN_FILE, msgspec.json.encode(plain))
    with pytest.raises(ArtifactError, match=r"\d+ weights of \d+ cells"):
        load(folder)


def test_a_number_that_json_lacks_is_not_written() -> None:
    plain = plain_pipeline(linear().pipeline)
    scores = msgspec.structs.replace(plain.classify.scores, intercept=float("nan"))
    classify = msgspec.structs.replace(plain.classify, scores=scores)
    with pytest.raises(msgspec.ValidationError, match="null"):
        encoded(msgspec.structs.replace(plain, classify=classify))
