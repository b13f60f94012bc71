"""From labelled claims to labelled claims with history: facts, their times, and the replay."""

import functools
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from model.arrays import Indices, Matrix
from model.datasets.dataset import Dataset
from model.features.facts import UNDATED, event_days, report_days
from model.history.contract import remembering
from model.history.facts import DAY, ClaimFact, ClaimRef, OutcomeFact, at_start_of, claim_ref
from model.history.features import ClaimHistory, names_of
from model.history.keys import SECRET_BYTES, KeyMaker
from model.history.plan import OUTCOME_DAYS, Bounds, HistoryPlan, kinds_in, refuse_without_entities
from model.history.replay import Incoming, as_of_later, replay
from schemas.contract.model import Contract
from schemas.decoding.structs import claim_type


class _Found(NamedTuple):
    """The label of a claim whose day of report is known."""

    claim: ClaimRef
    reported: int
    decided: int
    """Ordinal of the day on which it became known; `UNDATED` where that is not stated."""
    fraud: bool


@dataclass(frozen=True)
class DatasetPast:
    """Everything that claims say about the past, with the time at which it became known."""

    contract: Contract
    plan: HistoryPlan
    claims: Sequence[Incoming]
    """Of a data set, those with a label first, in its order, then those without."""
    outcomes: Sequence[OutcomeFact]
    rows: Indices
    """For each claim with a label, its row in the data set."""
    undated: int
    """Claims whose day of report is unknown: they have no history and are part of none."""
    labels: int
    """Of dated claims."""
    undecided: int
    """Labels that no history counts: the data says when others became known, but not these."""

    @functools.cached_property
    def histories(self) -> list[ClaimHistory]:
        """Of all claims, by replay."""
        return replay(self.plan.kinds, self.plan.bounds, self.claims, self.outcomes)

    def later(self, rows: Sequence[int], days: int) -> Matrix:
        """History features of some claims (places among `rows`), asked this many days later."""
        return matrix_of(
            as_of_later(
                self.plan.kinds, self.plan.bounds, self.claims, self.outcomes, rows, days * DAY
            )
        )


class KnownFacts:
    """Collects what claims say about the past, as they are read.

    The hash key is drawn at random and never kept; features do not depend on it.

    Args:
        contract: of all the claims.

    Raises:
        ValueError: it names no entity, or does not say when claims are reported.
    """

    def __init__(self, contract: Contract) -> None:
        _refuse_without(contract)
        self._contract = contract
        self._keys = KeyMaker(contract, secrets.token_bytes(SECRET_BYTES))
        self._claims: list[Incoming] = []
        self._found: list[_Found] = []
        self._undated = 0
        self._stated = False

    def add(
        self,
        claims: Sequence[Any],
        labels: Sequence[bool | None] = (),
        decided: Sequence[int] | None = None,
    ) -> Indices:
        """Take in claims; returns which of them are dated, and so have a place in the past.

        Args:
            claims: the next ones.
            labels: what was found about each, None where nothing was; empty if about none.
            decided: ordinal of the day on which each label became known, `UNDATED` where it is not
                stated; None if no day is stated.
        """
        contract = self._contract
        reported, lost = report_days(contract, claims), event_days(contract, claims)
        dated: Indices = np.flatnonzero(reported != UNDATED)
        self._undated += len(claims) - len(dated)
        self._stated |= decided is not None and any(day != UNDATED for day in decided)
        for row in dated.tolist():
            day = int(reported[row])
            one = _incoming(contract, self._keys, claims[row], day, int(lost[row]))
            self._claims.append(one)
            label = labels[row] if len(labels) else None
            if label is not None:
                known = UNDATED if decided is None else int(decided[row])
                self._found.append(_Found(one.fact.claim, day, known, bool(label)))
        return dated

    def take(self, dataset: Dataset) -> Indices:
        """Take in the claims of a data set; returns which of those with a label are dated."""
        days = None if dataset.decided is None else dataset.decided.tolist()
        dated = self.add(dataset.claims, dataset.labels.tolist(), days)
        self.add(dataset.others)
        return dated

    def past(self, rows: Indices, bounds: Bounds | None = None) -> DatasetPast:
        """Everything so far. If any label has a day, one without a day counts for no other claim.

        Args:
            rows: see `DatasetPast`.
            bounds: how much of it is looked at; the defaults unless given.
        """
        stated = self._stated
        outcomes = [
            OutcomeFact(claim=found.claim, known_at=at_start_of(day), fraud=found.fraud)
            for found in self._found
            if (day := found.decided if stated else found.reported + OUTCOME_DAYS) != UNDATED
        ]
        plan = HistoryPlan(
            kinds=kinds_in(self._contract),
            bounds=bounds or Bounds(),
            outcomes="stated" if stated else "assumed",
        )
        return DatasetPast(
            contract=self._contract,
            plan=plan,
            claims=self._claims,
            outcomes=outcomes,
            rows=rows,
            undated=self._undated,
            labels=len(self._found),
            undecided=len(self._found) - len(outcomes),
        )


def past_of(
    dataset: Dataset, bounds: Bounds | None = None, earlier: Sequence[Dataset] = ()
) -> DatasetPast:
    """What a data set says about the past, together with others, as if all were one file.

    Args:
        dataset: the claims whose history is asked for.
        bounds: how much is looked at; the defaults unless given.
        earlier: claims of the same contract that are only part of the history.

    Raises:
        ValueError: the contract names no entity, or does not say when claims are reported.
    """
    facts = KnownFacts(dataset.contract)
    rows = facts.take(dataset)
    for one in earlier:
        facts.take(one)
    return facts.past(rows, bounds)


def with_history(dataset: Dataset, past: DatasetPast) -> Dataset:
    """The data set, each claim with its history features; copies are the same as before."""
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
