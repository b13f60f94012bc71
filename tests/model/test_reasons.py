import math

import msgspec
import numpy as np
import pytest

from model.arrays import Matrix
from model.artifact.comparisons import Compared, Comparisons, Spread, Tally
from model.compiled.fitted import compile_classifier
from model.compiled.trees import Unit
from model.datasets.dataset import load
from model.families.estimators import ALGORITHMS, build
from model.features.encoder import varying
from model.features.facts import claim_columns
from model.history.contract import remembering
from model.history.plan import kinds_in
from model.scoring.phrases import phrase
from model.scoring.reasons import LEAST, TOLERANCE, Explainer
from schemas.claim import Claim
from schemas.contract.declared import Cases
from schemas.contract.model import Contract
from schemas.contract.phrases import render
from tests.model.examples import AUTO
from tests.schemas.contracts import shipped, small

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


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_reasons_and_the_remainder_add_up_to_the_score(algorithm: str) -> None:
    pipeline = build(algorithm, FEATURES, CATEGORICAL).fit(COLUMNS, MADE.labels)
    compiled = compile_classifier(pipeline["classify"])
    codes = pipeline["encode"].codes(COLUMNS)[:200]
    explainer = Explainer(compiled, FEATURES, AUTO, pipeline["encode"].categories())
    p = pipeline["classify"].predict_proba(codes)[:, 1]
    score = p if compiled.unit == "probability" else np.log(p / (1 - p))
    told = 0
    for limit in (1, 5, len(FEATURES)):
        explained = explainer.explain(MADE.claims[:200], codes, limit=limit)
        for (items, rest), raw in zip(explained, score, strict=True):
            shown = sum(item.contribution for item in items)
            assert abs(rest.expected + shown + rest.contribution - raw) < TOLERANCE
            assert 1 <= len(items) <= limit
            if items[0].code != "score.level":
                told += 1
                sizes = [item.contribution for item in items]
                assert all(size >= LEAST[compiled.unit] for size in sizes) or len(items) == 1
                assert min(sizes) > 0
    assert told > 300


def test_an_item_tells_the_fact_the_feature_and_the_contribution() -> None:
    explainer = reasons_of(
        Stub(0.5, 2.0, 0.0, 1.0), "report_lag_days", "fault", "witnesses", "police_report_filed"
    )
    claim = Claim(claim_id="a", fault="Third Party", witnesses=2, police_report_filed=False)
    ((items, rest),) = explainer.explain([claim], np.array([[45.0, 1, 2, 0]]))
    assert [(i.code, i.text, i.feature, i.value, i.contribution) for i in items] == [
        ("fault.stated", "Third Party at fault", "fault", "Third Party", 2.0),
        ("police_report_filed.false", "no police report was filed", "police_report_filed", False,
         1.0),
        ("report_lag_days.stated", "reported 45 days after the loss", "report_lag_days", 45.0, 0.5),
    ]  # fmt: skip
    assert (rest.contribution, rest.expected) == (0, -3.0)


def test_what_lowers_the_score_and_what_hardly_raises_it_is_summed_up() -> None:
    explainer = reasons_of(Stub(0.04, -0.4, 0.3), "deductible", "witnesses", "loss_hour")
    ((items, rest),) = explainer.explain([Claim(claim_id="a")], np.full((1, 3), 4.0))
    assert [i.feature for i in items] == ["loss_hour"]
    assert rest.contribution == pytest.approx(-0.36)
    assert rest.text == (
        "the other facts raise the score by 0.04 and lower it by 0.40 in all (log-odds)"
    )


def test_only_as_many_as_asked_for_are_told() -> None:
    explainer = reasons_of(Stub(0.1, 0.4, 0.3), "deductible", "witnesses", "loss_hour")
    ((items, rest),) = explainer.explain([Claim(claim_id="a")], np.full((1, 3), 4.0), limit=2)
    assert [i.feature for i in items] == ["witnesses", "loss_hour"]
    assert rest.contribution == pytest.approx(0.1)


def test_the_largest_is_told_if_none_is_large() -> None:
    explainer = reasons_of(Stub(0.01, 0.04), "deductible", "witnesses")
    ((items, _),) = explainer.explain([Claim(claim_id="a")], np.full((1, 2), 4.0))
    assert [i.feature for i in items] == ["witnesses"]


def test_a_score_that_nothing_raises_has_a_reason_as_well() -> None:
    explainer = reasons_of(Stub(-0.5, 0.0), "deductible", "witnesses")
    ((items, rest),) = explainer.explain([Claim(claim_id="a")], np.full((1, 2), 4.0))
    assert [i.code for i in items] == ["score.level"]
    assert rest.contribution == -0.5


