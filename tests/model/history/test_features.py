"""The function from what was known to features: properties, and examples by hand."""

import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from model.history import facts, features, past, plan, store
from model.history.facts import DAY, ClaimFact, OutcomeFact, claim_ref
from model.history.features import ClaimHistory, EntityFeatures, names_of
from model.history.plan import Bounds, EntityKind
from model.history.store import DictStore
from tests.harness.examples import many
from tests.model.history.histories import (
    EDGES,
    LIMITS,
    NOW,
    Asked,
    Found,
    History,
    Said,
    answers,
    drawn,
    filled,
    give,
    oracle,
)

KINDS = (EntityKind(kind="phone", like="person"), EntityKind(kind="garage", like="business"))
PHONE, GARAGE = (0, b"phone"), (1, b"garage")
NEW = claim_ref("new")


class _Modules:
    """The modules themselves, in the form of `tests.model.history.mutants.modules`."""

    facts, features, past, plan, store = facts, features, past, plan, store


def moments() -> st.SearchStrategy[int]:
    """Times at, next to and between the edges of windows and horizons."""
    edges = st.sampled_from([*EDGES, *(limits.span for limits in LIMITS)])
    return st.one_of(
        st.builds(lambda edge, by: NOW - edge + by, edges, st.sampled_from([-DAY, -1, 0, 1, DAY])),
        st.integers(0, 500).map(lambda days: NOW - days * DAY),
    )


KEYS = st.sets(
    st.tuples(st.integers(0, 1), st.sampled_from([b"a", b"b"])), max_size=3
).map(lambda keys: tuple(sorted(keys)))  # fmt: skip
CLAIMS = st.sampled_from(["c1", "c2", "c3", "c4", "c5"])
POLICIES = st.sampled_from([None, b"p", b"q", b"r", b"s"])
EVENTS = st.one_of(
    st.builds(Said, CLAIMS, moments(), POLICIES, KEYS),
    st.builds(Found, CLAIMS, moments(), st.booleans()),
)
HISTORIES = st.builds(
    History,
    st.sampled_from(LIMITS),
    st.lists(EVENTS, max_size=12).map(tuple),
    st.lists(st.builds(Asked, CLAIMS, KEYS, moments()), min_size=1, max_size=4).map(tuple),
)


@given(HISTORIES)
@settings(max_examples=many(400), deadline=None)
def test_features_are_what_the_rules_say(history: History) -> None:
    assert answers(filled(_Modules, history.limits, history.events), history.asked) == oracle(
        history
    )


@given(HISTORIES, st.data())
@settings(max_examples=many(200), deadline=None)
def test_neither_order_nor_repetition_leaves_a_trace(history: History, data: Any) -> None:
    again = data.draw(st.permutations([*history.events, *history.events[:3]]))
    one = filled(_Modules, history.limits, history.events)
    other = filled(_Modules, history.limits, again)
    assert answers(one, history.asked) == answers(other, history.asked)


@given(HISTORIES)
@settings(max_examples=many(200), deadline=None)
def test_what_is_learnt_later_changes_nothing_about_earlier(history: History) -> None:
    """A store that knows the future answers as one that was given only what was known."""
    knowing = filled(_Modules, history.limits, history.events)
    for asked in history.asked:
        known = [event for event in history.events if event.known_at < asked.as_of]
        # A record of a claim that was known already says nothing new about when it was known.
        assert answers(filled(_Modules, history.limits, known), [asked]) == answers(
            knowing, [asked]
        )


@given(HISTORIES)
@settings(max_examples=many(200), deadline=None)
def test_what_has_expired_can_be_purged(history: History) -> None:
    """Facts older than the horizon are not seen, so that a store without them answers the same."""
    every = filled(_Modules, history.limits, history.events)
    first: dict[str, int] = {}
    for event in history.events:
        if isinstance(event, Said):
            first[event.claim] = min(event.known_at, first.get(event.claim, event.known_at))
    for asked in history.asked:
        oldest = asked.as_of - history.limits.span
        # What is purged is what is stored: of a claim that was sent again, the earliest record.
        young = [
            event
            for event in history.events
            if event.known_at >= oldest
            and (isinstance(event, Found) or first[event.claim] >= oldest)
        ]
        if any(
            (event.known_at >= oldest) != (first[event.claim] >= oldest)
            if isinstance(event, Said)
            # Of a finding that is repeated, the first counts.
            else event.known_at < oldest <= first.get(event.claim, 0)
            for event in history.events
        ):
            continue
        assert answers(filled(_Modules, history.limits, young), [asked]) == answers(every, [asked])


@given(HISTORIES)
@settings(max_examples=many(200), deadline=None)
def test_step_by_step_is_what_from_scratch_is(history: History) -> None:
    """A store that grows and is asked in between answers to the last bit as one made at once."""
    growing = filled(_Modules, history.limits, ())
    for number, event in enumerate(history.events, start=1):
        give(_Modules, growing, event)
        at_once = filled(_Modules, history.limits, history.events[:number])
        assert answers(growing, history.asked) == answers(at_once, history.asked)


