"""Why a claim was referred: the features that influenced its score most, as facts of the claim.

Contributions are exact Shapley values of the raw score: path-dependent TreeSHAP for trees,
interventional for the logistic regression (see `model.compiled.trees`, `model.compiled.crosses`).
They are in log-odds for the logistic regression and for boosting, in probability for a forest,
whose trees add up in probability. With the expected raw score they add up to the claim's raw score
within `TOLERANCE`; the items of a claim are only the largest of them.

A contribution says what influenced the score, not what is true: it is not evidence of fraud.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from model.arrays import Matrix
from model.compiled.classifier import Compiled
from model.scoring.phrases import Value, phrase
from schemas.alert import ReasonItem
from schemas.contract.model import Contract

TOLERANCE: Final = 1e-9
"""Maximum difference between the raw score and the sum of contributions and expected score."""
LIMIT: Final = 5
"""Default number of items per claim."""


class Explainer:
    """Reasons for the scores of one model.

    Args:
        compiled: the model.
        features: names of its columns, in order.
        contract: what its claims are.
        categories: of features that are texts, in the order of their codes.
    """

    def __init__(
        self,
        compiled: Compiled,
        features: Sequence[str],
        contract: Contract,
        categories: Mapping[str, Sequence[str]],
    ) -> None:
        self._compiled = compiled
        self._contract = contract
        self._categories = categories
        self._features = tuple(features)

    def explain(
        self, claims: Sequence[Any], codes: Matrix, limit: int = LIMIT
    ) -> list[tuple[ReasonItem, ...]]:
        """Items of each claim, largest contribution (whatever its sign) first.

        Contributions of zero are not reasons and are omitted.

        Args:
            claims: those to explain: only the referred ones, as explaining is expensive.
            codes: the same claims encoded for trees, shape (n_claims, n_features).
            limit: maximum items per claim.
        """
        if not claims:
            return []
        parts = self._compiled.contributions(codes)[:, :-1]
        order = np.argsort(-np.abs(parts), axis=1, kind="stable")[:, :limit]
        return [
            tuple(self._item(c, code, part, j) for j in top.tolist() if part[j] != 0)
            for c, code, part, top in zip(claims, codes, parts, order, strict=True)
        ]

    def _item(self, claim: Any, code: Matrix, part: Matrix, column: int) -> ReasonItem:
        feature = self._features[column]
        value = self._value(claim, feature, float(code[column]))
        missing = value is None and not self._contract.is_withheld(feature)
        return ReasonItem(
            code=feature.upper() + ("_MISSING" if missing else ""),
            text=phrase(self._contract, feature, value),
            feature=feature,
            value=value,
            contribution=float(part[column]),
        )

    def _value(self, claim: Any, feature: str, code: float) -> Value:
        """The claim's own value, or the value derived from several fields; None is missing."""
        contract = self._contract
        if contract.is_withheld(feature):
            return None
        if feature not in contract.derived:  # which may have the name of a field
            stated: Value = getattr(claim, feature)
            if isinstance(stated, bool) or contract.is_category(feature):
                return stated
        if np.isnan(code):
            return None
        if contract.kind_of(feature) == "flag":
            return bool(code)
        if not contract.is_category(feature):
            return code
        known = self._categories[feature]
        return known[int(code)] if code >= 0 else "another"
