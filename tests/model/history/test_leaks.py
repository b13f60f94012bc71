"""The leak alarm knows the history's own leaks: each way to know too much is found."""

import datetime as dt
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from model.datasets.dataset import Dataset
from model.features.facts import UNDATED
from model.history.features import names_of
from model.history.learning import DatasetPast, past_of, with_history
from model.leaks.history import LATER_DAYS, history_signs, refuse_unless_allowed
from tests.model.history.motor import claims, replayed

ROWS = 1_500


def texts(past: DatasetPast, dataset: Dataset) -> list[str]:
    rows = np.arange(len(dataset.claims))
    found = history_signs(past, dataset.contract, dataset.claims, rows, seed=1)
    assert all(finding.fatal and finding.column == "history" for finding in found)
    return [finding.text for finding in found]


def asked(past: DatasetPast, dataset: Dataset, days: int) -> Dataset:
    """The claims with the history that they would have so many days later."""
    names, places = names_of(past.plan.kinds), list(range(len(past.rows)))
    values = past.later(places, days).tolist()
    return replace(
        dataset,
        claims=[
            msgspec.structs.replace(
                claim, **{n: None if v != v else v for n, v in zip(names, row, strict=True)}
            )
            for claim, row in zip(dataset.claims, values, strict=True)
        ],
    )


def test_a_replay_has_no_leak() -> None:
    assert texts(*replayed(ROWS, 1)) == []


@pytest.mark.parametrize("days", [1, LATER_DAYS, 3_650])
def test_what_was_asked_too_late_is_found(days: int) -> None:
    """A join on the state of another day: the day after the claim, or that of the export."""
    past, dataset = replayed(ROWS, 1)
    (text,) = texts(past, asked(past, dataset, days))
    assert "they know what became known later" in text


class _OneState(DatasetPast):
    """A history that answers the same whenever it is asked."""

    def later(self, rows: Any, days: int) -> Any:
        return super().later(rows, 0)


def test_a_history_that_does_not_depend_on_the_moment_is_found() -> None:
    past, dataset = replayed(ROWS, 1)
    parts = {name: getattr(past, name) for name in DatasetPast.__dataclass_fields__}
    (text,) = texts(_OneState(**parts), dataset)
    assert "the same 90 days later" in text


def test_outcomes_that_were_known_at_once_are_found() -> None:
    """The day of the decision is that of the report, as an export may fill it."""
    dataset = claims(ROWS, 1)
    reported = np.array([claim.reported_on.toordinal() for claim in dataset.claims])
    at_once = replace(dataset, decided=np.where(dataset.labels == 1, reported, UNDATED))
    past = past_of(at_once)
    (text,) = texts(past, with_history(at_once, past))
    assert "100% of the frauds are said to have been found on the day of their report" in text
    later = replace(at_once, decided=np.where(dataset.labels == 1, reported + 1, UNDATED))
    past = past_of(later)
    assert texts(past, with_history(later, past)) == []


def test_a_leak_stops_unless_it_is_allowed() -> None:
    past, dataset = replayed(ROWS, 1)
    late = asked(past, dataset, 1)
    rows = np.arange(len(late.claims))
    found = history_signs(past, late.contract, late.claims, rows, seed=1)
    with pytest.raises(ValueError, match="--allow-leak history"):
        refuse_unless_allowed(found, ["another"])
    refuse_unless_allowed(found, ["history"])
    refuse_unless_allowed([], [])


def test_entities_that_are_never_named_again_are_no_leak() -> None:
    """Asked later, nothing has changed, and nothing should have."""
    some = [
        msgspec.structs.replace(claim, policy_no=f"P{n}", phone=None, account=None, garage=None)
        for n, claim in enumerate(claims(ROWS, 1).claims[:60])
    ]
    alone = replace(claims(ROWS, 1).part(np.arange(60)), claims=some)
    past = past_of(alone)
    assert texts(past, with_history(alone, past)) == []


def test_claims_without_history_have_no_leak() -> None:
    dataset = claims(ROWS, 1)
    undated = [msgspec.structs.replace(claim, reported_on=None) for claim in dataset.claims[:50]]
    few = replace(dataset.part(np.arange(50)), claims=undated, contract=dataset.contract)
    past = past_of(few)
    assert past.undated == 50
    assert texts(past, with_history(few, past)) == []
    assert dt.date.min.toordinal() > UNDATED