def test_features_of_one_topic_are_one_reason() -> None:
    """Two ages of the policy say one thing; a member that lowers the score is not told."""
    names = ("policy_age_days", "fault", "policy_age_at_report_days", "policy_type")
    explainer = reasons_of(Stub(0.4, 0.4, 0.5, -0.2), *names)
    claim = Claim(claim_id="a", fault="Third Party", policy_type="liability")
    ((age, blame), rest) = explainer.explain([claim], np.array([[3.0, 0, 5.0, 0]]))[0]
    assert age.text == "reported 5 days after the policy began; loss 3 days after the policy began"
    assert age.contribution == pytest.approx(0.9)
    assert (age.feature, age.value) == ("policy_age_at_report_days", 5.0)
    assert set(age.features) == {"policy_age_days", "policy_age_at_report_days"}
    assert blame.text == "Third Party at fault"
    assert blame.contribution == pytest.approx(0.2)
    assert rest.contribution == pytest.approx(0)


def test_facts_of_the_same_fields_are_one_topic_without_being_told() -> None:
    contract = small(
        {
            "seen": {"type": "string", "format": "date", "x-role": "time"},
            "amount": {"type": "number", "x-role": "feature"},
            "limit": {"type": "number", "x-role": "feature"},
        },
        x_derived={
            "day": "weekday(seen)",
            "weekend": "day >= 5",
            "double": "amount * 2",
            "share": "amount / limit",
        },
    )
    assert contract.topic("day") == contract.topic("weekend")
    assert contract.topic("double") == contract.topic("amount")
    assert len({contract.topic(n) for n in ("day", "amount", "limit", "share")}) == 4


COMPARED = Comparisons(
    claims=10_000,
    frauds=600,
    features={
        "report_lag_days": Compared(
            spread=Spread(
                values=(0.0, 2.0, 9.0, 30.0),
                below=(0, 4_000, 9_000, 9_950),
                upto=(4_000, 6_000, 9_100, 9_960),
                claims=10_000,
            )
        ),
        "fault": Compared(tallies={"0.0": Tally(7_000, 300), "1.0": Tally(240, 31)}),
        "witnesses": Compared(tallies={"0.0": Tally(9_000, 600), "1.0": Tally(20, None)}),
    },
)


def compared(stub: Stub, *features: str) -> Explainer:
    known = {"fault": ("policyholder", "third party")}
    return Explainer(stub, features, AUTO, known, COMPARED)


def test_a_number_is_compared_with_the_others() -> None:
    explainer = compared(Stub(1.0), "report_lag_days")
    told = [
        explainer.explain([Claim(claim_id="a")], np.array([[lag]]))[0].reasons[-1]
        for lag in (85.0, 30.0, 29.0, 2.0, 0.0, 2_000.0)
    ]
    assert [one.text.partition(" (")[2] for one in told] == [
        "more than 99.6 % of all claims; half have at most 2 days)",
        "more than 99.5 % of all claims; half have at most 2 days)",
        "more than 91 % of all claims; half have at most 2 days)",
        "half of all claims have at most 2 days)",
        "less than 60 % of all claims; half have at least 2 days)",
        "more than 99.6 % of all claims; half have at most 2 days)",
    ]
    assert told[0].text.startswith("reported 85 days after the loss (")
    assert [one.code.rpartition(".")[2] for one in told[2:5]] == ["high", "typical", "low"]


def test_a_category_is_compared_with_those_who_have_it() -> None:
    explainer = compared(Stub(1.0, 0.5), "fault", "witnesses")
    claim = Claim(claim_id="a", fault="Third Party", witnesses=1)
    (seen, blame) = explainer.explain([claim], np.array([[1.0, 1.0]]))[0].reasons
    assert blame.text == (
        "Third Party at fault (31 of 240 such claims were fraud, 13 %; 6 % of all)"
    )
    assert seen.text == "1 witness named (fewer than 5 of 20 such claims were fraud; 6 % of all)"
    rare = Claim(claim_id="a", fault="nobody", witnesses=7)
    texts = [i.text for i in explainer.explain([rare], np.array([[-1.0, 7.0]]))[0].reasons]
    assert texts == [
        "nobody at fault (fewer than 10 such claims in training)",
        "7 witnesses named (fewer than 10 such claims in training)",
    ]


def test_what_was_no_more_often_fraud_is_left_out_while_there_is_something_else() -> None:
    explainer = compared(Stub(2.0, 0.5), "fault", "report_lag_days")
    claim = Claim(claim_id="a", fault="policyholder")
    ((late,), rest) = explainer.explain([claim], np.array([[0.0, 85.0]]))[0]
    assert (late.feature, rest.contribution) == ("report_lag_days", 2.0)
    ((said, blame), _) = compared(Stub(2.0), "fault").explain([claim], np.array([[0.0]]))[0]
    assert (said.code, said.contribution, blame.feature) == ("score.ordinary", 0.0, "fault")


def test_what_is_common_is_left_out_while_there_is_something_else() -> None:
    explainer = compared(Stub(2.0, 0.5), "report_lag_days", "fault")
    claim = Claim(claim_id="a", fault="third party")
    for lag, told in [(2.0, ["fault"]), (3.0, ["fault"]), (29.0, ["report_lag_days", "fault"])]:
        found, _ = explainer.explain([claim], np.array([[lag, 1.0]]))[0]
        assert sorted(item.feature for item in found) == sorted(told)


