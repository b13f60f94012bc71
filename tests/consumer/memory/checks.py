"""What has to hold of a store after any log; each says whether it does, of the code or a mutant."""

import random
from collections.abc import Iterator
from typing import Any

import msgspec

from consumer.memory import store
from consumer.memory.view import Asked, LogFact
from model.history.facts import ClaimFact, claim_ref
from model.history.plan import Bounds
from model.history.store import EntityKey
from schemas.memory import FactKey, FactKind, Naming, RememberedClaim, RememberedFinding
from tests.consumer.memory.logs import (
    DAY,
    NOW,
    PRINT,
    Log,
    answers,
    claim_fact,
    cut,
    drawn,
    dumped,
    entities,
    expected,
    fed,
    final,
    folders,
    hashed,
    linked,
    opened,
)

MOST = 2
"""Links of a kind."""
FOLLOW = (b"facts", b"totals", b"days")
"""Tables of what follows from the records."""


def answers_as_the_one_in_memory(rng: random.Random, of: Any = store) -> bool:
    """After each batch, and opened again or not: the features of the facts so far."""
    log, right = drawn(rng), True
    with folders(1) as (folder,):
        view, read = opened(folder, log.bounds, of), 0
        for batch in cut(rng, log.facts):
            if rng.random() < 0.3:
                view.close()
                view = opened(folder, log.bounds, of)
            right = right and view.positions() == ({7: read} if read else {})
            read += len(batch)
            view.apply(batch, {7: read})
            found = answers(view.histories(log.asked, {}))
            right = right and found == expected(log, log.facts[:read])
        view.close()
    return right


def has_the_same_bytes_in_any_order(rng: random.Random, of: Any = store) -> bool:
    """Given in batches or at once, in another order, and partly twice."""
    log = drawn(rng)
    with folders(2) as (one, other):
        view = opened(one, log.bounds, of)
        for batch in cut(rng, log.facts):
            view.apply(batch, {0: 1})
            if rng.random() < 0.3:
                view.apply(batch, {0: 1})
        view.apply([], {0: len(log.again)})
        view.close()
        fed(other, log, log.again, of)
        return dumped(one, of) == dumped(other, of)


def holds_nothing_that_was_forgotten(rng: random.Random, of: Any = store) -> bool:
    """A store that was told to forget is one that was never told."""
    log = drawn(rng)
    left = [LogFact(key, fact) for key, fact in final(log.facts).items()]
    with folders(2) as (one, other):
        fed(one, log, log.facts, of)
        fed(other, log, left, of)
        found, right = dumped(one, of), dumped(other, of)
    return {**found, b"positions": []} == {**right, b"positions": []}


def forgets_in_steps(rng: random.Random, of: Any = store) -> bool:
    """What is forgotten one after the other, in a store that has had it for long."""
    log = drawn(rng)
    known = [LogFact(key, fact) for key, fact in final(log.facts).items()]
    gone = [LogFact(key, None) for key, _ in known if rng.random() < 0.7]
    keys = {key for key, _ in gone}
    with folders(2) as (one, other):
        view = opened(one, log.bounds, of)
        for batch in cut(rng, [*known, *gone]):
            view.apply(batch, {})
        view.close()
        view = opened(other, log.bounds, of)
        view.apply([told for told in known if told.key not in keys], {})
        view.close()
        return dumped(one, of) == dumped(other, of)


def counts_alike_of_few_records_and_of_many(rng: random.Random, of: Any = store) -> bool:
    """Whether records of a claim stand in its entry or apart, of one day the same counts."""
    log = drawn(rng)
    claims = [
        LogFact(
            key._replace(claim_id="c0", offset=number),
            msgspec.structs.replace(fact, claim_id="c0", known_at=NOW - DAY, policy=hashed(1)),
        )
        for number, (key, fact) in enumerate(log.facts)
        if isinstance(fact, RememberedClaim)
    ]
    asked = [Asked(claim_ref("new"), ((0, hashed(n)), (1, hashed(n))), NOW) for n in range(2)]
    found = []
    for findings in (1, 64):
        with folders(1) as (folder,):
            view = opened(folder, Bounds(findings=findings), of)
            for batch in cut(rng, claims):
                view.apply(batch, {})
            linked = view.links(asked, MOST)
            view.close()
            rows = dumped(folder, of)
            found.append((linked, [rows[name] for name in FOLLOW if name in rows]))
    return found[0] == found[1]


