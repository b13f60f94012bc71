"""What a threshold catches and misses, and which claims are shown as examples of it."""

import dataclasses
import datetime as dt
import html
import re
from functools import cache

import msgspec
import numpy as np
import pytest

from model.artifact.manifest import Manifest, SplitPlan
from model.datasets.dataset import Dataset
from model.evaluation.caught import MOST_EXAMPLES, Amounts, Caught, caught, examples
from model.reports import tables
from model.reports.cases import NOTHING, ExampleClaims, _texts, cases, scorer_of
from model.reports.documents import documents
from model.scoring.reasons import LEVEL
from model.scoring.scorer import Scorer
from model.thresholds import Cost, Policy, Top
from model.training.train import Trained, package, train
from schemas.alert import Decision
from schemas.contract.parse import shipped
from tests.model.examples import dataset

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
SECRET = "0123 987654"


def private() -> Dataset:
    """Claims with a personal value."""
    plain = dataset()
    claims = [msgspec.structs.replace(one, claimant_phone=SECRET) for one in plain.claims]
    return dataclasses.replace(plain, claims=claims)


DATA = private()


@cache
def model() -> tuple[Trained, Manifest, Scorer]:
    trained = train(DATA, "gradient_boosting", SplitPlan(kind="random"), policy=Top(0.1))
    _, manifest = package(trained, created_at=NOW)
    return trained, manifest, scorer_of(trained, manifest)


def found() -> ExampleClaims:
    trained, _, scorer = model()
    return cases(scorer, DATA.part(trained.test_rows), trained.test_scores)


def small(amounts: tuple[float | None, ...], labels: tuple[int, ...]) -> Dataset:
    claims = [
        msgspec.structs.replace(one, claim_amount=amount)
        for one, amount in zip(dataset(len(amounts)).claims, amounts, strict=True)
    ]
    return dataclasses.replace(dataset(1), claims=claims, labels=np.array(labels, dtype=np.int8))


def test_claims_and_amounts_are_counted_at_the_threshold() -> None:
    p = np.array([0.9, 0.5, 0.5, 0.4, 0.3, 0.1])
    data = small((100.0, 20.0, None, 7.0, None, 3.0), (1, 0, 1, 1, 1, 0))
    assert caught(data, p, 0.5) == Caught(
        claims=6, referred=3, caught=2, missed=2,
        amounts=Amounts(caught=100.0, missed=7.0, unknown=2, currency=None),
    )  # fmt: skip
    assert caught(data, p, 0.5).false_alarms == 1
    nobody = caught(data, p, 0.95)
    assert (nobody.referred, nobody.caught, nobody.missed) == (0, 0, 4)
    assert tables.caught(nobody).rows[3][:3] == ["false alarms", "0", "- of referrals"]


def test_a_contract_without_an_amount_has_none() -> None:
    contract = shipped("auto")
    event = msgspec.structs.replace(contract.event, amount=None)
    data = small((1.0, 2.0), (1, 0))
    data = dataclasses.replace(data, contract=msgspec.structs.replace(contract, event=event))
    without = caught(data, np.array([0.9, 0.1]), 0.5)
    assert without.amounts is None
    assert list(tables.caught(without).head) == ["", "claims", "share"]


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (Top(0.1), "2 of the frauds have no amount. The cost is 30 investigations; what one costs"),
        (
            Cost(missed_fraud=1_000, investigation=50),
            "At 50 per investigation and 1,000 per missed fraud that costs 6,500; referring "
            "nothing would cost 15,000.",
        ),
    ],
)
def test_the_cost_is_stated_where_it_is_known(policy: Policy, said: str) -> None:
    amounts = Amounts(caught=1, missed=1, unknown=2)
    counted = Caught(claims=300, referred=30, caught=10, missed=5, amounts=amounts)
    assert said in tables.cost(policy, counted)


def test_examples_are_spread_from_the_highest_score_to_the_lowest() -> None:
    p = np.linspace(0, 1, 101)
    among = np.arange(101) % 2 == 0  # 51 of them
    rows = examples(among, p).tolist()
    assert len(rows) == MOST_EXAMPLES == len(set(rows))
    assert (rows[0], rows[-1]) == (100, 0)
    assert rows == sorted(rows, reverse=True)
    assert not {row for row in rows if row % 2}
    assert examples(np.zeros(3, dtype=bool), np.ones(3)).tolist() == []
    assert examples(np.array([True, False, True]), np.ones(3)).tolist() == [0, 2], "ties in order"


@pytest.mark.slow
def test_examples_are_held_out_claims_of_the_right_kind() -> None:
    trained, _, scorer = model()
    rows = {DATA.claims[row].claim_id: row for row in trained.test_rows.tolist()}
    assert len(rows) < len(DATA.claims)
    shown = found()
    for some, label, referred in (
        (shown.caught, 1, True),
        (shown.missed, 1, False),
        (shown.false_alarms, 0, True),
    ):
        assert some
        assert {DATA.labels[rows[one.claim_id]] for one in some} == {label}
        assert {one.probability >= scorer.threshold for one in some} == {referred}
        assert {one.decision is Decision.REFER for one in some} == {referred}


@pytest.mark.slow
def test_reasons_are_those_of_the_alerts() -> None:
    _, _, scorer = model()
    claims = {one.claim_id: one for one in DATA.claims}
    shown = found()
    looked_at = 0
    for one in (*shown.caught, *shown.false_alarms, *shown.missed):
        (reasons,) = scorer.assess([claims[one.claim_id]]).reasons
        if one.decision is not Decision.PASS:
            assert one.reasons == tuple(reason.text for reason in reasons)
            looked_at += 1
        else:
            assert one.reasons, "of a fraud that passes: what raised its score, or that nothing did"
    assert looked_at > len(shown.caught)


def test_a_score_that_nothing_raised_is_reported_so() -> None:
    assert _texts([LEVEL], Decision.PASS) == (NOTHING,)
    assert _texts([LEVEL], Decision.REFER) == (LEVEL.text,)


@pytest.mark.slow
def test_the_report_shows_them_and_no_personal_value() -> None:
    trained, manifest, _ = model()
    first, second = (
        documents(manifest, trained, [trained], DATA)["report.html"].decode() for _ in range(2)
    )
    assert first == second
    assert SECRET not in first
    text = html.unescape(re.sub(r"<[^>]+>", "\n", first))
    for heading in ("Caught and missed", "Frauds that are caught", "Frauds that are missed",
                    "False alarms"):  # fmt: skip
        assert heading in text
    for one in (*found().caught, *found().missed, *found().false_alarms):
        assert f"\n{one.claim_id}\n" in text
        assert all(reason in text for reason in one.reasons)
    held_out = {DATA.claims[row].claim_id for row in trained.test_rows.tolist()}
    assert set(re.findall(r"\n(c\d+)\n", text)) <= held_out


@pytest.mark.slow
def test_the_id_of_a_claim_cannot_become_markup() -> None:
    trained, manifest, _ = model()
    claims = [
        msgspec.structs.replace(one, claim_id=f"<script>\x1b\u202e{one.claim_id}")
        for one in DATA.claims
    ]
    evil = dataclasses.replace(DATA, claims=claims)
    page = documents(manifest, trained, [trained], evil)["report.html"].decode()
    assert "&lt;script&gt;  c" in page
    assert "<script" not in page
