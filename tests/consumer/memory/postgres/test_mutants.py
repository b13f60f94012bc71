"""The checks of a store find out a store in PostgreSQL that is wrong in one place."""

import random
from typing import Any

import psycopg
import pytest

from consumer.errors import ScorerError
from tests.consumer.memory.checks import CHECKS
from tests.consumer.memory.postgres.mutants import store_of
from tests.consumer.memory.postgres.stores import PostgresStores
from tests.harness.mutants import Mutant

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

TRIES = 60
MUTANTS = [
    Mutant("the day before the own is not seen", "reading",
           "known_on < {_EPOCH} + a.day", "known_on < {_EPOCH} + a.day - 1"),
    Mutant("the first day of the span is not seen", "reading",
           "known_on >= {_EPOCH} + {{start}}", "known_on > {_EPOCH} + {{start}}"),
    Mutant("the own day is seen", "pasts",
           "        last = bisect_left(self._known, end)",
           "        last = bisect_left(self._known, end + 1)"),
    Mutant("windows are a day longer", "pasts",
           "last - bisect_left(self._known, start) for",
           "last - bisect_left(self._known, start - DAY) for"),
    Mutant("a finding counts a day early", "pasts",
           ", self._frauds.before(moment)", ", self._frauds.before(moment + 1)"),
    Mutant("a finding that was seen never expires", "pasts",
           "fall = min(known_at, finding.known_at) + span", "fall = known_at + span"),
    Mutant("what was found stays found", "pasts",
           "fall = min(fall, findings[place + 1].known_at)", "pass"),
    Mutant("a doubt is a finding of fraud", "reading",
           "array_agg(fraud ORDER BY found_on, fraud DESC)",
           "array_agg(fraud ORDER BY found_on, fraud)"),
    Mutant("findings of the own claim are in no order", "reading",
           "ORDER BY a.claim, o.found_on, o.fraud DESC", "ORDER BY a.claim, o.fraud, o.found_on"),
    Mutant("one claim too few is read", "reading", "like) + 1", "like)"),
    Mutant("a part of the claims that a day sees is left out", "reading",
           "lag(day, 1, oldest)", "lag(day, 1, day - 1)"),
    Mutant("totals have the own day", "reading",
           "width_bucket(day - {_EPOCH}, a.edges)", "width_bucket(day - {_EPOCH} - 1, a.edges)"),
    Mutant("the own claim counts", "pasts",
           "fact = fact or self._kept.facts.get(claim)", "fact = fact or None"),
    Mutant("a pending claim is not taken out of totals", "pasts",
           " - waiting.replaced(start, end)", ""),
    Mutant("nor what was found about it", "pasts",
           "decided - less, frauds - less_frauds", "decided, frauds"),
    Mutant("a claim that is pending is seen twice", "pasts",
           "[one for one in seen if one.claim not in waiting.gone]", "[*seen]"),
    Mutant("pending claims are always first", "pasts",
           "if first_of(stored, fact) == stored:", "if False:"),
    Mutant("the latest record of a claim counts", "writing",
           'WHERE ({_rank("EXCLUDED.")}) < ({_rank("facts.")})', ""),
    Mutant("what is forgotten leaves its facts", "writing",
           "WHERE m.again AND f.claim = m.claim", "WHERE false"),
    Mutant("what counts is not looked for when one of it is gone", "writing",
           "UPDATE met m SET again = true", "UPDATE met m SET again = false"),
    Mutant("all names count", "writing",
           "WHERE n.place > (SELECT names FROM store)", "WHERE false"),
    Mutant("names of a day count in another order", "writing",
           "ORDER BY known_on, number, hash)", "ORDER BY known_on, number DESC, hash)"),
    Mutant("the latest findings count", "writing",
           "ORDER BY f.found_on, v.fraud DESC LIMIT 1",
           "ORDER BY f.found_on DESC, v.fraud DESC LIMIT 1"),
    Mutant("fraud after a doubt of one day counts", "writing",
           "c.found_on + c.other::int", "c.found_on"),
    Mutant("former outcomes stay", "writing",
           "USING {_FOUND} t WHERE o.claim = t.claim", "USING {_FOUND} t WHERE false"),
    Mutant("what was found stays", "writing",
           "DELETE FROM findings r USING told t WHERE NOT t.is_claim",
           "DELETE FROM findings r USING told t WHERE false"),
    Mutant("totals keep what changed", "writing",
           '\n_BEFORE: Final = _parts(-1)', '\n_BEFORE: Final = "SELECT 1"'),
    Mutant("totals keep names that are too many", "writing",
           "f.known_on, -1 FROM gone f", "f.known_on, 0 FROM gone f"),
    Mutant("totals keep what was found before", "writing",
           "_FOUND_BEFORE: Final = _spans(-1)", '_FOUND_BEFORE: Final = "SELECT 1"'),
    Mutant("of what is looked for again, totals keep what was there", "writing",
           "WHERE m.again AND claim = m.claim OFFSET 0", "WHERE false OFFSET 0"),
    Mutant("a new name of a known claim is not counted", "writing",
           "SELECT DISTINCT m.claim, u.kind", "SELECT DISTINCT ''::bytea AS claim, u.kind"),
    Mutant("rows of nothing stay", "writing",
           "_DAYS, _DAYS_GONE, _CLAIMS_GONE", "_DAYS, _CLAIMS_GONE"),
    Mutant("claims of nothing stay", "writing",
           "_DAYS, _DAYS_GONE, _CLAIMS_GONE", "_DAYS, _DAYS_GONE"),
    Mutant("a finding never expires", "writing",
           "p.found_on + s.span_days, p.next_on) AS fall", "p.next_on) AS fall"),
    Mutant("a corrected finding counts twice", "writing",
           "p.found_on + s.span_days, p.next_on) AS fall", "p.found_on + s.span_days) AS fall"),
    Mutant("a claim that was there is new", "writing",
           "claim, false FROM locked WHERE known", "claim, false FROM locked WHERE false"),
    Mutant("positions have a transaction of their own", "store",
           "            write(on, facts)\n            after",
           "            write(on, facts)\n            on.execute('COMMIT; BEGIN')\n"
           "            after"),
    Mutant("emptying leaves positions", "schema",
           "TRUNCATE store, kinds, positions, ", "TRUNCATE store, kinds, "),
    Mutant("links have the own claim", "reading",
           "as_of, most, claim)", "as_of, most, None)"),
    Mutant("links go through placeholders", "reading",
           "            continue\n        latest =", "            pass\n        latest ="),
]  # fmt: skip
FAILURES = (ScorerError, psycopg.Error, LookupError, TypeError, ValueError)


def is_wrong(of: Any) -> bool:
    """True if such a store breaks a rule, or fails."""
    rng = random.Random(7)
    for _ in range(TRIES):
        for check in CHECKS:
            try:
                if not check(rng, of):
                    return True
            except FAILURES:
                return True
    return False


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.what)
def test_a_mutant_is_found_out(mutant: Mutant, own_database: str) -> None:
    assert is_wrong(PostgresStores(own_database, store_of(mutant)))