def answers_with_pending_as_with_applied(rng: random.Random, of: Any = store) -> bool:
    """Claims that are pending count as if they were in the store, whether they are or not."""
    log = drawn(rng)
    # Whether a pending name is one too many is known once it has come back.
    log = log._replace(bounds=msgspec.structs.replace(log.bounds, names=64))
    facts = [*log.facts, *_sent_again(rng, log)]
    pending: dict[EntityKey, dict[bytes, ClaimFact]] = {}
    stored = []
    for key, fact in final(facts).items():
        waits = isinstance(fact, RememberedClaim) and (key.topic == "again" or rng.random() < 0.5)
        if waits and isinstance(fact, RememberedClaim):
            for entity in entities(fact):
                pending.setdefault(entity, {})[repr(key).encode()] = claim_fact(fact)
        if not waits or rng.random() < 0.3:
            stored.append(LogFact(key, fact))
    with folders(1) as (folder,):
        view = opened(folder, log.bounds, of)
        view.apply(stored, {})
        # With them, and then without: what was told with them is not told for long.
        found = answers(view.histories(log.asked, pending))
        without = answers(view.histories(log.asked, {}))
        view.close()
    return found == expected(log, facts) and without == expected(log, stored)


def _sent_again(rng: random.Random, log: Log) -> Iterator[LogFact]:
    """Claims that were sent earlier as well, as a queue may hold them back."""
    share = rng.choice((0, 0, 0.3, 0.8))
    for key, fact in log.facts:
        if isinstance(fact, RememberedClaim) and rng.random() < share:
            earlier = fact.known_at - rng.randrange(1, 60) * DAY
            yield LogFact(
                key._replace(topic="again"), msgspec.structs.replace(fact, known_at=earlier)
            )


def links_as_the_rules_say(rng: random.Random, of: Any = store) -> bool:
    """Earlier claims of the same persons."""
    log = drawn(rng)
    with folders(1) as (folder,):
        view = opened(folder, log.bounds, of)
        view.apply(log.facts, {})
        found = view.links(log.asked, MOST)
        view.close()
    right: list[Any] = [linked(log, one, MOST) for one in log.asked]
    return bool(found == right)


class AbortedError(Exception):
    """Ends a transaction."""


class Failing(dict[int, int]):
    """Positions that cannot be read: the transaction has the facts by then."""

    def items(self) -> Any:
        """Fail."""
        raise AbortedError


def takes_all_or_nothing(rng: random.Random, of: Any = store) -> bool:
    """What fails before its end leaves no trace."""
    log = drawn(rng)
    half = len(log.facts) // 2
    with folders(2) as (one, other):
        view = opened(one, log.bounds, of)
        view.apply(log.facts[:half], {0: half})
        try:
            view.apply(log.facts[half:], Failing())
        except AbortedError:
            view.close()
        fed(other, log, log.facts[:half], of)
        return dumped(one, of) == dumped(other, of)


def asks_of_the_same_day(rng: random.Random, of: Any = store) -> bool:
    """Claims that are asked for together, some twice and on several days, answer as each alone."""
    log = drawn(rng)
    asked = [
        Asked(one.claim, one.keys, one.as_of - days * DAY) for one in log.asked for days in (0, 1)
    ]
    with folders(1) as (folder,):
        view = opened(folder, log.bounds, of)
        view.apply(log.facts, {})
        together = answers(view.histories(asked, {}))
        alone = [answers(view.histories([one], {}))[0] for one in asked]
        view.close()
    return together == alone


def answers_on_a_day_as_more_is_known(rng: random.Random, of: Any = store) -> bool:
    """Asked as of one moment after each record: what was told before does not stay."""
    log, right = drawn(rng), True
    moment = rng.choice((NOW, NOW + DAY))
    asked = tuple(one._replace(as_of=moment) for one in log.asked)
    with folders(1) as (folder,):
        view = opened(folder, log.bounds, of)
        for read, told in enumerate(log.facts, 1):
            view.apply([told], {})
            found = answers(view.histories(asked, {}))
            right = right and found == expected(log._replace(asked=asked), log.facts[:read])
        view.close()
    return right


