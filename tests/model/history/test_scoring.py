"""Scoring with history: the features of the training, from what is remembered."""

import datetime as dt
import math
import re
import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from consumer.batch.alerts import fraud_alerts
from model.artifact.manifest import SplitPlan
from model.artifact.reference import TOO_LITTLE_KNOWN
from model.artifact.store import ArtifactError, read_manifest, save, verified
from model.features.facts import ClaimFacts, claim_columns
from model.features.matrix import MatrixReader
from model.history.contract import histories_in, remembering
from model.history.features import MISSING, ClaimHistory, EntityFeatures, names_of
from model.scoring.load import load
from model.scoring.scorer import Scorer
from model.thresholds import Top
from model.training.train import train, write
from schemas.alert import Decision
from schemas.columnar.claims import ColumnarClaims
from tests.model.history.motor import CONTRACT, claims, replayed
from tests.model.pickled import without_plain

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
ROWS = 1_500
PAST, REMEMBERED = replayed(ROWS, 7)
PLACES = PAST.rows.tolist()
STATED = [claims(ROWS, 7).claims[row] for row in PLACES]
"""As they are sent."""
TOGETHER = [REMEMBERED.claims[row] for row in PLACES]
"""With their history as fields, as they were trained on."""
HISTORIES = PAST.histories[: len(PLACES)]
KINDS = PAST.plan.kinds
NOBODY = ClaimHistory((MISSING,) * len(KINDS))
NEW = EntityFeatures(0.0, 0.0, 0.0, 0.0, math.nan, 0.0, 0.0, math.nan)


