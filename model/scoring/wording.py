"""Facts of claims as reasons give them: code, text and value, each made once."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from model.artifact.comparing import NOTHING, Comparer
from model.artifact.comparisons import Comparisons
from model.history.features import window_of
from model.scoring.phrases import FeatureValue, phrase
from schemas.contract.model import Contract

MISSING: Final = -1.7e308
"""In place of a missing value among codes: NaN is not equal to itself."""
_REMEMBERED: Final = 20_000
"""Most facts remembered; beyond that, all are dropped and made again."""


class WordedFact(NamedTuple):
    """One fact of a claim."""

    feature: str
    code: str
    text: str
    value: FeatureValue
    surprise: float
    """In bits, above 0."""
    weak: bool
    plain: str
    """The text without what the fact is compared with."""


class Wording:
    """Puts the facts of claims into words.

    Args:
        features: names of the model's columns, in order.
        contract: what the claims are.
        categories: of features that are texts, in the order of their codes.
        comparisons: the training claims, if the model keeps them.
    """

    def __init__(
        self,
        features: Sequence[str],
        contract: Contract,
        categories: Mapping[str, Sequence[str]],
        comparisons: Comparisons | None,
    ) -> None:
        self._features = features
        self._contract = contract
        self._categories = categories
        self._comparer = Comparer(comparisons, contract)
        self._withheld = frozenset(filter(contract.is_withheld, features))
        self._numbers = frozenset(name for name in features if self._is_number(name))
        self._stated = tuple(name if self._is_stated(name) else None for name in features)
        self._known: list[dict[object, WordedFact]] = [{} for _ in features]
        """By column, then by what the claim states or the code."""
        self._joint: dict[object, WordedFact] = {}
        self._remembered = 0

    def tell(self, claim: Any, column: int, code: float) -> WordedFact:
        """The claim's fact in a column.

        Args:
            claim: as decoded.
            column: which.
            code: of the fact, as encoded for trees; `MISSING` in place of NaN.
        """
        name, known = self._stated[column], self._known[column]
        stated = None if name is None else getattr(claim, name)
        mark = code if name is None else stated
        found = known.get(mark)
        if found is None:
            found = self._told(self._features[column], stated, _code(code))
            self._remember(known, mark, found)
        return found

    def tell_all(self, claim: Any, columns: Sequence[int], codes: Sequence[float]) -> WordedFact:
        """Facts that form one reason, the leading one first.

        Args:
            claim: as decoded.
            columns: which.
            codes: of all facts of the claim, as for `tell`.
        """
        told = [self.tell(claim, column, codes[column]) for column in columns]
        if len(told) == 1:
            return told[0]
        mark = tuple([one.text for one in told])
        found = self._joint.get(mark)
        if found is None:
            by_feature = {one.feature: column for one, column in zip(told, columns, strict=True)}
            kept = _said_once(told)
            found = self._together(kept, [by_feature[one.feature] for one in kept], codes)
            self._remember(self._joint, mark, found)
        return found

    def _together(
        self, told: Sequence[WordedFact], columns: Sequence[int], codes: Sequence[float]
    ) -> WordedFact:
        """Several facts as one; weak ones only if there are no others, or if they are compared
        together.
        """
        if len(told) == 1:
            return told[0]
        if len(told) == 2:
            (first, second), (one, other) = told, (codes[column] for column in columns)
            found = self._comparer.together(first.feature, _code(one), second.feature, _code(other))
            if found is not None:
                plain = f"{first.plain}; {second.plain}"
                text = f"{plain} (together {found.text})"
                return first._replace(
                    text=text, surprise=_surprise(found.share), weak=found.weak, plain=plain
                )
        kept = [one for one in told if not one.weak] or told
        # Facts that are missing together are given once.
        kept = list({one.plain: one for one in reversed(kept)}.values())[::-1]
        first, *others = kept
        if not others:
            return first
        text = "; ".join([one.text for one in kept])
        return first._replace(text=text, surprise=max([one.surprise for one in kept]))

    def _remember(self, known: dict[object, WordedFact], mark: object, told: WordedFact) -> None:
        if self._remembered >= _REMEMBERED:
            for some in (*self._known, self._joint):
                some.clear()
            self._remembered = 0
        known[mark] = told
        self._remembered += 1

    def _is_number(self, feature: str) -> bool:
        """True for what is neither a text nor a flag: it is given as it is encoded."""
        contract = self._contract
        return not contract.is_category(feature) and contract.kind_of(feature) != "flag"

    def _is_stated(self, feature: str) -> bool:
        """True for fields that are given as the claim has them, not as they are encoded."""
        contract = self._contract
        if contract.is_withheld(feature) or feature in contract.derived:
            return False
        return contract.kind_of(feature) == "flag" or contract.is_category(feature)

    def _told(self, feature: str, stated: FeatureValue, code: float) -> WordedFact:
        if feature in self._withheld:
            text = phrase(self._contract, feature, None)
            return WordedFact(
                feature, f"{feature}.withheld", text, None, 1.0, weak=False, plain=text
            )
        value = self._value(feature, stated, code)
        found = self._comparer.compare(feature, code)
        text = phrase(self._contract, feature, value)
        compared, share, weak, side = found
        return WordedFact(
            feature,
            f"{feature}.{side or self._kind(feature, value, code)}",
            f"{text} ({compared})" if compared else text,
            value,
            1.0 if found is NOTHING else _surprise(share),
            weak,
            text,
        )

    def _value(self, feature: str, stated: FeatureValue, code: float) -> FeatureValue:
        """The claim's own value, or the value derived from several fields; None is missing."""
        if feature in self._numbers:
            return None if math.isnan(code) else code
        if self._is_stated(feature):
            return stated
        if math.isnan(code):
            return None
        if self._contract.kind_of(feature) == "flag":
            return bool(code)
        known = self._categories[feature]
        return known[int(code)] if code >= 0 else "another"

    def _kind(self, feature: str, value: FeatureValue, code: float) -> str:
        """The last part of the code of a fact that no number is compared with."""
        if value is None:
            return "missing"
        if isinstance(value, bool):
            return "true" if value else "false"
        return "unseen" if self._contract.is_category(feature) and code < 0 else "stated"


def _said_once(told: Sequence[WordedFact]) -> list[WordedFact]:
    """The facts without counts that add nothing: of the same number over several windows, the
    shortest window stays, as it lies within the others; of a count of none, the longest.
    """
    found: dict[object, WordedFact] = {}
    for one in told:
        window = window_of(one.feature)
        if window is None or not isinstance(one.value, float):
            found[one.feature] = one
            continue
        mark = window.entity, one.value
        former = found.get(mark)
        days = window.days if one.value else -window.days
        if former is None or days < _days(former):
            found[mark] = one
    return list(found.values())


def _days(one: WordedFact) -> int:
    window = window_of(one.feature)
    assert window is not None
    return window.days if one.value else -window.days


def _code(code: float) -> float:
    return math.nan if code == MISSING else code


def _surprise(share: float) -> float:
    return -math.log2(min(share, 0.99))
