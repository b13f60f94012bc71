"""Reasons of real claims: what they say of a claim is in the claim."""

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.artifact.manifest import SplitPlan
from model.datasets.dataset import load as read
from model.features.facts import ClaimFacts
from model.scoring.load import load
from model.scoring.scorer import Scorer
from model.thresholds import Top
from model.training.train import train, write
from schemas.alert import Decision, ReasonItem
from schemas.contract.model import Contract
from tests.model.sources import shared

pytestmark = pytest.mark.slow

NEW_YEAR = dt.date(1996, 1, 1)
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
COMPARED = re.compile(r" \([^()]*\)(?=;|\Z)")


class Case:
    """The claims of 1996 that are to be looked at, with their reasons."""

    def __init__(self, scorer: Scorer, claims: list[Any]) -> None:
        found = scorer.assess(claims)
        self.contract = scorer.contract
        self.all = zip(claims, found.decisions.decision, found.reasons, strict=True)
        self.looked_at = [(c, r) for c, d, r in self.all if d is not Decision.PASS]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    data = read(shared("fraud_oracle.csv"), "carclaims")
    folder: Path = tmp_path_factory.mktemp("models") / "m"
    plan = SplitPlan(kind="time", cutoff=NEW_YEAR)
    made = train(data, "gradient_boosting", plan, policy=Top(0.05))
    write(made, folder, created_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    return Case(load(folder), [data.claims[row] for row in made.test_rows])


def numbers(text: str) -> set[float]:
    return {float(found.replace(",", "")) for found in NUMBER.findall(text)}


def stated(contract: Contract, claim: Any) -> Iterator[float]:
    """Numbers that may be said of a claim: its own, but of a band those of its words."""
    facts = ClaimFacts(contract, [claim])
    names = [*contract.derived, *(n for n in contract.fields if n not in contract.derived)]
    for name in names:
        value = facts.features([name])[name][0]
        if value is None or value != value:
            continue
        words = contract.band(name, value)
        yield from numbers(words if words is not None else f"{value}")
        if words is None and isinstance(value, float | np.floating):
            yield abs(float(value))


def said(item: ReasonItem) -> str:
    """The part of a reason that is about the claim."""
    return COMPARED.sub("", item.text)


def test_each_has_a_reason_that_raises_the_score(case: Case) -> None:
    assert len(case.looked_at) > 300
    for _, reasons in case.looked_at:
        assert reasons
        for item in reasons:
            assert item.contribution > 0 or item.code.startswith(("rule.", "quality.", "score."))


def test_no_text_states_a_number_that_the_claim_does_not_hold(case: Case) -> None:
    checked = 0
    for claim, reasons in case.looked_at:
        allowed = set(stated(case.contract, claim))
        for item in reasons:
            if item.code.startswith("rule."):
                continue  # its text states the rule's own bounds
            assert numbers(said(item)) <= allowed, item.text
            checked += len(numbers(said(item)))
    assert checked > 100, "hardly any text has a number: nothing was checked"


def test_bands_are_told_as_bands(case: Case) -> None:
    texts = {said(item) for _, reasons in case.looked_at for item in reasons}
    assert not [text for text in texts if re.search(r"\b(11\.5|22\.5|3\.5|6\.5|24,500)\b", text)]
    assert [text for text in texts if re.search(r"\d to \d|(more|less) than \d|under \d", text)]


def test_every_reason_is_compared_with_the_training_claims(case: Case) -> None:
    for _, reasons in case.looked_at:
        for item in reasons:
            assert item.code.startswith("rule.") or COMPARED.search(item.text), item.text


def test_few_texts_are_on_most_alerts(case: Case) -> None:
    first = [reasons[0].text for _, reasons in case.looked_at]
    most = max(map(first.count, set(first)))
    assert most < 0.5 * len(first), "a reason that everybody has tells nobody anything"