def test_the_drawn_histories_reach_every_rule() -> None:
    """The mutants are tried on these: each feature is seen missing, zero and above."""
    seen: dict[int, set[str]] = {}
    flags = 0
    for seed in range(400):
        history = drawn(seed)
        filled_store = filled(_Modules, history.limits, history.events)
        for asked in history.asked:
            found = filled_store.history(claim_ref(asked.claim), asked.keys, asked.as_of)
            flags += bool(found.flags)
            for number, value in enumerate(found.values()):
                kind = "missing" if math.isnan(value) else "zero" if value == 0 else "above"
                seen.setdefault(number, set()).add(kind)
    assert flags > 10
    assert all(
        found >= ({"missing", "above"} if number % 8 == 4 else {"missing", "zero", "above"})
        for number, found in seen.items()
    )


def remembered(*given_facts: ClaimFact | OutcomeFact, limits: Bounds | None = None) -> DictStore:
    """A store with these facts, all of one phone."""
    found = DictStore(KINDS, limits or Bounds())
    for fact in given_facts:
        if isinstance(fact, OutcomeFact):
            found.learn(fact)
        else:
            found.remember(fact, [PHONE])
    return found


def said(claim: str, days_ago: float, policy: bytes | None = None) -> ClaimFact:
    return ClaimFact(claim=claim_ref(claim), known_at=NOW - int(days_ago * DAY), policy=policy)


def of_phone(found: ClaimHistory) -> EntityFeatures:
    return found.kinds[0]


def test_an_example_by_hand() -> None:
    found = remembered(
        said("a", 10, b"p"),
        said("b", 80, b"q"),
        said("c", 300, b"q"),
        said("d", 500),
        OutcomeFact(claim=claim_ref("b"), known_at=NOW - 20 * DAY, fraud=True),
        OutcomeFact(claim=claim_ref("c"), known_at=NOW - 200 * DAY, fraud=False),
        OutcomeFact(claim=claim_ref("d"), known_at=NOW, fraud=True),
    )
    assert of_phone(found.history(NEW, [PHONE], NOW)) == EntityFeatures(
        1.0, 2.0, 3.0, 2.0, 10.0, 2.0, 1.0, 0.5
    )
    assert of_phone(found.history(NEW, [PHONE], NOW + 1)).frauds == 2.0
    assert of_phone(found.history(claim_ref("b"), [PHONE], NOW)).frauds == 0.0


def test_an_unknown_entity_has_no_claims_and_a_missing_one_has_no_history() -> None:
    found = remembered(said("a", 10))
    unknown = of_phone(found.history(NEW, [(0, b"another")], NOW))
    assert unknown.claims_365d == unknown.frauds == unknown.policies == 0.0
    assert math.isnan(unknown.days_since)
    assert math.isnan(unknown.fraud_rate)
    missing = found.history(NEW, [], NOW)
    assert all(map(math.isnan, missing.values()))
    assert missing.flags == ()


def test_a_placeholder_has_no_features_and_a_flag() -> None:
    claims = [said(f"c{n}", 1 + n, bytes([n])) for n in range(20)]
    usual, common = remembered(*claims[:19]), remembered(*claims)
    assert of_phone(usual.history(NEW, [PHONE], NOW)).policies == 19.0
    found = common.history(NEW, [PHONE], NOW)
    assert all(map(math.isnan, found.values()))
    assert found.flags == ("common_entity:phone",)
    # It was none yet before the twentieth policy: the rule looks at the past only.
    assert common.history(NEW, [PHONE], NOW - DAY).flags == ()


def test_a_person_like_entity_of_very_many_claims_is_a_placeholder_whatever_its_policies() -> None:
    claims = [said(f"c{n}", 1 + n, b"p") for n in range(4)]
    old = said("old", 500, b"p")
    limits = Bounds(days=400, person=4)
    usual = remembered(*claims[:3], old, limits=limits)
    assert of_phone(usual.history(NEW, [PHONE], NOW)).claims_365d == 3.0
    common = remembered(*claims, limits=limits)
    assert common.history(NEW, [PHONE], NOW).flags == ("common_entity:phone",)
    # The claim itself does not count, nor what came in later.
    assert common.history(claim_ref("c2"), [PHONE], NOW).flags == ()
    assert common.history(NEW, [PHONE], NOW - DAY).flags == ()


def test_counts_are_exact_beyond_the_bound_and_policies_are_of_the_latest() -> None:
    claims = [said(f"c{n}", 1 + n / 10, bytes([n])) for n in range(200)]
    found = DictStore(KINDS, Bounds(business=8))
    for fact in claims:
        found.remember(fact, [GARAGE])
    seen = found.history(NEW, [GARAGE], NOW).kinds[1]
    assert (seen.claims_365d, seen.policies) == (200.0, 8.0)


def test_a_history_says_of_which_kinds_it_looks_at_some_claims_only() -> None:
    """Of businesses: the bound of a person-like entity makes it a placeholder."""
    found = DictStore(KINDS, Bounds(days=400, business=3))
    claims = [said(f"c{n}", 1 + n, b"p") for n in range(4)]
    for fact in (*claims[:3], said("old", 500, b"p")):
        found.remember(fact, [PHONE, GARAGE])
    assert found.history(NEW, [PHONE, GARAGE], NOW).bounded == ()
    found.remember(claims[3], [PHONE, GARAGE])
    assert found.history(NEW, [PHONE, GARAGE], NOW).bounded == (1,)
    assert found.history(NEW, [GARAGE], NOW - DAY).bounded == (), "of what was known then"


def test_names_follow_the_kinds() -> None:
    names = names_of(KINDS)
    assert names[0] == "history_phone_claims_30d"
    assert names[8] == "history_garage_claims_30d"
    assert len(names) == len(DictStore(KINDS, Bounds()).history(NEW, [], NOW).values())
