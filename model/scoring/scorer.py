"""Scoring claims with a trained model: the path every claim takes in production."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from model.arrays import Flags, Matrix, Scores
from model.artifact.manifest import Manifest
from model.artifact.reference import (
    TOO_LITTLE_KNOWN,
    Reference,
    stated_columns,
    too_little_known,
)
from model.compiled.plain import PlainPipeline
from model.features.data_quality import DataQuality
from model.features.facts import ClaimFacts
from model.features.matrix import MatrixReader
from model.history.contract import remembering
from model.history.features import ClaimHistory
from model.scoring.decisions import control_sample
from model.scoring.explanations import RuleReasons, explained
from model.scoring.histories import HistoryColumns, marked
from model.scoring.reasons import Explainer
from model.scoring.rules import Rules
from model.thresholds import Decisions, decide
from schemas.alert import Decision, ReasonItem, Remainder, RuleHit
from schemas.decoding.decoder import ClaimDecoder


class Assessment(NamedTuple):
    """The complete result of the model for a batch; each part as long as the batch."""

    probability: Scores
    decisions: Decisions
    data_quality: list[tuple[str, ...]]
    reasons: list[tuple[ReasonItem, ...]]
    """See `model.scoring.explanations`; empty where the decision is pass."""
    rule_hits: list[tuple[RuleHit, ...]]
    codes: npt.NDArray[np.float64]
    """The claims as encoded for trees, shape (n_claims, n_features), for drift and reasons."""
    control: Sequence[bool] = ()
    """Whether a claim is in the random control sample; empty if there is no sample."""
    remainders: Mapping[int, Remainder] = MappingProxyType({})
    """By row: what the reasons leave out of the score, where they explain it."""


class Scorer:
    """A model that is ready to score.

    Attributes:
        encoding: how columns of claims become numbers.
        compiled: the classifier, which scores and explains them.
        manifest: the artifact's description of the model.
        reference: what it keeps about the training claims.
        name: name of the model.
        version: version of the model.
        sha256: digest, hex, of the artifact's model file.
        decoder: decodes the claims that the model scores, by the contract of their senders.
        contract: what those claims are, with the fields of `history`.
        history: how the history features were computed; None for a model without any. Claims are
            scored with their histories or without them, as the model was trained; anything else is
            a ValueError, as missing history must never be read as no earlier claims.
        threshold: probabilities at or above it mean a referral.
        threshold_policy: how the threshold was chosen, in words.
        features: columns the model uses.
        control_share: share of all claims in the random control sample, 0 to 1.
    """

    def __init__(
        self,
        plain: PlainPipeline,
        manifest: Manifest,
        reference: Reference,
        decoder: ClaimDecoder,
        rules: Rules,
    ) -> None:
        self.manifest = manifest
        self.reference = reference
        self.name = manifest.name
        self.version = manifest.version
        self.sha256 = manifest.sha256
        self.decoder = decoder
        self.history = manifest.history
        self.contract = decoder.contract
        if self.history is not None:
            self.contract = remembering(decoder.contract, self.history.kinds)
        self.threshold = manifest.levels.threshold
        self.threshold_policy = str(manifest.policy)
        self.encoding = plain.encode.encoding()
        self.features = plain.encode.features
        self.compiled = plain.compiled()
        self.control_share = 0.0
        self._explainer = Explainer(
            self.compiled,
            self.features,
            self.contract,
            manifest.categories,
            reference.comparisons,
        )
        self._past = HistoryColumns(self.history, self.features)
        self._matrix = MatrixReader(self.contract, self.encoding, self._past.names)
        self._stated = stated_columns(self.features, self.history)
        self._rules = rules
        self._rule_reasons = RuleReasons(self.contract, self._explainer, rules.looks_at())
        self._ranked = np.array(reference.scores)
        told, expected = self._past.flagged(reference.expected())
        self._quality = DataQuality(told, expected, manifest.categories)

    def score(
        self, claims: Sequence[Any], histories: Sequence[ClaimHistory] | None = None
    ) -> Scores:
        """Fraud probabilities, shape (n_claims,), in the claims' order; one evaluation per call."""
        if not claims:
            return np.empty(0, dtype=np.float64)
        return self.compiled.probabilities(self.codes(claims, histories))

    def decide(self, p: Scores) -> Decisions:
        """Bands, decisions and percentiles of fraud probabilities, shape (n_claims,)."""
        return decide(p, self.manifest.levels, self._ranked)

    def assess(
        self, claims: Sequence[Any], histories: Sequence[ClaimHistory] | None = None
    ) -> Assessment:
        """Score, decide, explain, flag and apply the rules to a non-empty batch.

        Args:
            claims: as the decoder gives them.
            histories: of the same claims, in the plan's order of kinds, if the model has a plan.

        Raises:
            ValueError: the model has a plan and there are no histories, or the other way round, or
                their claims or kinds differ in number.
        """
        facts = self._facts(claims, histories)
        codes = self._matrix.matrix(facts)
        p = self.compiled.probabilities(codes)
        decisions = self.decide(p)
        flags = self._quality.flags(codes)
        advice = decisions
        unknown = too_little_known(codes[:, self._stated], self.reference.least_known)
        if unknown.any():
            decisions, flags = reviewed(decisions, flags, unknown)
        if histories is not None:
            flags = marked(flags, histories)
        hits = self._rules.hits(facts)
        reasons, left_out = explained(
            self._explainer, self._rule_reasons, facts, codes, advice, hits, flags
        )
        control = self._control(facts)
        return Assessment(p, decisions, flags, reasons, hits, codes, control, left_out)

    def reasons(
        self, claims: Sequence[Any], histories: Sequence[ClaimHistory] | None = None
    ) -> list[tuple[ReasonItem, ...]]:
        """The reasons in the alerts of these claims, at least one, if each were referred."""
        facts = self._facts(claims, histories)
        codes = self._matrix.matrix(facts)
        referred = self.decide(np.ones(len(claims)))
        flags = self._quality.flags(codes)
        unknown = too_little_known(codes[:, self._stated], self.reference.least_known)
        _, flags = reviewed(referred, flags, unknown)
        hits = self._rules.hits(facts)
        return explained(self._explainer, self._rule_reasons, facts, codes, referred, hits, flags)[
            0
        ]

    def codes(
        self, claims: Sequence[Any], histories: Sequence[ClaimHistory] | None = None
    ) -> Matrix:
        """The claims encoded for trees, shape (n_claims, n_features)."""
        return self._matrix.matrix(self._facts(claims, histories))

    def _facts(self, claims: Sequence[Any], histories: Sequence[ClaimHistory] | None) -> ClaimFacts:
        return ClaimFacts(self.contract, claims, self._past.columns(len(claims), histories))

    def _control(self, facts: ClaimFacts) -> Sequence[bool]:
        if not self.control_share:
            return ()
        return control_sample(facts.raw(self.contract.event.id), self.control_share)


def reviewed(
    decisions: Decisions, flags: Sequence[tuple[str, ...]], unknown: Flags
) -> tuple[Decisions, list[tuple[str, ...]]]:
    """Flag the claims about which too little is known, shape (n_claims,), and let none pass.

    Their probability is that of a claim without facts: it is no reason to let it pass.
    """
    found = unknown.tolist()
    looked_at = [
        Decision.REVIEW if little and decision is Decision.PASS else decision
        for decision, little in zip(decisions.decision, found, strict=True)
    ]
    flagged = [
        (TOO_LITTLE_KNOWN, *own) if little else own
        for own, little in zip(flags, found, strict=True)
    ]
    return decisions._replace(decision=looked_at), flagged
