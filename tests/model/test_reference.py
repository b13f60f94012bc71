"""What an artifact keeps about its training claims, and how the scorer uses it."""

import datetime as dt
from pathlib import Path

import msgspec
import numpy as np
import pytest

from model.artifact.manifest import SplitPlan
from model.artifact.reference import (
    TOO_LITTLE_KNOWN,
    Golden,
    Reference,
    describe,
    known_features,
    least_known,
    ranked,
)
from model.artifact.store import (
    MODEL_FILE,
    ArtifactError,
    read_manifest,
    save,
    unpickled,
    verified,
)
from model.drift import SCORE, Bins, Window
from model.features.encoder import ClaimEncoder, claim_frame
from model.features.facts import claim_columns
from model.scoring.load import load
from model.scoring.scorer import Scorer
from model.thresholds import Top, levels
from model.training.train import fit, out_of_fold, pick, predict, split, train, write
from schemas.alert import Decision
from schemas.claim import Role, fields_by_role
from tests.model.examples import AUTO, FEATURES, dataset

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
DATA = dataset()
PLAN = SplitPlan(kind="random")


@pytest.fixture(scope="module", params=["gradient_boosting", "logistic_regression"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "m"
    write(train(DATA, request.param, PLAN, policy=Top(0.05)), path, created_at=NOW)
    return path


@pytest.fixture(scope="module")
def scorer(folder: Path) -> Scorer:
    return load(folder)


def test_golden_examples_hold_nothing_they_must_not(scorer: Scorer) -> None:
    unsafe = {
        n for r in (Role.IDENTIFIER, Role.PROTECTED, Role.PERSONAL) for n in fields_by_role(r)
    } - {"claim_id"}
    own = {claim.claim_id for claim in DATA.claims}
    for golden in scorer.reference.golden:
        assert golden.claim["claim_id"] not in own
        assert not unsafe & golden.claim.keys()
    probabilities = [golden.probability for golden in scorer.reference.golden[:-1]]
    assert min(probabilities) < np.quantile(scorer.reference.scores, 0.05) * 1.5
    assert max(probabilities) > np.quantile(scorer.reference.scores, 0.95)
    number = len(scorer.reference.golden)
    assert scorer.reference.golden[-1].claim == {"claim_id": f"golden-{number}"}
    claims = scorer.reference.golden_claims(AUTO)
    assert [claim.claim_id for claim in claims] == [f"golden-{n + 1}" for n in range(number)]
    assert any(claim.loss_date in {c.loss_date for c in DATA.claims} for claim in claims[:-1])


def test_golden_examples_hold_what_the_model_was_told_to_use() -> None:
    names = ("claim_id", "policy_number", "claim_amount")
    claims = [
        msgspec.structs.replace(c, claim_id=c.claim_id.removeprefix("c")) for c in DATA.claims
    ]
    pipeline = fit(AUTO, claims, DATA.labels, "gradient_boosting", features=names)
    found = describe(AUTO, pipeline, claims, predict(AUTO, pipeline, claims))
    assert all(golden.claim["policy_number"] for golden in found.golden[:-1])
    assert all(golden.claim["claim_id"].startswith("golden-") for golden in found.golden)


def test_other_golden_scores_are_refused(folder: Path, tmp_path: Path) -> None:
    scorer = load(folder)
    first, *rest = scorer.reference.golden
    off = Golden(first.claim, first.probability + 1e-6)
    altered = msgspec.structs.replace(scorer.reference, golden=(off, *rest))
    reference = msgspec.json.encode(altered)
    contents = verified(folder, scorer.manifest)._replace(reference=reference)
    manifest = msgspec.structs.replace(
        scorer.manifest, reference_sha256=contents.digests().reference
    )
    save(tmp_path / "altered", contents, manifest)
    with pytest.raises(
        ArtifactError, match=r"golden example 1 scores .* computes different scores"
    ):
        load(tmp_path / "altered")


def test_an_altered_reference_is_refused(folder: Path, tmp_path: Path) -> None:
    manifest = read_manifest(folder)
    contents = verified(folder, manifest)
    save(tmp_path / "m", contents, manifest)
    (tmp_path / "m" / "reference.json").write_bytes(contents.reference + b" ")
    with pytest.raises(ArtifactError, match=r"reference\.json has sha256"):
        load(tmp_path / "m")


def test_an_assessment_is_what_its_parts_say(scorer: Scorer) -> None:
    claims = DATA.claims[:200]
    assessed = scorer.assess(claims)
    assert assessed.probability.tobytes() == scorer.score(claims).tobytes()
    columns = claim_columns(AUTO, claims, scorer.features)
    encoder = ClaimEncoder(
        scorer.features, [name for name in scorer.features if AUTO.is_category(name)]
    ).fit(columns)
    known = encoder.categories().keys()
    assert "fault" in known
    for name, values in zip(scorer.features, assessed.codes.T, strict=True):
        if name not in known:
            np.testing.assert_array_equal(values, np.array(columns[name], dtype=float))
    assert assessed.decisions == scorer.decide(assessed.probability)
    referred = [d is Decision.REFER for d in assessed.decisions.decision]
    assert referred == (assessed.probability >= scorer.threshold).tolist()
    assert scorer.threshold_policy == "top 0.05 of claims"
    assert min(assessed.decisions.percentile) >= 0
    assert max(assessed.decisions.percentile) <= 100


def test_the_scorer_gives_what_the_pipeline_gives(folder: Path, scorer: Scorer) -> None:
    claims = DATA.claims[:50]
    pipeline = unpickled((folder / MODEL_FILE).read_bytes())
    expected = pipeline.predict_proba(claim_frame(AUTO, claims, scorer.features))[:, 1]
    assert scorer.score(claims).tobytes() == expected.tobytes()


def test_training_claims_do_not_drift_and_others_do(scorer: Scorer) -> None:
    rows, _ = split(DATA, PLAN)
    window = Window(scorer.reference.columns)
    same = scorer.assess(pick(DATA.claims, rows))
    window.add(same.codes, scorer.features, same.probability)
    assert window.index()["claim_amount"] == 0
    assert window.index().keys() == {*scorer.features, SCORE}
    window.clear()
    dearer = [
        msgspec.structs.replace(c, claim_amount=1e6, fault="a passer-by") for c in DATA.claims
    ]
    other = scorer.assess(dearer)
    window.add(other.codes, scorer.features, other.probability)
    assert window.index()["claim_amount"] > 0.25
    assert window.index()["fault"] > 0.25
    assert window.index()["past_claims"] < 0.05


def test_the_threshold_is_chosen_on_claims_left_out() -> None:
    """A model knows its training claims too well: their own scores would set the bar too high."""
    trained = train(DATA, "gradient_boosting", PLAN, policy=Top(0.10))
    rows, _ = split(DATA, PLAN)
    seen, labels = pick(DATA.claims, rows), DATA.labels[rows]
    held_out = out_of_fold(
        AUTO, seen, labels, DATA.groups[rows], "gradient_boosting", features=FEATURES
    )
    per_day = trained.data.claims_per_day
    assert trained.levels == levels(Top(0.10), held_out, per_day)
    assert trained.levels != levels(Top(0.10), predict(AUTO, trained.pipeline, seen), per_day)
    assert trained.reference.scores == tuple(ranked(held_out).tolist())


def test_scores_to_rank_against_are_few_and_evenly_spaced() -> None:
    values = np.random.default_rng(0).random(50_001)
    kept = ranked(values)
    assert len(kept) == 1000
    assert kept[0] == values.min()
    assert kept[-1] == values.max()
    assert np.allclose(kept, np.linspace(0, 1, 1000), atol=0.01)
    assert ranked(np.array([0.3, 0.1])).tolist() == [0.1, 0.3]


def test_features_that_were_rarely_missing_are_expected() -> None:
    reference = Reference(
        scores=(0.1,),
        columns={"fault": Bins((0.0,), (0, 96, 4)), "witnesses": Bins((1.0,), (50, 40, 10))},
        golden=(),
    )
    assert reference.expected() == {"fault"}


def test_of_what_too_little_is_known_is_learnt_from_the_training_claims() -> None:
    complete = np.zeros((5_000, 10))
    assert least_known(complete) == 5, "half of what a usual claim has"
    often = complete.copy()
    often[:100, 3:] = np.nan  # two in a hundred have three features
    assert least_known(often) == 3
    rare = complete.copy()
    rare[:2, 1:] = np.nan  # one in 2,500 has one
    assert least_known(rare) == 5
    assert known_features(often[:1]).tolist() == [3]


def test_a_reference_of_a_former_model_flags_nothing() -> None:
    former = msgspec.json.decode(b'{"scores": [], "columns": {}, "golden": []}', type=Reference)
    assert former.least_known == 0


def test_a_claim_of_another_line_is_flagged_and_never_passes(scorer: Scorer) -> None:
    value = b'{"claim_id": "c", "provider": {"id": "P-1"}, "claim_ammount": 3}'
    claims = [scorer.decoder.decode(value), *DATA.claims]
    found = scorer.assess(claims)
    assert found.data_quality[0][0] == TOO_LITTLE_KNOWN
    assert found.decisions.decision[0] in {Decision.REVIEW, Decision.REFER}
    assert scorer.decide(found.probability[:1]).decision == [Decision.PASS]
    flagged = [TOO_LITTLE_KNOWN in flags for flags in found.data_quality[1:]]
    assert sum(flagged) <= 0.01 * len(flagged)
    own = scorer.decide(found.probability[1:]).decision
    for decision, before, little in zip(found.decisions.decision[1:], own, flagged, strict=True):
        assert decision is (Decision.REVIEW if little and before is Decision.PASS else before)
