"""Each change of the function, of the facts or of the store that breaks a rule is found out."""

from functools import cache
from typing import Any

import pytest

from tests.harness.mutants import Mutant
from tests.model.history.histories import History, answers, drawn, filled, oracle
from tests.model.history.mutants import modules

HISTORIES = 1_200


@cache
def example(seed: int) -> tuple[History, list[tuple[bytes, tuple[str, ...]]]]:
    """A history and what is to be answered."""
    history = drawn(seed)
    return history, oracle(history)


def is_wrong(of: Any) -> bool:
    """True if these modules answer one of the histories otherwise than the oracle, or fail."""
    for seed in range(HISTORIES):
        history, right = example(seed)
        try:
            found = answers(filled(of, history.limits, history.events), history.asked)
        except (ArithmeticError, LookupError, TypeError, ValueError):
            return True
        if found != right:
            return True
    return False


MUTANTS = [
    Mutant(
        "own claim counted",
        "store", "None if past is None else past.own(claim)", "None",
    ),
    Mutant(
        "own outcome counted",
        "features", "decided - decided_itself, frauds - fraud_itself", "decided, frauds",
    ),
    Mutant(
        "own claim is among the latest",
        "features", "None if own is None else own.claim)", "None)",
    ),
    Mutant(
        "<=: a claim of the same moment counts",
        "features", "past.counts(starts, as_of)", "past.counts(starts, as_of + 1)",
    ),
    Mutant(
        "<=: an outcome of the same moment counts",
        "past", "bisect_left(self.rises, moment)", "bisect_left(self.rises, moment + 1)",
    ),
    Mutant(
        "an outcome counts a day early",
        "past", "bisect_left(self.rises, moment)", "bisect_left(self.rises, moment + 86_400_000)",
    ),
    Mutant(
        "an outcome counts from when its claim came in",
        "past", "if finding.known_at < moment:", "if known_at < moment:",
    ),
    Mutant(
        "the latest are cut off before the time is looked at",
        "past", "range(max(first, last - most), last)",
        "range(max(first, len(self.known) - most), last)",
    ),
    Mutant(
        "what is older than the bound is forgotten by the counts",
        "past", "[last - bisect_left(self.known, start) for start in starts]",
        "[min(2, last - bisect_left(self.known, start)) for start in starts]",
    ),
    Mutant(
        "the window is open at its far end",
        "features", "max(oldest, as_of - window)", "max(oldest, as_of - window + 1)",
    ),
    Mutant(
        "the horizon does not bound the windows",
        "features", "max(oldest, as_of - window)", "as_of - window",
    ),
    Mutant(
        "nothing expires",
        "features", "oldest = as_of - span", "oldest = 0",
    ),
    Mutant(
        "claims expire by the newest fact, not by the moment",
        "features", "starts = _starts(as_of, bounds.span)",
        "starts = _starts(past.recent(0, 1 << 62, 1, None)[1], bounds.span)",
    ),
    Mutant(
        "outcomes never expire",
        "past", "seen = finding.known_at >= moment - span", "seen = True",
    ),
    Mutant(
        "a decided claim never expires",
        "past", "if not moment - span <= known_at < moment:", "if not known_at < moment:",
    ),
    Mutant(
        "the store expires by the newest fact",
        "store", "past.add(fact, findings)",
        "past.add(fact, findings)\n            if past.known[-1] - past.known[0] > past.span:"
        "\n                del past.known[0], past.claims[0], past.policies[0]",
    ),
    Mutant(
        "an outcome before its claim is dropped",
        "store", "        findings = self._findings(claim)\n        named",
        "        findings = ()\n        named",
    ),
    Mutant(
        "an outcome after its claim is dropped",
        "store", "self._pasts[key].found(claim, findings)", "pass",
    ),
    Mutant(
        "the first outcome stays",
        "past", "for finding in reversed(findings):", "for finding in findings:",
    ),
    Mutant(
        "of two outcomes at the same time, fraud counts",
        "facts", "moment if fraud else moment + 1", "moment + 1 if fraud else moment",
    ),
    Mutant(
        "the outcome that arrived last counts",
        "store", "moments.insert(place, finding.known_at)", "moments[:] = [finding.known_at]",
    ),
    Mutant(
        "all changes of the outcome count",
        "facts", "while moment is not None and len(found) < most:", "while moment is not None:",
    ),
    Mutant(
        "all names of a claim count",
        "facts", "if len(named) <= most:", "if True:",
    ),
    Mutant(
        "the last names of a claim count",
        "facts", "for key in first[:most]}", "for key in first[-most:]}",
    ),
    Mutant(
        "names that do not count are remembered",
        "store", "                self._pasts[key].drop(claim)\n", "",
    ),
    Mutant(
        "names of one moment count in the order of arrival",
        "facts", "(named[key].known_at, key))", "named[key].known_at)",
    ),
    Mutant(
        "a repeat is a second claim",
        "past", "if former is not None:", "if False:",
    ),
    Mutant(
        "of a repeat, the later time counts",
        "facts", "return min(one, other, key=_rank)", "return max(one, other, key=_rank)",
    ),
    Mutant(
        "of a repeat, the one that arrived first counts",
        "past", "fact = first_of(former, fact)", "fact = former",
    ),
    Mutant(
        "a repeat keeps the outcome's former time",
        "past", "former = self.findings.pop(fact.claim, NO_FINDINGS)", "former = NO_FINDINGS",
    ),
    Mutant(
        "every cleared claim is a fraud",
        "past", "return seen, seen and finding.fraud", "return seen, seen",
    ),
    Mutant(
        "claims of one moment stand in the order of arrival",
        "past",
        "return bisect_left(claims, fact.claim, first, bisect_right(known, fact.known_at, first))",
        "return bisect_right(known, fact.known_at, first)",
    ),
    Mutant(
        "an unknown policy is a policy",
        "past", "policies.discard(None)", "policies.discard(b'')",
    ),
    Mutant(
        "no entity is common",
        "features", "if person and policies >= bounds.common", "if False",
    ),
    Mutant(
        "an entity is common with one policy more",
        "features", "policies >= bounds.common", "policies > bounds.common",
    ),
    Mutant(
        "businesses are common as well",
        "features", "if person and policies", "if policies",
    ),
    Mutant(
        "the bound of persons for businesses",
        "features", "bounds.most(kind.like)", "bounds.person",
    ),
    Mutant(
        "no entity is common by the number of its claims",
        "features", "if person and others >= most:", "if False:",
    ),
    Mutant(
        "an entity is common with one claim more",
        "features", "if person and others >= most:", "if person and others > most:",
    ),
    Mutant(
        "an entity is common by claims older than the horizon",
        "features", "if person and others >= most:",
        "if person and past.counts([0], as_of)[0] - (own is not None) >= most:",
    ),
    Mutant(
        "an entity is common by claims that came later",
        "features", "if person and others >= most:",
        "if person and past.counts([oldest], 1 << 62)[0] - (own is not None) >= most:",
    ),
    Mutant(
        "an entity is common by the claim itself",
        "features", "if person and others >= most:",
        "if person and others + (own is not None) >= most:",
    ),
    Mutant(
        "businesses are common by the number of their claims as well",
        "features", "if person and others >= most:", "if others >= most:",
    ),
    Mutant(
        "a missing entity has no claims",
        "features", "found = [MISSING] *", "found = [NEVER_SEEN.features] *",
    ),
    Mutant(
        "an entity that was never seen is missing",
        "features", "    if past is None:\n        return NEVER_SEEN",
        "    if past is None:\n        return KnownEntity(MISSING)",
    ),
    Mutant(
        "of two entities, the longer time counts",
        "features", "min(known) if suffix", "max(known) if suffix",
    ),
    Mutant(
        "of two entities, the one with fewer claims counts",
        "features", "else max(known)", "else min(known)",
    ),
    Mutant(
        "undecided claims are honest",
        "features", "frauds / decided if decided else _NAN", "frauds / decided if decided else 0.0",
    ),
]  # fmt: skip


def test_the_function_is_right() -> None:
    assert not is_wrong(modules())


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.what)
def test_a_mutant_is_found_out(mutant: Mutant) -> None:
    assert is_wrong(modules(mutant))