def tells_of_one_more_finding(rng: random.Random, of: Any = store) -> bool:
    """Of a business that was asked about when several were known."""
    claim = RememberedClaim(
        claim_id="c", known_at=NOW - 9 * DAY, key=PRINT, entities=(Naming("garage", hashed(1)),)
    )
    facts = [LogFact(FactKey(FactKind.CLAIM, "c", "claims", 0, 0), claim)]
    first = rng.random() < 0.5
    for days in range(3):
        said = RememberedFinding(
            claim_id="c", known_at=NOW - (8 - days) * DAY, fraud=first == bool(days % 2)
        )
        facts.append(LogFact(FactKey(FactKind.FINDING, "c", "outcomes", 0, days), said))
    log = Log(Bounds(), tuple(facts), (), (Asked(claim_ref("new"), ((1, hashed(1)),), NOW),))
    with folders(1) as (folder,):
        view = opened(folder, log.bounds, of)
        view.apply(facts[:3], {})
        before = answers(view.histories(log.asked, {}))
        view.apply(facts[3:], {})
        after = answers(view.histories(log.asked, {}))
        view.close()
    return (before, after) == (expected(log, facts[:3]), expected(log, facts))


def tells_what_was_found_whenever_that_was(rng: random.Random, of: Any = store) -> bool:
    """Of claims whose findings change again and again, asked as of each of these days."""
    late = rng.choice((0, 0, 0, 45_520, 46_000)) * DAY  # to and past the days that fit in 16 bits
    first, facts = NOW + late, list[LogFact]()
    for number in range(3):
        said = RememberedClaim(
            claim_id=f"c{number}",
            known_at=first - rng.choice((0, 1, 9, 20)) * DAY,
            key=PRINT,
            entities=(Naming("phone", hashed(1)), Naming("garage", hashed(1))),
        )
        facts.append(LogFact(FactKey(FactKind.CLAIM, said.claim_id, "claims", 0, number), said))
        for offset in range(rng.randrange(9)):
            found = RememberedFinding(
                claim_id=said.claim_id,
                known_at=first + rng.randrange(-4, 12) * DAY,
                fraud=rng.random() < 0.5,
            )
            key = FactKey(FactKind.FINDING, said.claim_id, "outcomes", number, offset)
            facts.append(LogFact(key, found))
    keys = ((0, hashed(1)), (1, hashed(1)))
    days = (*range(-3, 14), 55, 65, 398, 402, 411)
    asked = tuple(Asked(claim_ref("new"), keys, first + day * DAY) for day in days)
    bounds = rng.choice((Bounds(), Bounds(days=60), Bounds(days=400)))
    log = Log(bounds, tuple(facts), (), asked)
    with folders(1) as (folder,):
        view = opened(folder, log.bounds, of)
        for batch in cut(rng, log.facts):
            view.apply(batch, {})
        told = answers(view.histories(log.asked, {}))
        view.close()
    return told == expected(log, facts)


def knows_nothing_when_emptied(rng: random.Random, of: Any = store) -> bool:
    """Whatever it was given and asked."""
    log = drawn(rng)
    with folders(1) as (folder,):
        view = opened(folder, log.bounds, of)
        view.apply(log.facts, {0: 1})
        view.histories(log.asked, {})
        view.empty()
        found = answers(view.histories(log.asked, {}))
        view.close()
    return found == expected(log, [])


CHECKS = (
    answers_as_the_one_in_memory,
    has_the_same_bytes_in_any_order,
    holds_nothing_that_was_forgotten,
    forgets_in_steps,
    counts_alike_of_few_records_and_of_many,
    answers_with_pending_as_with_applied,
    links_as_the_rules_say,
    takes_all_or_nothing,
    asks_of_the_same_day,
    answers_on_a_day_as_more_is_known,
    tells_of_one_more_finding,
    tells_what_was_found_whenever_that_was,
    knows_nothing_when_emptied,
)
