"""From labelled claims to labelled claims with history: facts, their times, and the replay."""

import functools
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from model.arrays import Indices, Matrix
from model.datasets.dataset import Dataset
from model.features.facts import UNDATED, event_days, report_days
from model.history.contract import remembering
from model.history.facts import DAY, ClaimFact, OutcomeFact, at_start_of, claim_ref
from model.history.features import ClaimHistory, names_of
from model.history.keys import SECRET_BYTES, KeyMaker
from model.history.plan import OUTCOME_DAYS, Bounds, HistoryPlan, kinds_in, refuse_without_entities
from model.history.replay import Incoming, as_of_later, replay
from schemas.contract.model import Contract
from schemas.decoding.structs import claim_type


@dataclass(frozen=True)
class DatasetPast:
    """Everything that a data set says of the past, with the time at which it became known."""

    contract: Contract
    plan: HistoryPlan
    claims: Sequence[Incoming]
    """Those with a label first, in the order of the data set; the others have none."""
    outcomes: Sequence[OutcomeFact]
    rows: Indices
    """Row of the data set of each claim that has a label."""
    undated: int
    """Claims of unknown day of report: they have no history and are part of none."""
    undecided: int
    """Labels that no history counts, as the data says when others became known, but not these."""

    @functools.cached_property
    def histories(self) -> list[ClaimHistory]:
        """By replay, of all claims."""
        return replay(self.plan.kinds, self.plan.bounds, self.claims, self.outcomes)

    def later(self, rows: Sequence[int], days: int) -> Matrix:
        """History features of some claims (places among `rows`) asked so many days later."""
        return matrix_of(
            as_of_later(
                self.plan.kinds, self.plan.bounds, self.claims, self.outcomes, rows, days * DAY
            )
        )


def past_of(dataset: Dataset, bounds: Bounds | None = None) -> DatasetPast:
    """What a data set says of the past.

    The key of the hashes is drawn anew and forgotten: nothing of it is kept, and features do not
    depend on it.

    Raises:
        ValueError: the contract names no entity, or not when claims are reported.
    """
    contract = dataset.contract
    _refuse_without(contract)
    keys = KeyMaker(contract, secrets.token_bytes(SECRET_BYTES))
    every = [*dataset.claims, *dataset.others]
    reported, lost = report_days(contract, every), event_days(contract, every)
    dated = np.flatnonzero(reported != UNDATED)
    claims = [
        _incoming(contract, keys, every[row], int(reported[row]), int(lost[row]))
        for row in dated.tolist()
    ]
    rows = dated[dated < len(dataset.claims)]
    outcomes = [
        OutcomeFact(claim=claims[place].fact.claim, known_at=at_start_of(day), fraud=bool(label))
        for place, (day, label) in enumerate(
            zip(_decided(dataset, reported)[rows].tolist(), dataset.labels[rows], strict=True)
        )
        if day != UNDATED
    ]
    plan = HistoryPlan(
        kinds=kinds_in(contract),
        bounds=bounds or Bounds(),
        outcomes="assumed" if dataset.decided is None else "stated",
    )
    return DatasetPast(
        contract=contract,
        plan=plan,
        claims=claims,
        outcomes=outcomes,
        rows=rows,
        undated=len(every) - len(dated),
        undecided=len(rows) - len(outcomes),
    )


def with_history(dataset: Dataset, past: DatasetPast) -> Dataset:
    """The data set, each claim with its history features; copies are those that were there."""
    return replace(
        dataset,
        contract=remembering(dataset.contract, past.plan.kinds),
        claims=_remembering(dataset, past),
        others=(),
        copies=dataset.groups,
    )


def _remembering(dataset: Dataset, past: DatasetPast) -> list[Any]:
    contract = remembering(dataset.contract, past.plan.kinds)
    make: Callable[..., Any] = claim_type(contract)
    names, stated = names_of(past.plan.kinds), tuple(dataset.contract.fields)
    values = np.full((len(dataset.claims), len(names)), np.nan)
    if len(past.rows):
        values[past.rows] = matrix_of(past.histories[: len(past.rows)])
    return [
        make(
            **{name: getattr(claim, name) for name in stated},
            **{n: v for n, v in zip(names, row, strict=True) if v == v},  # noqa: PLR0124 - not NaN
        )
        for claim, row in zip(dataset.claims, values.tolist(), strict=True)
    ]


def matrix_of(histories: Sequence[ClaimHistory]) -> Matrix:
    """History features, shape (n_claims, n_features); NaN is missing."""
    found: Matrix = np.array([one.values() for one in histories], dtype=np.float64)
    return found


def _refuse_without(contract: Contract) -> None:
    refuse_without_entities(contract)
    if contract.event.time is None:
        raise ValueError(
            f"contract {contract.about.name}: history needs the day on which a claim was reported: "
            "x-event, time"
        )


def _decided(dataset: Dataset, reported: Indices) -> Indices:
    """Day on which each label became known."""
    if dataset.decided is not None:
        return dataset.decided
    days = reported[: len(dataset.claims)]
    return np.where(days == UNDATED, UNDATED, days + OUTCOME_DAYS)


def _incoming(contract: Contract, keys: KeyMaker, claim: Any, reported: int, lost: int) -> Incoming:
    found = keys.keys(claim)
    amount = contract.event.amount
    fact = ClaimFact(
        claim=claim_ref(getattr(claim, contract.event.id)),
        known_at=at_start_of(reported),
        policy=found.policy,
        day=None if lost == UNDATED else lost,
        amount=None if amount is None else getattr(claim, amount),
    )
    return Incoming(fact, found.entities)