@pytest.fixture(scope="module", params=["gradient_boosting", "logistic_regression"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with history."""
    path = tmp_path_factory.mktemp("models") / "m"
    plan = SplitPlan(kind="random")
    trained = train(REMEMBERED, request.param, plan, policy=Top(0.05), history=PAST.plan)
    write(trained, path, created_at=NOW)
    return path


@pytest.fixture(scope="module")
def scorer(folder: Path) -> Scorer:
    return load(folder, remembers=True)


def test_claims_are_scored_as_they_were_trained_on(scorer: Scorer) -> None:
    expected = scorer.encoding.codes(claim_columns(scorer.contract, TOGETHER, scorer.features))
    assert scorer.codes(STATED, HISTORIES).tobytes() == expected.tobytes()
    found = scorer.assess(STATED, HISTORIES)
    assert found.codes.tobytes() == expected.tobytes()
    assert found.probability.tobytes() == scorer.compiled.probabilities(expected).tobytes()
    assert found.probability.tobytes() == scorer.score(STATED, HISTORIES).tobytes()
    assert scorer.score([], []).shape == (0,)


def test_plain_data_says_what_the_pickle_says(folder: Path, scorer: Scorer, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "pickled")
    pickled = load(without_plain(tmp_path / "pickled"), remembers=True)
    one, other = (model.assess(STATED, HISTORIES) for model in (scorer, pickled))
    assert one.probability.tobytes() == other.probability.tobytes()
    assert one.reasons == other.reasons
    contributions = [
        model.compiled.contributions(one.codes).tobytes() for model in (scorer, pickled)
    ]
    assert contributions[0] == contributions[1]
    load(folder, remembers=True, prove=True)


def test_one_history_is_that_of_one_claim(scorer: Scorer) -> None:
    together = scorer.score(STATED[:40], HISTORIES[:40])
    alone = [scorer.score([c], [h])[0] for c, h in zip(STATED[:40], HISTORIES[:40], strict=True)]
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-12)
    assert (scorer.score(STATED, HISTORIES[::-1]) != scorer.score(STATED, HISTORIES)).any()


def test_history_comes_with_claims_in_columns_as_well(scorer: Scorer) -> None:
    columns = {name: [getattr(c, name) for c in STATED] for name in CONTRACT.fields}
    found = ColumnarClaims({}, len(STATED), columns)
    codes = scorer.codes(found, HISTORIES)
    assert codes.tobytes() == scorer.codes(STATED, HISTORIES).tobytes()


def test_a_field_that_comes_as_a_column_is_a_field() -> None:
    contract = remembering(CONTRACT, KINDS)
    values = np.array([one.values() for one in HISTORIES]).T
    more = dict(zip(names_of(KINDS), values, strict=True))
    added, fields = ClaimFacts(contract, STATED, more), ClaimFacts(contract, TOGETHER)
    for name in more:
        assert added.raw(name) == fields.raw(name)
        np.testing.assert_array_equal(
            np.asarray(added.field(name, "number"), float),
            np.asarray(fields.field(name, "number"), float),
        )
    names = ["history_phone_claims_30d", "witnesses"]
    found = [np.array(one.features(names)[n], float) for one in (added, fields) for n in names]
    np.testing.assert_array_equal(found[:2], found[2:])


def test_missing_history_is_not_read_as_no_earlier_claims(scorer: Scorer, tmp_path: Path) -> None:
    for score in (scorer.assess, scorer.score, scorer.codes, scorer.reasons):
        with pytest.raises(ValueError, match="cannot score without it"):
            score(STATED)
        with pytest.raises(ValueError, match=rf"0 histories of {len(STATED)} claims"):
            score(STATED, [])
        with pytest.raises(ValueError, match=f"{len(STATED) - 1} histories of"):
            score(STATED, HISTORIES[1:])
        with pytest.raises(ValueError, match="not those of the kinds"):
            score(STATED[:1], [ClaimHistory(NOBODY.kinds[1:])])
    trained = train(claims(ROWS, 7), "logistic_regression", SplitPlan(kind="random"))
    write(trained, tmp_path / "without", created_at=NOW)
    for remembers in (False, True):
        without = load(tmp_path / "without", remembers=remembers)
        assert without.history is None
        assert without.score(STATED).shape == (len(STATED),)
        with pytest.raises(ValueError, match="trained without history"):
            without.assess(STATED, HISTORIES)
    assert (scorer.score(STATED, [NOBODY] * len(STATED)) != scorer.score(STATED, HISTORIES)).any()


def test_contracts(scorer: Scorer) -> None:
    """Senders send what they sent; facts, reasons and the matrix know the history."""
    assert scorer.history == PAST.plan
    assert scorer.decoder.contract.to_json() == CONTRACT.to_json()
    assert [*scorer.decoder.contract.fields] == [*CONTRACT.fields]
    assert [*scorer.contract.fields] == [*remembering(CONTRACT, KINDS).fields]


def test_golden_examples_have_their_history(folder: Path, scorer: Scorer) -> None:
    histories = scorer.reference.golden_histories(PAST.plan)
    assert bits(histories[-1:]) == bits([NOBODY])
    assert {bits([one]) for one in histories[:-1]} <= {bits([one]) for one in HISTORIES}
    assert len({bits([one]) for one in histories}) > 5
    known = scorer.reference.golden_claims(scorer.decoder.contract)
    expected = [one.probability for one in scorer.reference.golden]
    np.testing.assert_allclose(scorer.score(known, histories), expected, rtol=0, atol=1e-12)
    assert (abs(scorer.score(known, [NOBODY] * len(known)) - expected) > 1e-3).any()


def bits(histories: list[ClaimHistory]) -> bytes:
    return np.array([one.values() for one in histories]).tobytes()


def test_a_golden_example_with_another_history_is_refused(
    folder: Path, scorer: Scorer, tmp_path: Path
) -> None:
    manifest = read_manifest(folder)
    golden = []
    for one in scorer.reference.golden:
        bare = {k: v for k, v in one.claim.items() if not k.startswith("history_")}
        golden.append(msgspec.structs.replace(one, claim=bare))
    reference = msgspec.structs.replace(scorer.reference, golden=tuple(golden))
    contents = verified(folder, manifest)._replace(reference=msgspec.json.encode(reference))
    digest = contents.digests().reference
    save(tmp_path / "m", contents, msgspec.structs.replace(manifest, reference_sha256=digest))
    with pytest.raises(ArtifactError, match=r"golden example \d+ scores"):
        load(tmp_path / "m", remembers=True)


def test_flags(scorer: Scorer) -> None:
    """A placeholder is flagged, and a kind that is usually named, once, where it is not."""
    common = HISTORIES[0]._replace(flags=("common_entity:phone", "common_entity:account"))
    found = scorer.assess(STATED[:3], [HISTORIES[0], common, NOBODY]).data_quality
    assert found[1] == (*found[0], "common_entity:phone", "common_entity:account")
    more = [flag for flag in found[2] if "history" in flag]
    assert more
    assert len({*more}) == len(more)
    assert {*more} <= {f"missing:history_{kind.kind}" for kind in KINDS}
    assert not [flag for flag in found[0] if "history" in flag]


def test_that_nobody_was_seen_before_is_no_fact_of_the_claim(scorer: Scorer) -> None:
    """A claim without facts is flagged, whoever it names."""
    golden = scorer.reference.golden_claims(scorer.decoder.contract)
    known = ClaimHistory((NEW,) * len(KINDS))
    found = scorer.assess(golden, [known] * len(golden))
    assert TOO_LITTLE_KNOWN in found.data_quality[-1]
    assert found.decisions.decision[-1] is not Decision.PASS
    assert TOO_LITTLE_KNOWN not in {flag for flags in found.data_quality[:-1] for flag in flags}


def test_history_is_a_reason_in_words_once_a_kind(scorer: Scorer) -> None:
    found = scorer.assess(STATED, HISTORIES)
    told = [item for items in found.reasons for item in items if item.feature in {*names_of(KINDS)}]
    assert told
    names = "|".join(kind.kind.replace("_", " ") for kind in KINDS)
    for item in told:
        told_of = re.sub(r" \([^()]*\)", "", item.text)  # without what it is compared with
        said = told_of.split("; ")
        assert all(re.search(rf"\b(with the same|the) ({names})\b", one) for one in said), said
        assert "history" not in item.text
        assert len(said) == len({*said}), said
    for items in found.reasons:
        kinds = [_kind(item.feature) for item in items if item.feature.startswith("history_")]
        assert len(kinds) == len({*kinds})


def _kind(feature: str) -> str:
    return next(k.kind for k in KINDS if feature.startswith(f"history_{k.kind}_"))


def test_alerts_contain_no_name(scorer: Scorer) -> None:
    """Nothing of what entities are known by: no personal field, as written or made alike."""
    found = scorer.assess(STATED, HISTORIES)
    alerts = fraud_alerts(STATED, [None] * len(STATED), found, scorer, NOW)
    named = [n for n in CONTRACT.entities if CONTRACT.is_withheld(n)]
    assert named
    for claim, alert in zip(STATED, alerts, strict=True):
        text = msgspec.json.encode(alert).decode()
        for name in named:
            value: Any = getattr(claim, name)
            assert value is None or f'"{value}"' not in text


def test_reading_histories_back(scorer: Scorer) -> None:
    """What stands in the fields is what was put there."""
    assert bits(histories_in(KINDS, TOGETHER)) == bits(HISTORIES)
    reader = MatrixReader(scorer.contract, scorer.encoding)
    read = reader.matrix(ClaimFacts(scorer.contract, TOGETHER))
    assert read.tobytes() == scorer.codes(STATED, HISTORIES).tobytes()