def test_two_facts_of_one_topic_are_counted_together() -> None:
    known = msgspec.structs.replace(
        COMPARED, joint={"policy_type|fault": {"0.0|1.0": Tally(100, 50), "1.0|nan": Tally(90, 6)}}
    )
    names = {"fault": ("policyholder", "third party"), "policy_type": ("all perils", "liability")}
    explainer = Explainer(Stub(2.0, 1.0), ("fault", "policy_type"), AUTO, names, known)

    def told(*codes: float) -> tuple[list[str], str]:
        fault = None if np.isnan(codes[0]) else "third party"
        cover = names["policy_type"][int(codes[1])]
        claim = Claim(claim_id="a", fault=fault, policy_type=cover)
        found, _ = explainer.explain([claim], np.array([codes]))[0]
        return [item.code for item in found], found[-1].text

    assert told(1.0, 0.0) == (
        ["fault.stated"],
        "third party at fault; cover: all perils "
        "(together 50 of 100 such claims were fraud, 50 %; 6 % of all)",
    )
    assert told(np.nan, 1.0)[0] == ["score.ordinary", "fault.missing"]
    assert "together" not in told(1.0, 1.0)[1]


def test_the_rare_fact_comes_first() -> None:
    explainer = compared(Stub(0.9, 0.2), "fault", "report_lag_days")
    claim = Claim(claim_id="a", fault="third party")
    items, _ = explainer.explain([claim], np.array([[1.0, 85.0]]))[0]
    assert [i.feature for i in items] == ["report_lag_days", "fault"]


def test_missing_is_told_as_missing() -> None:
    explainer = reasons_of(Stub(1.0, 0.5), "fault", "report_lag_days")
    ((items, _),) = explainer.explain([Claim(claim_id="a")], np.full((1, 2), np.nan))
    assert [(i.code, i.text, i.value) for i in items] == [
        ("fault.missing", "fault not known", None),
        ("report_lag_days.missing", "report lag days not known", None),
    ]


@pytest.mark.parametrize("feature", ["hobbies", "policyholder_sex"])
def test_personal_and_protected_values_are_withheld(feature: str) -> None:
    claim = Claim(claim_id="a", hobbies="chess", policyholder_sex="female")
    ((item,), _) = reasons_of(Stub(1.0), feature).explain([claim], np.array([[0.0]]))[0]
    assert (item.code, item.value) == (f"{feature}.withheld", None)
    assert item.text == f"{feature.replace('_', ' ')} (not shown)"


@pytest.mark.parametrize("part", [math.nan, math.inf, -math.inf])
def test_a_contribution_that_is_no_number_is_an_error(part: float) -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        reasons_of(Stub(1.0, part), "fault", "witnesses").explain(
            [Claim(claim_id="a")], np.zeros((1, 2))
        )


def test_no_claims_no_reasons() -> None:
    assert reasons_of(Stub(1.0), "fault").explain([], np.empty((0, 1))) == []


@pytest.mark.parametrize(
    ("text", "value", "words", "told"),
    [
        ("{} {vehicle|vehicles} insured", 3.5, "3 to 4", "3 to 4 vehicles insured"),
        ("{} {vehicle|vehicles} insured", 3.5, "3 to 4 vehicles", "3 to 4 vehicles insured"),
        ("{} {vehicle|vehicles} insured", 1, "1 vehicle", "1 vehicle insured"),
        ("moved {} {year|years} ago", 0.5, "under 6 months", "moved under 6 months ago"),
        ("{} earlier {claim|claims}", 5, "4 or more", "4 or more earlier claims"),
        ("{} {night|nights}", 5, "4 or more", "4 or more nights"),
    ],
)
def test_a_band_is_told_in_its_words(text: str, value: float, words: str, told: str) -> None:
    assert render(text, value, words) == told
    assert render(Cases(positive=text, zero="none"), value, words) == told


def test_words_that_are_no_band_do_not_replace_the_number() -> None:
    assert phrase(shipped("carclaims"), "past_claims", 0.0) == "0 earlier claims"
    assert phrase(shipped("carclaims"), "policy_age_days", 11.5) == (
        "loss 8 to 15 days after the policy began"
    )
    assert phrase(shipped("carclaims"), "vehicles_insured", 4.0) == "4 vehicles on the policy"


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


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ((3, 3, 3), "3 other claims with the same phone in 30 days"),
        (
            (1, 3, 3),
            "3 other claims with the same phone in 90 days; "
            "1 other claim with the same phone in 30 days",
        ),
        ((0, 0, 0), "0 other claims with the same phone in a year"),
        (
            (0, 0, 2),
            "2 other claims with the same phone in a year; "
            "0 other claims with the same phone in 90 days",
        ),
    ],
)
def test_one_count_over_several_windows_is_said_once(counts: tuple[int, ...], text: str) -> None:
    motor = shipped("motor")
    contract = remembering(motor, kinds_in(motor))
    names = [f"history_phone_claims_{days}d" for days in (30, 90, 365)]
    explainer = reasons_of(Stub(0.7, 0.8, 0.9), *names, contract=contract)
    ((item,), _) = explainer.explain([None], np.array([counts], dtype=np.float64))[0]
    assert set(item.text.split("; ")) == set(text.split("; "))
    assert item.features == tuple(names)
