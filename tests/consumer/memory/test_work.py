"""The work and the room that a record takes do not grow with what was sent before it.

Not time, but calls are counted, and the memory that is taken meanwhile: each look at one more fact,
record or entity is a call, or it has been read.
"""

import random
import sys
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from consumer.memory import store
from consumer.memory.facts import totals
from consumer.memory.pending import Claimed, PendingClaims
from consumer.memory.view import Asked, LogFact
from model.history.facts import ClaimFact, claim_ref
from model.history.plan import Bounds
from model.history.store import EntityKey
from schemas.memory import FactKey, FactKind, Naming, RememberedClaim, RememberedFinding
from tests.consumer.memory.logs import DAY, KINDS, NOW, PRINT, opened
from tests.consumer.memory.mutants import store_of
from tests.harness.mutants import Mutant

FEW, MANY = 400, 2_400
MARGIN = 1.3
"""For searches in deeper trees."""


def calls(work: Callable[[], object]) -> int:
    """How many functions are called, those written in C included."""
    count = 0

    def profile(_: object, event: str, __: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def room(work: Callable[[], object]) -> int:
    """How many bytes are taken at most."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def name(number: int) -> bytes:
    return number.to_bytes(16, "big")


def sent(number: int, claim: str = "same", day: int = 0, names: int = 0) -> LogFact:
    """A record of a claim that names others each time."""
    named = range(number * 4, number * 4 + 4)
    if names:
        named = range(names)
    entities = tuple(Naming(KINDS[one % 2].kind, name(one)) for one in named)
    said = RememberedClaim(
        claim_id=claim,
        known_at=NOW - day * DAY,
        key=PRINT,
        entities=entities,
        policy=name(number),
    )
    return LogFact(FactKey(FactKind.CLAIM, claim, "claims", 0, number), said)


def found(number: int, days: int = 4_000) -> LogFact:
    """A finding about the same claim, on one of so many days."""
    said = RememberedFinding(
        claim_id="same", known_at=NOW - number % days * DAY, fraud=bool(number % 2)
    )
    return LogFact(FactKey(FactKind.FINDING, "same", "outcomes", 0, number), said)


def other_names(count: int) -> list[LogFact]:
    return [sent(number, day=number % 300) for number in range(count)]


def dated_back(count: int) -> list[LogFact]:
    return [sent(number, day=number) for number in range(count)]


def the_same_names(count: int) -> list[LogFact]:
    return [sent(number, day=number % 300, names=4) for number in range(count)]


def findings(count: int) -> list[LogFact]:
    return [sent(0, names=4), *map(found, range(count))]


def one_entity(count: int) -> list[LogFact]:
    return [sent(number, f"c{number}", number % 300, names=2) for number in range(count)]


SENT = (other_names, dated_back, the_same_names, findings, one_entity)


def grows(folder: Path, make: Callable[[int], Sequence[LogFact]], of: Any = store) -> bool:
    """Whether a record, or a question after it, takes more work or room after more of its kind."""
    taken = []
    for count in (FEW, MANY):
        view = opened(folder / f"{make.__name__}{count}", Bounds(), of)
        facts = make(count + 20)
        view.apply(facts[:count], {})
        asked = [
            Asked(claim_ref("same"), tuple((n % 2, name(n)) for n in range(8)), NOW + day * DAY)
            for day in range(2)
        ]

        def apply(view: Any = view, more: Sequence[LogFact] = facts[count:]) -> None:
            for one in more:
                view.apply([one], {})

        def recall(view: Any = view, asked: Any = asked) -> None:
            view.histories(asked, {})

        largest = max(len(row) for table, _, row in view.rows() if table == "claims")
        taken.append((calls(apply), calls(recall), room(recall), largest))
        view.close()
    return any(many > MARGIN * few for few, many in zip(*taken, strict=True))


@pytest.mark.parametrize("make", SENT, ids=lambda make: make.__name__)
def test_a_record_costs_what_it_adds(tmp_path: Path, make: Any) -> None:
    assert not grows(tmp_path, make)


APART = Mutant("all is kept in the entry", "facts.layout", "self.bounds.findings", "1 << 30")
COUNT = Mutant(
    "all names count", "facts.apart", "if len(found) == self._layout.bounds.names:", "if False:"
)
MUTANTS = (
    (other_names, APART),
    (findings, APART),
    (other_names, COUNT),
    (dated_back, COUNT),
    (
        other_names,
        Mutant(
            "all names are looked at", "facts.apart", "                break\n",
            "                continue\n",
        ),
    ),
    (
        findings,
        Mutant(
            "all findings count", "facts.apart",
            "changes(self._found_from, self._layout.bounds.findings)",
            "changes(self._found_from, 1 << 30)",
        ),
    ),
    (
        one_entity,
        Mutant(
            "all facts are read", "store", "bounds.most(kind.like) + 1", "1 << 30",
        ),
    ),
)  # fmt: skip


@pytest.mark.parametrize(
    ("make", "mutant"), MUTANTS, ids=[f"{make.__name__}: {one.what}" for make, one in MUTANTS]
)
def test_a_mutant_is_found_out(tmp_path: Path, make: Any, mutant: Mutant) -> None:
    assert grows(tmp_path, make, store_of(mutant))


def test_of_days_each_is_one_look(tmp_path: Path) -> None:
    """Claims of one name, each of another day, most of them pending."""
    assert not grows_with_days(tmp_path)


@pytest.mark.parametrize(
    "mutant",
    [
        Mutant(
            "pending facts are looked at for each day", "facts.state",
            "        if merged is not None and merged.since < end:\n            return merged\n"
            "        waiting = self._waiting.get(entity)\n",
            "        waiting = None\n",
        ),
        Mutant(
            "the first pending fact is looked for for each day", "facts.state",
            "earliest = self._earliest[entity] = start", "earliest = start",
        ),
    ],
    ids=lambda mutant: mutant.what,
)  # fmt: skip
def test_a_mutant_that_looks_again_is_found_out(tmp_path: Path, mutant: Mutant) -> None:
    assert grows_with_days(tmp_path, store_of(mutant))


def few_have_totals(folder: Path, of: Any = store) -> bool:
    """Whether businesses have totals if, and only if, they have more claims than are looked at."""
    bounds, found = Bounds(business=5), []
    view = opened(folder, bounds, of)
    for number in range(bounds.business + 1):
        view.apply([sent(number, f"c{number}", names=2)], {})
        found.append(any(table == "totals" for table, _, _ in view.rows()))
    view.apply([LogFact(sent(0, "c0").key, None)], {})
    found.append(any(table == "totals" for table, _, _ in view.rows()))
    view.close()
    return found == [*[False] * bounds.business, True, False]


def test_few_businesses_have_totals(tmp_path: Path) -> None:
    assert few_have_totals(tmp_path)


def test_a_mutant_with_totals_of_all_is_found_out(tmp_path: Path) -> None:
    mutant = Mutant("all have totals", "facts.writing", "if facts < many:", "if not facts:")
    assert not few_have_totals(tmp_path, store_of(mutant))


def findings_are_looked_up(folder: Path, of: Any = store) -> bool:
    """Whether a person costs more whose claims were found to be something else again and again."""
    taken = []
    for each in (1, 9):
        view = opened(folder / str(each), Bounds(), of)
        facts = [sent(number, f"c{number}", 40, names=1) for number in range(200)]
        view.apply(
            [fact._replace(fact=replace(fact.fact, policy=None)) for fact in facts if fact.fact], {}
        )
        for number in range(200):
            claim = f"c{number}"
            view.apply(
                [
                    LogFact(
                        FactKey(FactKind.FINDING, claim, "o", 0, 9 * number + n),
                        RememberedFinding(
                            claim_id=claim, known_at=NOW - n * DAY, fraud=bool(n % 2)
                        ),
                    )
                    for n in range(each)
                ],
                {},
            )
        # As of the day on which the last was found, as well: it is not seen then.
        asked = [Asked(claim_ref("asks"), ((0, name(0)),), NOW + day * DAY) for day in range(2)]
        taken.append(calls(lambda view=view, asked=asked: view.histories(asked, {})))  # type: ignore[misc]
        assert [one.kinds[0].decided for one in view.histories(asked, {})] == [
            200.0 * (each > 1), 200.0,
        ]  # fmt: skip
        view.close()
    return taken[1] > MARGIN * taken[0]


def test_what_was_found_is_not_looked_up_claim_by_claim(tmp_path: Path) -> None:
    assert not findings_are_looked_up(tmp_path)


@pytest.mark.parametrize(
    "mutant",
    [
        Mutant(
            "the entry says what was found", "facts.pasts",
            "for place in FOUND_ON:", "for place in () if fact[FOUND] & EARLIER else FOUND_ON:",
        ),
        Mutant(
            "only the last finding is told", "facts.entries",
            "found |= EARLIER", "days, found = [days[0], _LAST_DAY, _LAST_DAY], found | EARLIER",
        ),
    ],
    ids=lambda mutant: mutant.what,
)  # fmt: skip
def test_a_mutant_that_looks_findings_up_is_found_out(tmp_path: Path, mutant: Mutant) -> None:
    assert findings_are_looked_up(tmp_path, store_of(mutant))


def reads_for_links(folder: Path, of: Any = store) -> bool:
    """Whether links cost more where much was found about claims that become no link."""
    taken = []
    for each in (0, 2):
        view = opened(folder / str(each), Bounds(), of)
        for number in range(200):
            claim = f"c{number}"
            first, *more = (sent(number * 20 + n, claim, 40, 2 if n == 0 else 0) for n in range(12))
            assert isinstance(first.fact, RememberedClaim)
            view.apply([first._replace(fact=replace(first.fact, policy=None)), *more], {})
            said = [
                RememberedFinding(claim_id=claim, known_at=NOW - n * DAY, fraud=bool(n % 2))
                for n in range(each)
            ]
            keys = [FactKey(FactKind.FINDING, claim, "o", 0, 2 * number + n) for n in range(each)]
            view.apply(list(map(LogFact, keys, said)), {})
        asked = Asked(claim_ref("asks"), ((0, name(0)), (0, name(1))), NOW + DAY)
        taken.append(calls(lambda view=view, asked=asked: view.links([asked], 3)))  # type: ignore[misc]
        assert len(view.links([asked], 3)[0]) == 3
        view.close()
    return taken[1] > MARGIN * taken[0]


def test_links_cost_what_they_show(tmp_path: Path) -> None:
    assert not reads_for_links(tmp_path)


@pytest.mark.parametrize(
    "mutant",
    [
        Mutant(
            "what was found is looked up", "facts.linking",
            "state.is_common(key, asked.claim, as_of)",
            "[state.follows(one[CLAIM]) for one in state.latest(key_of(key), as_of, 300)"
            " if one[36]] is None",
        ),
    ],
    ids=lambda mutant: mutant.what,
)  # fmt: skip
def test_a_mutant_that_reads_more_is_found_out(tmp_path: Path, mutant: Mutant) -> None:
    assert reads_for_links(tmp_path, store_of(mutant))


class Taken(Mapping[bytes, ClaimFact]):
    """Pending facts of an entity; counts how often one is taken."""

    def __init__(self, facts: Mapping[bytes, ClaimFact]) -> None:
        self._facts = facts
        self.taken = 0

    def __getitem__(self, key: bytes) -> ClaimFact:
        self.taken += 1
        return self._facts[key]

    def __iter__(self) -> Any:
        return iter(self._facts)

    def __len__(self) -> int:
        return len(self._facts)


def grows_with_days(folder: Path, of: Any = store) -> bool:
    """Whether a pending fact is taken more often, the more days are asked for."""
    entities: list[EntityKey] = [(0, name(1)), (1, name(2))]
    taken = []
    for days in (10, 100):
        facts = {
            str(n).encode(): ClaimFact(claim=claim_ref(f"c{n}"), known_at=NOW - n * DAY)
            for n in range(days)
        }
        pending = {entity: Taken(facts) for entity in entities}
        view = opened(folder / str(days), Bounds(), of)
        view.histories(
            [Asked(one.claim, entities, one.known_at) for one in facts.values()], pending
        )
        view.close()
        taken.append(max(one.taken for one in pending.values()) / days)
    return taken[1] > taken[0]


class Compared(ClaimFact, frozen=True, kw_only=True):
    """A fact that counts how often it is compared."""

    counts: list[int]

    def __eq__(self, other: object) -> bool:
        self.counts.append(1)
        return super().__eq__(other)

    def __hash__(self) -> int:
        return hash(self.claim)


def test_what_comes_back_in_another_order_is_not_searched_for() -> None:
    counts: list[int] = []
    pending = PendingClaims()
    pending.add(
        [
            Claimed(
                str(n).encode(),
                Compared(claim=claim_ref(f"c{n}"), known_at=n, counts=counts),
                ((0, name(1)),),
            )
            for n in range(FEW)
        ]
    )
    pending.returned([str(n).encode() for n in reversed(range(FEW))])
    assert not len(pending)
    assert not counts


@pytest.mark.parametrize("seed", range(40))
def test_many_rows_are_changed_as_few_are(seed: int) -> None:
    """Of the totals by day: whichever way, the bytes are the same."""
    rng = random.Random(seed)
    several = [
        {rng.randrange(60): rng.choice((-2, -1, 1, 3)) for _ in range(rng.randrange(1, 30))}
        for _ in range(20)
    ]

    def summed(many: int) -> list[bytes | None]:
        series, every = None, []
        for changes in several:
            series = totals.added(series, changes, many)
            every.append(series)
        return every

    assert summed(0) == summed(1 << 30)
