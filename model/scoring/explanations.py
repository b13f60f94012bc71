"""The reasons for decisions: the rules and flags that made them, then what raises the score."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from model.arrays import Matrix
from model.artifact.reference import TOO_LITTLE_KNOWN
from model.features.facts import ClaimFacts
from model.scoring.phrases import phrase, stated_in
from model.scoring.reasons import Explainer
from model.thresholds import Decisions
from schemas.alert import Decision, ReasonItem, Remainder, RuleHit
from schemas.claim import Role
from schemas.contract.model import Contract

DECIDING: Final[Mapping[str, str]] = {
    TOO_LITTLE_KNOWN: "too little is known of the claim for the model to judge it",
}
"""The text of each data-quality flag that makes a decision."""


class RuleReasons:
    """Reasons from the rules that claims meet: what a rule says, and the facts it looks at.

    Args:
        contract: what the claims are. Personal and protected facts and identifiers are not shown.
        explainer: of the model, which compares the facts that are features.
        looks_at: names of the facts that each rule uses, by its id.
    """

    def __init__(
        self, contract: Contract, explainer: Explainer, looks_at: Mapping[str, Sequence[str]]
    ) -> None:
        self._contract = contract
        self._explainer = explainer
        self._shown = {
            rule: tuple(name for name in names if self._is_shown(name))
            for rule, names in looks_at.items()
        }

    def _is_shown(self, name: str) -> bool:
        fields = self._contract.fields
        stated = name not in self._contract.derived and fields[name].role is Role.IDENTIFIER
        return not stated and not self._contract.is_withheld(name)

    def reason(
        self, hit: RuleHit, facts: ClaimFacts, codes: Matrix, row: int, told: Collection[str]
    ) -> ReasonItem:
        """The reason from a rule that a claim meets.

        Args:
            hit: the rule.
            facts: of the batch.
            codes: its claims encoded for trees.
            row: the claim.
            told: features that other reasons for the claim give.
        """
        names = [name for name in self._shown[hit.id] if name not in told]
        texts = [text for name in names if (text := self._text(name, facts, codes, row))]
        text = f"{hit.text.removesuffix('.')}: {'; '.join(texts)}" if texts else hit.text
        return _item(f"rule.{hit.id}", text)

    def _text(self, name: str, facts: ClaimFacts, codes: Matrix, row: int) -> str | None:
        value = stated_in(facts, name, row)
        if value is None:
            return None
        if (told := self._explainer.told(facts.claims[row], name, codes[row])) is not None:
            return told
        plain = value.isoformat() if isinstance(value, dt.date) else value
        return phrase(self._contract, name, plain)


def explained(
    explainer: Explainer,
    rules: RuleReasons,
    facts: ClaimFacts,
    codes: Matrix,
    decisions: Decisions,
    hits: Sequence[Sequence[RuleHit]],
    flags: Sequence[Sequence[str]],
) -> tuple[list[tuple[ReasonItem, ...]], dict[int, Remainder]]:
    """Reasons for each claim whose decision is not pass, and by row what they leave out.

    The score is explained where the model's own advice is not pass. Where only a rule or a
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
    rows = [i for i, d in enumerate(decisions.decision) if d is not Decision.PASS]
    found = explainer.explain([facts.claims[i] for i in rows], codes[rows])
    reasons: list[tuple[ReasonItem, ...]] = [()] * len(hits)
    for row, one in zip(rows, found, strict=True):
        reasons[row] = one.reasons
    for row in _decided_otherwise(hits, flags):
        told = {name for item in reasons[row] for name in (item.feature, *item.features)}
        reasons[row] = (
            *(rules.reason(hit, facts, codes, row, told) for hit in hits[row] if _advises(hit)),
            *_by_flags(flags[row]),
            *reasons[row],
        )
    return reasons, {row: one.remainder for row, one in zip(rows, found, strict=True)}


def _decided_otherwise(
    hits: Sequence[Sequence[RuleHit]], flags: Sequence[Sequence[str]]
) -> list[int]:
    """Rows of claims that met a rule, or have a flag that makes a decision."""
    # Claims of one sender lack the same fields, and their flags are one object.
    deciding = {
        mark
        for mark, said in {id(said): said for said in flags}.items()
        if not DECIDING.keys().isdisjoint(said)
    }
    return [
        row
        for row, (met, said) in enumerate(zip(hits, flags, strict=True))
        if met or id(said) in deciding
    ]


def _advises(hit: RuleHit) -> bool:
    return hit.outcome is not Decision.PASS


def _by_flags(flags: Sequence[str]) -> list[ReasonItem]:
    return [_item(f"quality.{flag}", DECIDING[flag]) for flag in flags if flag in DECIDING]


def _item(code: str, text: str) -> ReasonItem:
    return ReasonItem(code=code, text=text, feature="", value=None, contribution=0.0)
