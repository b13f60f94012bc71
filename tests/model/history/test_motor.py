"""Synthetic motor claims: rings, late outcomes; with links at random, nothing is gained."""

from collections import Counter
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from model.evaluation.memory import MemoryGain, memory_gain
from model.families.estimators import build
from model.features.encoder import varying
from model.features.facts import UNDATED, claim_columns
from model.history.learning import past_of, with_history
from model.samples import motor, rings
from model.training.splits import time_split
from schemas.entities.normal import normaliser
from tests.model.history.motor import CONTRACT, claims, replayed

ROWS = 6_000
PHONE = normaliser(CONTRACT.entities["phone"])


def test_the_same_arguments_give_the_same_events() -> None:
    assert motor.generate(200, 1) == motor.generate(200, 1)
    assert motor.generate(200, 1) != motor.generate(200, 2)


def test_rings_share_and_move_on() -> None:
    who = rings.people(np.random.default_rng(3), ROWS, "rings")
    assert (np.diff(who.day) >= 0).all()
    share = float((who.ring >= 0).mean())
    assert share == pytest.approx(rings.IN_RINGS, abs=0.004)
    for number in range(int(who.ring.max()) + 1):
        own = who.ring == number
        days = who.day[own]
        assert days.max() - days.min() <= rings.RING_DAYS[1]
        if own.sum() >= rings.RING_CLAIMS[0]:
            phones = map(PHONE, filter(None, who.phone[own].tolist()))
            (_, common), *_ = Counter(phones).most_common(1)
            assert common > 1
            assert len(set(who.policy[own].tolist())) > own.sum() / 4


def test_links_at_random_keep_names_claims_and_outcomes() -> None:
    kept, drawn = motor.generate(ROWS, 5), motor.generate(ROWS, 5, "random")
    for name in ("phone", "account", "garage", "policy_no"):
        one, other = ([event.get(name) for event in events] for events in (kept, drawn))
        assert one != other
        assert Counter(one) == Counter(other)
    linked = {"phone", "account", "garage", "policy_no"}
    assert [{n: v for n, v in e.items() if n not in linked} for e in kept] == [
        {n: v for n, v in e.items() if n not in linked} for e in drawn
    ]


def test_outcomes_come_late_and_only_for_what_was_investigated() -> None:
    dataset = claims(ROWS, 5)
    assert dataset.decided is not None
    decided = dataset.decided != UNDATED
    fraud = dataset.labels == 1
    assert decided[fraud].all()
    assert 0.02 < decided[~fraud].mean() < 0.1
    lag = dataset.decided[fraud] - dataset.reported[fraud]
    assert lag.min() >= 1
    assert 45 < np.median(lag) < 75
    assert len(dataset.others) > 50  # what is open on the last day


def gain(links: rings.Links, seed: int) -> MemoryGain:
    """With history and without, on the latest fifth of the claims."""
    stated = claims(ROWS * 2, seed, links)
    past, dataset = replayed(ROWS * 2, seed, links)
    train, test = time_split(stated.days, 0.2)
    scores = []
    for one in (dataset, stated):
        contract = one.contract
        columns = claim_columns(contract, one.claims, contract.features())
        texts = [name for name in columns if contract.is_category(name)]
        names = varying(columns, texts)
        array = {name: np.array(column, dtype=object) for name, column in columns.items()}
        pipeline = build("gradient_boosting", names, texts, rated=["garage"])
        pipeline.fit({n: c[train].tolist() for n, c in array.items()}, one.labels[train])
        scores.append(pipeline.predict_proba({n: c[test].tolist() for n, c in array.items()})[:, 1])
    return memory_gain(past, dataset.part(test), test, scores[0], scores[1], 0.5)


def test_rings_are_found_where_a_model_without_memory_does_not_find_them() -> None:
    found = gain("rings", 1)
    assert found.gains["average_precision"].low > 0.05
    assert found.gains["recall_at_10pct"].low > 0.05
    assert found.doubts == ()
    assert found.plan.outcomes == "stated"
    assert [kind.kind for kind in found.kinds] == ["policy", "phone", "account", "garage"]
    assert all(k.named >= k.seen >= k.decided >= k.frauds for k in found.kinds)


def test_with_links_at_random_nothing_is_gained() -> None:
    found = gain("random", 1)
    between = found.gains["average_precision"]
    assert between.low < 0 < between.high
    assert any("may be chance" in doubt for doubt in found.doubts)


def test_outcomes_that_reach_nobody_are_said() -> None:
    """Everybody is named once, so that no outcome is of use for another claim."""
    stated = claims(ROWS, 1)
    alone = replace(
        stated,
        claims=[
            msgspec.structs.replace(
                claim, policy_no=f"POL{n}", phone=None, account=None, garage=None
            )
            for n, claim in enumerate(stated.claims)
        ],
        others=(),
    )
    past, rows = past_of(alone), np.arange(len(alone.claims))
    scores = np.random.default_rng(1).random(len(rows))
    found = memory_gain(past, with_history(alone, past), rows, scores, scores, 0.5)
    assert found.frauds > 50
    assert any(
        "outcomes reach too few claims: of no kind do more than 0.0%" in d for d in found.doubts
    )
    assert [(kind.named, kind.seen) for kind in found.kinds] == [(1.0, 0.0), *[(0.0, 0.0)] * 3]


def test_the_contract_names_its_entities() -> None:
    assert {e.kind: (e.like, e.form) for e in CONTRACT.entities.values()} == {
        "policy": ("person", "code"),
        "phone": ("person", "phone"),
        "account": ("person", "code"),
        "garage": ("business", "code"),
    }
