"""Signs that history features know what nobody knew when the claim came in. Pure.

* *the future*: the features of a sample of claims are computed again from nothing but what was
  known before each of them, and must be the same to the last bit.
* *later*: asked 90 days later, when more had become known, they must differ: features that do not
  depend on the moment were joined on the state of one day, often that of the export.
* *outcomes at once*: if most frauds are said to have been found on the day of their report or
  earlier, the day is not that of the finding, and history would count outcomes before they were
  known.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

import numpy as np

from model.arrays import Indices, Matrix
from model.features.facts import claim_columns
from model.features.vocabulary import numbers
from model.history.facts import DAY, ClaimRef
from model.history.features import names_of
from model.history.learning import DatasetPast, matrix_of
from model.history.replay import replay
from model.history.store import EntityKey
from model.leaks.signs import LeakFinding
from schemas.contract.model import Contract

HISTORY: Final = "history"
"""Name by which these findings are allowed."""
LATER_DAYS: Final = 90
SAMPLE: Final = 400
MOST_FACTS: Final = 400_000
ClaimsByKey = dict[EntityKey, list[int]]
"""Places of the claims that name an entity."""
_AT_ONCE: Final = 0.5


def history_signs(
    past: DatasetPast, contract: Contract, claims: Sequence[Any], rows: Indices, seed: int
) -> list[LeakFinding]:
    """Each sign that is found; all are fatal.

    Args:
        past: what the data says of the past.
        contract: what the claims are, with their history.
        claims: of the whole data set, with their history.
        rows: of the claims that are trained on.
        seed: of the sample.
    """
    return list(_signs(past, contract, claims, rows, seed))


def refuse_unless_allowed(found: Sequence[LeakFinding], allowed: Collection[str]) -> None:
    """Check that nothing was found, or that it was allowed by name.

    Raises:
        ValueError: it was not.
    """
    if found and HISTORY not in allowed:
        told = "; ".join(finding.text for finding in found)
        raise ValueError(
            f"{told}. Correct the days in the data, or, if it is intended: --allow-leak {HISTORY}"
        )


def _signs(
    past: DatasetPast, contract: Contract, claims: Sequence[Any], rows: Indices, seed: int
) -> Iterator[LeakFinding]:
    named = _by_key(past)
    places = _sample(past, named, rows, seed)
    if places:
        given = _given(contract, claims, past, past.rows[places])
        wrong = _differ(given, _from_before(past, named, places))
        later = _differ(given, past.later(places, LATER_DAYS))
        came = np.array([_was_named_later(past, named, place) for place in places])
        if wrong.any():
            yield _finding(
                f"history features of {wrong.sum():,} of {len(places):,} claims are not those of "
                "what was known before them: they know what became known later"
            )
        elif came.any() and not later[came].any():
            yield _finding(
                f"history features are the same {LATER_DAYS} days later, though more was known "
                "by then: they do not depend on when they are asked"
            )
    early = found_at_once(past)
    if early is not None:
        yield _finding(early)


def _finding(text: str) -> LeakFinding:
    return LeakFinding(HISTORY, 1.0, True, text)


def _by_key(past: DatasetPast) -> ClaimsByKey:
    found: ClaimsByKey = {}
    for place, claim in enumerate(past.claims):
        for key in claim.keys:
            found.setdefault(key, []).append(place)
    return found


def _sample(past: DatasetPast, named: ClaimsByKey, rows: Indices, seed: int) -> list[int]:
    """Places, among the claims of the past, of some that are trained on: at most `SAMPLE`, and so
    few that together at most `MOST_FACTS` claims name the same as they do.
    """
    trained = np.random.default_rng(seed).permutation(np.flatnonzero(np.isin(past.rows, rows)))
    found: list[int] = []
    facts = 0
    for place in trained[:SAMPLE].tolist():
        facts += sum(len(named[key]) for key in past.claims[place].keys)
        if found and facts > MOST_FACTS:
            break
        found.append(place)
    return sorted(found)


def _given(contract: Contract, claims: Sequence[Any], past: DatasetPast, rows: Indices) -> Matrix:
    some = [claims[row] for row in rows.tolist()]
    columns = claim_columns(contract, some, names_of(past.plan.kinds))
    return np.column_stack([numbers(column) for column in columns.values()])


def _from_before(past: DatasetPast, named: ClaimsByKey, places: Sequence[int]) -> Matrix:
    """Features of claims from a store that is made anew for each, and holds only what concerns the
    entities of the claim and became known before it.
    """
    by_claim: dict[ClaimRef, list[int]] = {}
    for number, outcome in enumerate(past.outcomes):
        by_claim.setdefault(outcome.claim, []).append(number)
    found = []
    for place in places:
        asked = past.claims[place]
        as_of = asked.fact.known_at
        others = {other for key in asked.keys for other in named[key]} - {place}
        known = [past.claims[o] for o in sorted(others) if past.claims[o].fact.known_at < as_of]
        outcomes = [
            past.outcomes[number]
            for claim in sorted({one.fact.claim for one in known})
            for number in by_claim.get(claim, ())
            if past.outcomes[number].known_at < as_of
        ]
        found.append(replay(past.plan.kinds, past.plan.bounds, [*known, asked], outcomes)[-1])
    return matrix_of(found)


def _was_named_later(past: DatasetPast, named: ClaimsByKey, place: int) -> bool:
    """True if another claim named an entity of this one in the days after it."""
    fact, keys = past.claims[place]
    others = (past.claims[other].fact for key in keys for other in named[key])
    return any(
        other.claim != fact.claim and 0 <= other.known_at - fact.known_at < LATER_DAYS * DAY
        for other in others
    )


def _differ(one: Matrix, other: Matrix) -> Any:
    """Rows that are not the same to the last bit, where missing is missing."""
    return ~((one == other) | (np.isnan(one) & np.isnan(other))).all(axis=1)


def found_at_once(past: DatasetPast) -> str | None:
    """What is wrong if most frauds were known by the day of their report; None if they were not."""
    reported = {claim.fact.claim: claim.fact.known_at for claim in past.claims}
    early = [o.known_at <= reported[o.claim] for o in past.outcomes if o.fraud]
    share = sum(early) / len(early) if early else 0.0
    if share <= _AT_ONCE:
        return None
    return (
        f"{share:.0%} of the frauds are said to have been found on the day of their report or "
        "before it: that is not when they were found, and history would know outcomes early"
    )
