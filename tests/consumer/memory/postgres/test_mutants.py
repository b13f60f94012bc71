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
    Mutant("the own day is seen", "reading",
           "known_on < {_EPOCH} + a.as_of", "known_on <= {_EPOCH} + a.as_of"),
    Mutant("what is older than the span is seen", "reading",
           "known_on >= {_EPOCH} + a.oldest", "known_on >= {_EPOCH} + a.oldest - 1"),
    Mutant("a finding counts a day early", "reading",
           "g.found_on < {epoch} + a.as_of", "g.found_on <= {epoch} + a.as_of"),
    Mutant("a doubt is a finding of fraud", "reading",
           "ORDER BY found_on DESC, fraud LIMIT 1", "ORDER BY found_on DESC, fraud DESC LIMIT 1"),
    Mutant("one claim too few is read", "reading", "like) + 1 +", "like) +"),
    Mutant("totals have the own day", "reading",
           "AND day < {_EPOCH} + a.as_of", "AND day <= {_EPOCH} + a.as_of"),
    Mutant("the own claim counts", "pasts",
           "fact = counting.get(claim) or kept.facts.get(claim)", "fact = counting.get(claim)"),
    Mutant("a pending claim is not taken out of totals", "pasts",
           "((counting.values(), 1), (replaced, -1))", "((counting.values(), 1),)"),
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
    Mutant("all findings count", "writing",
           "WHERE c.place < (SELECT findings FROM store)", ""),
    Mutant("the latest findings count", "writing",
           "ORDER BY f.found_on, v.fraud DESC LIMIT 1",
           "ORDER BY f.found_on DESC, v.fraud DESC LIMIT 1"),
    Mutant("a doubt comes first", "writing",
           "ORDER BY f.found_on, v.fraud DESC LIMIT 1", "ORDER BY f.found_on, v.fraud LIMIT 1"),
    Mutant("fraud after a doubt of one day counts", "writing",
           "c.found_on + c.other::int", "c.found_on"),
    Mutant("former outcomes stay", "writing",
           "USING {_FOUND} t WHERE o.claim = t.claim", "USING {_FOUND} t WHERE false"),
    Mutant("what was found stays", "writing",
           "DELETE FROM findings r USING told t WHERE NOT t.is_claim",
           "DELETE FROM findings r USING told t WHERE false"),
    Mutant("totals keep what changed", "writing",
           '_BEFORE: Final = _contributions("-")', '_BEFORE: Final = "SELECT 1"'),
    Mutant("rows of nothing stay", "writing",
           "_DAYS, _DAYS_GONE, _CLAIMS_GONE", "_DAYS, _CLAIMS_GONE"),
    Mutant("claims of nothing stay", "writing",
           "_DAYS, _DAYS_GONE, _CLAIMS_GONE", "_DAYS, _DAYS_GONE"),
    Mutant("a finding never expires", "writing",
           "o.found_on + s.span_days, o.next_on) AS fall", "o.next_on) AS fall"),
    Mutant("a corrected finding counts twice", "writing",
           "o.found_on + s.span_days, o.next_on) AS fall", "o.found_on + s.span_days) AS fall"),
    Mutant("a claim that was there is new", "writing",
           "claim, false FROM locked WHERE known", "claim, false FROM locked WHERE false"),
    Mutant("positions have a transaction of their own", "store",
           "            write(on, facts)\n            after",
           "            write(on, facts)\n            on.execute('COMMIT; BEGIN')\n"
           "            after"),
    Mutant("emptying leaves positions", "schema",
           "TRUNCATE store, kinds, positions, ", "TRUNCATE store, kinds, "),
    Mutant("links have the own claim", "reading", " or claim == asked.claim:", ":"),
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
