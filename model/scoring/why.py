"""The reasons of decisions: rules and flags that made them, then what raises the score."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final

from model.arrays import Matrix
from model.artifact.reference import TOO_LITTLE_KNOWN
from model.decide import Decisions
from model.features.facts import ClaimFacts
from model.scoring.phrases import phrase, stated
from model.scoring.reasons import Explainer
from schemas.alert import Decision, ReasonItem, Remainder, RuleHit
from schemas.claim import Role
from schemas.contract.model import Contract

_REMEMBERED: Final = 5_000
"""Most reasons that are remembered; then they are forgotten, and made again."""

DECIDING: Final[Mapping[str, str]] = {
    TOO_LITTLE_KNOWN: "too little is known of the claim for the model to judge it",
}
"""What data-quality flags that make a decision say, by flag."""


class RuleReasons:
    """Reasons of the rules that claims meet: what a rule says, and the facts that it looked at.

    Args:
        contract: what the claims are. Personal and protected facts are not shown, nor identifiers.
        looks_at: names of the facts that each rule uses, by its id.
    """

    def __init__(self, contract: Contract, looks_at: Mapping[str, Sequence[str]]) -> None:
        self._contract = contract
        self._shown = {
            rule: tuple(name for name in names if self._is_shown(name))
            for rule, names in looks_at.items()
        }
        self._known: dict[tuple[object, ...], ReasonItem] = {}

    def _is_shown(self, name: str) -> bool:
        fields = self._contract.fields
        stated = name not in self._contract.derived and fields[name].role is Role.IDENTIFIER
        return not stated and not self._contract.is_withheld(name)

    def of(self, facts: ClaimFacts, hits: Sequence[Sequence[RuleHit]]) -> list[list[ReasonItem]]:
        """Of each claim, for the rules it meets that advise more than to pass."""
        columns: dict[str, list[Any]] = {}
        found: list[list[ReasonItem]] = [[]] * len(hits)
        for row, met in enumerate(hits):
            if met:
                advised = [hit for hit in met if hit.outcome is not Decision.PASS]
                found[row] = [self._reason(facts, row, hit, columns) for hit in advised]
        return found

    def _reason(
        self, facts: ClaimFacts, row: int, hit: RuleHit, columns: dict[str, list[Any]]
    ) -> ReasonItem:
        names = self._shown[hit.id]
        for name in names:
            if name not in columns:
                columns[name] = stated(facts, name)
        mark = (hit, *(columns[name][row] for name in names))
        if mark not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[mark] = self._made(hit, dict(zip(names, mark[1:], strict=True)))
        return self._known[mark]

    def _made(self, hit: RuleHit, values: Mapping[str, Any]) -> ReasonItem:
        told = [
            phrase(self._contract, name, value.isoformat() if isinstance(value, dt.date) else value)
            for name, value in values.items()
            if value is not None
        ]
        text = f"{hit.text.removesuffix('.')}: {'; '.join(told)}" if told else hit.text
        return _item(f"rule.{hit.id}", text)


def explained(
    explainer: Explainer,
    rules: RuleReasons,
    facts: ClaimFacts,
    codes: Matrix,
    decisions: Decisions,
    hits: Sequence[Sequence[RuleHit]],
    flags: Sequence[Sequence[str]],
) -> tuple[list[tuple[ReasonItem, ...]], dict[int, Remainder]]:
    """Reasons of each claim whose decision is not pass, and by row what they leave out.

    The score is explained where the model itself does not advise to pass. Where only a rule or a
    flag made the decision, that is the reason.

    Args:
        explainer: of the model.
        rules: of the rules.
        facts: of the batch.
        codes: its claims encoded for trees, shape (n_claims, n_features).
        decisions: the model's own, before a flag or a rule changed them.
        hits: rules that each claim met.
        flags: on the data quality of each claim.
    """
    reasons = [
        (*met, *_by_flags(said)) if met or said else ()
        for met, said in zip(rules.of(facts, hits), flags, strict=True)
    ]
    rows = [i for i, d in enumerate(decisions.decision) if d is not Decision.PASS]
    found = explainer.explain([facts.claims[i] for i in rows], codes[rows])
    for row, one in zip(rows, found, strict=True):
        reasons[row] = (*reasons[row], *one.reasons)
    return reasons, {row: one.remainder for row, one in zip(rows, found, strict=True)}


def _by_flags(flags: Sequence[str]) -> list[ReasonItem]:
    return [_item(f"quality.{flag}", DECIDING[flag]) for flag in flags if flag in DECIDING]


def _item(code: str, text: str) -> ReasonItem:
    return ReasonItem(code=code, text=text, feature="", value=None, contribution=0.0)
