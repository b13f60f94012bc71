import numpy as np
import pytest

from model.arrays import Matrix
from model.compiled.classifier import compile_classifier
from model.compiled.trees import Unit
from model.datasets.dataset import load
from model.families.estimators import ALGORITHMS, build
from model.features.encoder import varying
from model.features.facts import claim_columns
from model.scoring.phrases import phrase
from model.scoring.reasons import TOLERANCE, Explainer
from schemas.claim import Claim
from schemas.contract.model import Contract
from tests.model.examples import AUTO

MADE = load("synthetic", "synthetic", rows=3_000)
CATEGORICAL = tuple(filter(AUTO.is_category, AUTO.features()))
COLUMNS = claim_columns(AUTO, MADE.claims, AUTO.features())
FEATURES = varying(COLUMNS, CATEGORICAL)


class Stub:
    """Contributions that a test chooses."""

    unit: Unit = "log-odds"

    def __init__(self, *parts: float) -> None:
        self._parts = parts

    def raw(self, X: Matrix) -> Matrix:
        return np.full(len(X), sum(self._parts))

    def probabilities(self, X: Matrix) -> Matrix:
        raise NotImplementedError

    def contributions(self, X: Matrix) -> Matrix:
        return np.array([[*self._parts, -3.0]] * len(X))


def reasons_of(stub: Stub, *features: str, contract: Contract = AUTO) -> Explainer:
    return Explainer(stub, features, contract, {"fault": ("third party",)})


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_contributions_of_all_features_add_up_to_the_score(algorithm: str) -> None:
    pipeline = build(algorithm, FEATURES, CATEGORICAL).fit(COLUMNS, MADE.labels)
    compiled = compile_classifier(pipeline["classify"])
    codes = pipeline["encode"].codes(COLUMNS)[:200]
    claims = MADE.claims[:200]
    explained = Explainer(compiled, FEATURES, AUTO, pipeline["encode"].categories()).explain(
        claims, codes, limit=len(FEATURES)
    )
    expected = compiled.contributions(codes)[0, -1]
    p = pipeline["classify"].predict_proba(codes)[:, 1]
    score = p if compiled.unit == "probability" else np.log(p / (1 - p))
    for items, raw in zip(explained, score, strict=True):
        assert abs(expected + sum(i.contribution for i in items) - raw) < TOLERANCE
        sizes = [abs(i.contribution) for i in items]
        assert sizes == sorted(sizes, reverse=True)
        assert 0 not in sizes


def test_an_item_tells_the_fact_the_feature_and_the_signed_contribution() -> None:
    explainer = reasons_of(
        Stub(0.5, -2.0, 0.0, 1.0), "report_lag_days", "fault", "witnesses", "police_report_filed"
    )
    claim = Claim(claim_id="a", fault="Third Party", witnesses=2, police_report_filed=False)
    (items,) = explainer.explain([claim], np.array([[45.0, 1, 2, 0]]))
    assert [(i.code, i.text, i.feature, i.value, i.contribution) for i in items] == [
        ("FAULT", "fault lies with the Third Party", "fault", "Third Party", -2.0),
        ("POLICE_REPORT_FILED", "no police report was filed", "police_report_filed", False, 1.0),
        ("REPORT_LAG_DAYS", "reported 45 days after the loss", "report_lag_days", 45.0, 0.5),
    ]


def test_only_the_largest_are_told() -> None:
    explainer = reasons_of(Stub(0.1, -0.4, 0.3), "deductible", "witnesses", "loss_hour")
    (items,) = explainer.explain([Claim(claim_id="a")], np.full((1, 3), 4.0), limit=2)
    assert [i.feature for i in items] == ["witnesses", "loss_hour"]


def test_missing_is_told_as_missing() -> None:
    explainer = reasons_of(Stub(1.0, 0.5), "fault", "report_lag_days")
    (items,) = explainer.explain([Claim(claim_id="a")], np.full((1, 2), np.nan))
    assert [(i.code, i.text, i.value) for i in items] == [
        ("FAULT_MISSING", "fault not known", None),
        ("REPORT_LAG_DAYS_MISSING", "report lag days not known", None),
    ]


@pytest.mark.parametrize("feature", ["hobbies", "policyholder_sex"])
def test_personal_and_protected_values_are_withheld(feature: str) -> None:
    claim = Claim(claim_id="a", hobbies="chess", policyholder_sex="female")
    ((item,),) = reasons_of(Stub(1.0), feature).explain([claim], np.array([[0.0]]))
    assert (item.code, item.value) == (feature.upper(), None)
    assert item.text == f"{feature.replace('_', ' ')} (not shown)"


def test_no_claims_no_reasons() -> None:
    assert reasons_of(Stub(1.0), "fault").explain([], np.empty((0, 1))) == []


@pytest.mark.parametrize(
    ("feature", "value", "text"),
    [
        ("report_lag_days", 0.0, "reported on the day of the loss"),
        ("report_lag_days", 1.0, "reported 1 day after the loss"),
        ("report_lag_days", -2.0, "reported 2 days before the loss"),
        ("policy_remaining_days", -3.0, "loss 3 days after the policy ended"),
        ("policy_age_days", 12.0, "loss 12 days after the policy began"),
        ("witnesses", 1.0, "1 witness named"),
        ("witnesses", 0.0, "0 witnesses named"),
        ("bodily_injuries", 4.0, "4 injuries"),
        ("claim_amount", 71_610.0, "71,610 claimed in all"),
        ("vehicle_age_years", 0.0, "vehicle is new"),
        ("vehicle_age_years", 3.0, "vehicle is 3 years old"),
        ("loss_hour", 7.0, "loss at 07:00"),
        ("property_damage", True, "other property was damaged"),
        ("liability_limit", "250/500", "liability limit: 250/500"),
        ("loss_weekend", 1.0, "loss weekend: 1"),
    ],
)
def test_phrases(feature: str, value: str | float | bool, text: str) -> None:
    assert phrase(AUTO, feature, value) == text


@pytest.mark.parametrize("feature", sorted({*AUTO.features(), *AUTO.derived}))
def test_every_feature_has_a_phrase(feature: str) -> None:
    values: dict[str, str | float | bool] = {"text": "x", "flag": True}
    text = phrase(AUTO, feature, values.get(AUTO.kind_of(feature), 2.0))
    assert text
    assert "{" not in text
