"""Each change of the store that breaks a rule is found out."""

import random
from typing import Any

import pytest

from tests.consumer.memory.checks import CHECKS
from tests.consumer.memory.mutants import store_of
from tests.harness.mutants import Mutant

LOGS = 200


def is_wrong(of: Any) -> bool:
    """True if a store of this module breaks a rule on one of the logs, or fails."""
    for seed in range(LOGS):
        for check in CHECKS:
            try:
                if not check(random.Random(seed), of):
                    return True
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
                return True
    return False


MUTANTS = [
    Mutant(
        "a repeat is a second claim",
        "facts.entries", "facts[key] = fact if former is None else first_of(former, fact)",
        "facts[key] = fact",
    ),
    Mutant(
        "a record that is read again is another one",
        "facts.entries", "claims[source] = record",
        "claims[(*source[:2], source[2] + len(claims))] = record",
    ),
    Mutant(
        "records stand in the order of arrival",
        "facts.entries", "tuple(claims[source] for source in sorted(claims))",
        "tuple(claims.values())",
    ),
    Mutant(
        "findings stand in the order of arrival",
        "facts.entries", "tuple(findings[source] for source in sorted(findings))",
        "tuple(findings.values())",
    ),
    Mutant(
        "nothing is forgotten",
        "facts.entries", "(claims if key.kind == FactKind.CLAIM else findings).pop(source, None)",
        "pass",
    ),
    Mutant(
        "findings are never forgotten",
        "facts.entries", "(claims if key.kind == FactKind.CLAIM else findings).pop(source, None)",
        "claims.pop(source, None)",
    ),
    Mutant(
        "the id of a claim outlives it",
        "facts.entries", "if not claims and not findings:", "if False:",
    ),
    Mutant(
        "a finding before its claim is dropped",
        "facts.entries", "if not claims and not findings:", "if not claims:",
    ),
    Mutant(
        "a finding has the time of its claim",
        "facts.entries", "days[one.fraud].append(one.day)",
        "days[one.fraud].append(entry.claims[0].day if entry.claims else 0)",
    ),
    Mutant(
        "times are not floored",
        "facts.entries", "        fact.known_at // DAY,\n        b\"\".join",
        "        -(-fact.known_at // DAY),\n        b\"\".join",
    ),
    Mutant(
        "times of findings are not floored",
        "facts.entries", "KeptFinding(source, fact.known_at // DAY,",
        "KeptFinding(source, -(-fact.known_at // DAY),",
    ),
    Mutant(
        "an entity that is named twice counts twice",
        "facts.entries",
        'return dict.fromkeys(\n        [numbers',
        'return list(\n        [numbers',
    ),
    Mutant(
        "an unknown policy is a policy",
        "facts.pasts", 'seen.discard(NO_POLICY)', 'seen.discard(None)',
    ),
    Mutant(
        "facts of earlier days are cut off by the claim",
        "facts.entries",
        '.to_bytes(4, "big")\n\n\n@lru_cache',
        '.to_bytes(4, "big") + b"\\x80" * 16\n\n\n@lru_cache',
    ),
    Mutant(
        "cut before the time is looked at",
        "facts.state", 'since = facts[most - 1] if many else b""', 'since = b""',
    ),
    Mutant(
        "facts of one moment are right for earlier ones",
        "facts.state", "past.since = ONCE", 'past.since = b""',
    ),
    Mutant(
        "what was read again is not looked at again",
        "facts.state", "        past = self._made(kind, key, self.latest(key, as_of, most))\n", "",
    ),
    Mutant(
        "one fact too few is read",
        "store", "bounds.most(kind.like) + 1", "bounds.most(kind.like) - 1",
    ),
    Mutant(
        "pending facts push stored ones out",
        "facts.state", "seen = (fact for fact in seen if fact[CLAIM] not in gone)",
        "seen = (fact for fact in [*islice(seen, most)] if fact[CLAIM] not in gone)",
    ),
    Mutant(
        "pending facts are not merged",
        "facts.state", "waits = entity in pending and (earliest", "waits = False and (earliest",
    ),
    Mutant(
        "pending facts are not among the latest",
        "facts.pasts", "sorted([*past.facts, *more])", "[*past.facts] or [*more]",
    ),
    Mutant(
        "a pending claim that is stored counts twice",
        "facts.pasts", "self.gone.add(claim)", "pass",
    ),
    Mutant(
        "a pending claim counts for the stored one though it came later",
        "facts.pasts", 'if first_of(kept, fact) == kept:', 'if fact == kept:',
    ),
    Mutant(
        "a pending claim that came before the stored one is a second claim",
        "facts.pasts", 'self.replaced: Sequence[StoredFact] = sorted(replaced)',
        'self.replaced: Sequence[StoredFact] = []',
    ),
    Mutant(
        "of two pending facts about a claim, the later counts",
        "facts.pasts", "told if former is None else first_of(former, told)", "told",
    ),
    Mutant(
        "outcomes of pending claims are not known",
        "facts.pasts", 'self._waiting.add(fact, findings, bounds.span)', 'pass',
    ),
    Mutant(
        "the claim itself is not found among the pending ones",
        "facts.pasts", "self._waiting.own.get(claim) or self._past", "self._past",
    ),
    Mutant(
        "what was found about a stored claim counts though a pending one counts for it",
        "facts.pasts", "self._stored.add(kept, findings, bounds.span)", "pass",
    ),
    Mutant(
        "pending facts are counted whenever they became known",
        "facts.pasts", "                changes.rises.sort()\n",
        "                changes.rises.clear()\n",
    ),
    Mutant(
        "the earliest pending facts are looked at",
        "facts.pasts", "self.facts[max(0, last - most) : last]", "self.facts[:most]",
    ),
    Mutant(
        "all names of one record count",
        "facts.writing", "if len(named) > layout.bounds.names:", "if False:",
    ),
    Mutant(
        "all names of a claim of few records count",
        "facts.entries", "counting(facts, bounds.names)", "facts",
    ),
    Mutant(
        "all names of a claim of many records count",
        "facts.apart", "if len(found) == self._layout.bounds.names:", "if False:",
    ),
    Mutant(
        "one name too few counts",
        "facts.apart", "if len(found) == self._layout.bounds.names:",
        "if len(found) == max(1, self._layout.bounds.names - 1):",
    ),
    Mutant(
        "the changes of what was found by many records all count",
        "facts.apart", "changes(self._found_from, self._layout.bounds.findings)",
        "changes(self._found_from, 1 << 30)",
    ),
    Mutant(
        "what many records found is not looked up again",
        "facts.apart", "        if self._found:", "        if not former.found:",
    ),
    Mutant(
        "names are not looked up again",
        "facts.apart", "name = now[key] if key in now else former", "name = former",
    ),
    Mutant(
        "a name stays where it was first",
        "facts.apart", "if day is not None:\n                    self._txn.delete(",
        "if False:\n                    self._txn.delete(",
    ),
    Mutant(
        "records that are put apart are not counted",
        "facts.apart", "former.records + self._records, names", "former.records, names",
    ),
    Mutant(
        "records that are forgotten are counted",
        "facts.apart", "self._records -= 1", "pass",
    ),
    Mutant(
        "a record that says something else by now says both",
        "facts.apart", "            self._remove(kind, record.source)\n",
        "            self._records -= 1\n",
    ),
    Mutant(
        "rows of a claim that has few records again stay",
        "facts.apart", "            self._txn.delete(row, db=self._db)\n        if not left",
        "            pass\n        if not left",
    ),
    Mutant(
        "a claim never has few records again",
        "facts.apart", "if left > self._layout.most_records:", "if left:",
    ),
    Mutant(
        "of many records about a day, the one with the least amount does not count",
        "facts.apart", "_sortable(-1.0 if record.amount is None else record.amount)",
        "_sortable(1.0 if record.amount is None else record.amount)",
    ),
    Mutant(
        "amounts below zero are in the other order",
        "facts.apart", "^ (_ALL if bits & _SIGN else _SIGN)", "^ _SIGN",
    ),
    Mutant(
        "of a person, outcomes are not known",
        "facts.pasts", 'if fact[FOUND]]', 'if False]',
    ),
    Mutant(
        "of several findings, none is known",
        "facts.pasts", "if fact[FOUND] & EARLIER:", "if False:",
    ),
    Mutant(
        "what was found before is not told",
        "facts.entries", "found |= EARLIER", "pass",
    ),
    Mutant(
        "days that do not fit are told all the same",
        "facts.entries", "days = [one.known_at // DAY + 1 for",
        "days = [min(_LAST_DAY - 1, one.known_at // DAY + 1) for",
    ),
    Mutant(
        "days that do not fit are told as if there were none before",
        "facts.entries", "[_LAST_DAY] * len(FOUND_ON), found | EARLIER",
        "[_LAST_DAY] * len(FOUND_ON), found",
    ),
    Mutant(
        "before it changed, the same was found",
        "facts.pasts", "fraud = not fraud", "pass",
    ),
    Mutant(
        "the first of the last changes is taken for the last",
        "facts.entries", "reversed(findings[-len(FOUND_ON) :])", "findings[-len(FOUND_ON) :]",
    ),
    Mutant(
        "of several findings, the first counts",
        "facts.entries", "FRAUD if findings[-1].fraud", "FRAUD if findings[0].fraud",
    ),
    Mutant(
        "claims stay decided when they are not seen any more",
        "facts.pasts", "if not oldest <= fact < end:", "if not fact < end:",
    ),
    Mutant(
        "outcomes never expire",
        "facts.pasts", "if day >= oldest_day:", "if day > bytes(2):",
    ),
    Mutant(
        "a finding of the same day counts",
        "facts.pasts", "if day < end_day:", "if day <= end_day:",
    ),
    Mutant(
        "whoever is decided is a fraud",
        "facts.pasts", "decided + 1, frauds + fraud", "decided + 1, frauds + 1",
    ),
    Mutant(
        "facts are not marked when something is found",
        "facts.writing", "claim, fact.policy, follow.findings)", "claim, fact.policy)",
    ),
    Mutant(
        "a claim that changes and of which something is found does not change",
        "facts.writing", "isinstance(now, Entry) and entry.claims == now.claims:",
        "isinstance(now, Entry):",
    ),
    Mutant(
        "former facts stay",
        "facts.writing",
        "self._gone += [(key, value) for key, value in gone.items() if put.get(key) != value]",
        "pass",
    ),
    Mutant(
        "day totals are not lowered when a claim goes",
        "facts.writing", "self._move(was, follow, -1)", "self._move(was, follow, 0)",
    ),
    Mutant(
        "persons have totals",
        "facts.writing", "if key[0] not in business or (same", "if (same",
    ),
    Mutant(
        "totals of a business stay when it has few claims again",
        "facts.writing", "for series in ALL if former >= many else ():", "for series in ():",
    ),
    Mutant(
        "of a business that has few claims again, totals of what was found stay",
        "facts.writing", "for series in ALL if former >= many else ():",
        "for series in (CLAIMS,) if former >= many else ():",
    ),
    Mutant(
        "totals of a business begin with the claim with which it has many",
        "facts.writing", "self._changes(key) if former >= many else self._all(cursor)",
        "self._changes(key)",
    ),
    Mutant(
        "totals of a business begin one claim too late",
        "facts.writing", "if facts < many:", "if facts <= many:",
    ),
    Mutant(
        "all claims of a business are added to its totals again",
        "facts.writing", "self._changes(key) if former >= many else self._all(cursor)",
        "self._all(cursor)",
    ),
    Mutant(
        "what was found before there were totals is not in them",
        "facts.writing", "            if fact[FOUND]:\n", "            if False:\n",
    ),
    Mutant(
        "what was found since there are totals is not in them",
        "facts.writing", "        if found is None:\n", "        if found:\n",
    ),
    Mutant(
        "what is not found any more stays in totals",
        "facts.writing", "counted[series][day] += by", "counted[series][day] += max(0, by)",
    ),
    Mutant(
        "totals of new claims are not counted",
        "facts.writing",
        "self._named[record.day] += [entity for entity in named if entity[0] in business]",
        "pass",
    ),
    Mutant(
        "a claim that is known already is taken for a new one",
        "facts.writing", "entry, overwrite=False, db", "entry, db",
    ),
    Mutant(
        "of several records of a batch about a claim, the first counts",
        "facts.writing", "if len(told) > 1 or not self._is_new", "if not self._is_new",
    ),
    Mutant(
        "entries of forgotten claims stay",
        "facts.writing", "txn.delete(claim, db=layout.claims)", "pass",
    ),
    Mutant(
        "a claim of a former day is added after later ones",
        "facts.totals", "if day > known and by:", "if by:",
    ),
    Mutant(
        "what other claims are told is told to the claim itself",
        "facts.state", "if waits or (itself and key_of(entity) in itself):", "if waits:",
    ),
    Mutant(
        "what other claims are told is told to a claim that is pending",
        "facts.state", "if waits or (itself and key_of(entity) in itself):",
        "if itself and key_of(entity) in itself:",
    ),
    Mutant(
        "totals of one business are those of another, which has none of its own",
        "facts.state", "if place[:-1] != key:", "if False:",
    ),
    Mutant(
        "what is read of an entity for a claim of one day is right for all",
        "facts.state",
        "            if past.since < edge(as_of):\n                return self._",
        "            if True:\n                return self._",
    ),
    Mutant(
        "what the claim itself is told is told to all",
        "facts.state", "                if own is not None and own.known_at < as_of:",
        "                if own is not None and own.known_at < as_of:\n"
        "                    told[entity] = self._features(kind, past, own, as_of)",
    ),
    Mutant(
        "what claims are told of persons is kept",
        "facts.state", "apart if waits or kind not in business else",
        "apart if waits else",
    ),
    Mutant(
        "what claims are told with pending facts is kept",
        "facts.state", "apart if waits or kind", "apart if kind",
    ),
    Mutant(
        "what claims of one day are told is told to those of another",
        "facts.state", "if as_of > self._as_of or", "if self._as_of < 0 or",
    ),
    Mutant(
        "what claims of one day are told is told to those of an earlier one",
        "facts.state", "        if as_of < self._as_of:\n            return earlier\n", "",
    ),
    Mutant(
        "within a batch, what claims of one day are told is told to those of another",
        "facts.state", "self._apart.setdefault(as_of, {})", "self._apart.setdefault(0, {})",
    ),
    Mutant(
        "all claims of a batch are of the day of the first one",
        "facts.state", "if as_of != self._as_of:", "if self._as_of < 0:",
    ),
    Mutant(
        "entities that one claim names look alike whenever that was",
        "facts.state", "shape = (kind, as_of - known_at(fact),", "shape = (kind, 0,",
    ),
    Mutant(
        "entities of different kinds look alike",
        "facts.state", "shape = (kind, as_of", "shape = (0, as_of",
    ),
    Mutant(
        "entities look alike with a policy and without",
        "facts.state", "as_of - known_at(fact), fact[POLICY] == NO_POLICY)",
        "as_of - known_at(fact), False)",
    ),
    Mutant(
        "entities look alike whatever was found",
        "facts.state", "if len(facts) == 1 and not facts[0][FOUND]:", "if len(facts) == 1:",
    ),
    Mutant(
        "what was told of an entity stays when facts of it are applied",
        "store", "self._told.applied(writing)", "pass",
    ),
    Mutant(
        "what was told of an entity stays when facts of another are applied only",
        "facts.state", "self._known.pop((key[0], key[1:]), None)",
        "self._known.pop((key[0], bytes(16)), None)",
    ),
    Mutant(
        "what was told outlives all that was read",
        "store", "self._told.forget()", "pass",
    ),
    Mutant(
        "what was told stays when the policy of a claim changes",
        "facts.writing", "if min(changes) < day}",
        "if any(by and then < day for then, by in changes.items())}",
    ),
    Mutant(
        "what was told stays when something of a later day is applied as well",
        "facts.writing", "if min(changes) < day}", "if max(changes) < day}",
    ),
    Mutant(
        "what was told stays when something of the day before is applied",
        "facts.writing", "        day = -(-moment // DAY)\n",
        "        day = -(-moment // DAY) - 1\n",
    ),
    Mutant(
        "a business with more claims than are looked at is counted from these",
        "facts.state", "if many and kind in layout.business:", "if False:",
    ),
    Mutant(
        "a day of which nothing is left stays",
        "facts.totals", "if by_day[day]:", "if True:",
    ),
    Mutant(
        "series of which nothing is left stay",
        "facts.totals", ".tobytes() or None", ".tobytes()",
    ),
    Mutant(
        "later totals do not rise",
        "facts.totals", "by_day[day] = by_day.get(day, 0) + sum_then - last",
        "by_day[day] = sum_then - running",
    ),
    Mutant(
        "totals of the same day count",
        "facts.totals",
        "bisect_left(rows.days, day)",
        "bisect_left(rows.days, day + 1)",
    ),
    Mutant(
        "claims stay decided",
        "facts.totals", '(DECIDED if decided > 0 else UNDECIDED)', 'DECIDED',
    ),
    Mutant(
        "claims stay frauds",
        "facts.totals", '(FRAUDS if fraud > 0 else UNFRAUDS)', 'FRAUDS',
    ),
    Mutant(
        "positions outside the transaction",
        "store", "                    for partition, offset in positions.items():",
        "                with self._env.begin(write=True) as txn:\n"
        "                    for partition, offset in positions.items():",
    ),
    Mutant(
        "positions before the transaction",
        "store", "        while True:",
        "        with self._env.begin(write=True) as txn:\n"
        "            txn.put(bytes(4), bytes(8), db=self._positions)\n        while True:",
    ),
    Mutant(
        "links through businesses",
        "facts.linking", 'if layout.kinds[key[0]].like != "person":', "if False:",
    ),
    Mutant(
        "links through placeholders",
        "facts.linking",
        "state.is_common(key, asked.claim, as_of)", "False",
    ),
    Mutant(
        "a claim is linked with itself",
        "facts.linking", "claim != asked.claim and", "",
    ),
    Mutant(
        "links to what is older than the span",
        "facts.linking", "and moment >= as_of - bounds.span", "",
    ),
    Mutant(
        "a link tells what was found later",
        "facts.linking", "finding = fraud if seen else None",
        "finding = follow.findings[-1].fraud if follow.findings else None",
    ),
    Mutant(
        "a claim that was not decided was cleared",
        "facts.linking", "fraud if seen else None", "fraud",
    ),
    Mutant(
        "too few are looked at for links",
        "facts.linking", "most + 1", "most",
    ),
    Mutant(
        "the first name decides when a linked claim came in",
        "facts.linking", "or moment > latest[claim][0]", "",
    ),
    Mutant(
        "the earliest links come first",
        "facts.linking", ", reverse=True", "",
    ),
    Mutant(
        "a link is told through another name than its own",
        "facts.linking", "latest[claim] = moment, key_of(key)",
        "latest[claim] = moment, key_of(asked.keys[0])",
    ),
]  # fmt: skip


def test_the_store_is_right() -> None:
    assert not is_wrong(store_of())


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.what)
def test_a_mutant_is_found_out(mutant: Mutant) -> None:
    assert is_wrong(store_of(mutant))
