"""The harness finds what is broken at rest in addition to outcomes, and only that."""

from collections.abc import Callable

import pytest

from tests.broker.read import Record
from tests.chaos.check import Observation, check
from tests.harness.test_outcomes import alert, sound


def at_rest() -> Observation:
    outputs = sound()
    return Observation(
        outputs=outputs,
        seen_live=[*outputs.alerts, *outputs.dead_letters],
        live_topics=["alerts", "dead"],
        committed={0: 5},
        next_offsets={0: 5},
        open_transactions=[],
        unstable=[],
    )


def live(*rows: Record) -> Observation:
    return at_rest()._replace(seen_live=rows)


BROKEN: dict[str, tuple[Callable[[], Observation], str]] = {
    "vanished": (
        lambda: live(*at_rest().seen_live, alert(3, 9)),
        "a live reader saw something else",
    ),
    "never shown": (lambda: live(*sound().alerts), "a live reader saw something else"),
    "changed": (
        lambda: live(*sound().alerts[:2], alert(3, 3, score=0.5), *sound().dead_letters),
        "a live reader saw something else",
    ),
    "offset behind": (
        lambda: at_rest()._replace(committed={0: 4}),
        "committed offsets are not at the end",
    ),
    "no offset": (
        lambda: at_rest()._replace(committed={}),
        "committed offsets are not at the end",
    ),
    "open transaction": (
        lambda: at_rest()._replace(open_transactions=["t"]),
        "a transaction is open",
    ),
    "unstable": (
        lambda: at_rest()._replace(unstable=[("alerts", 0)]),
        "readers are held back",
    ),
    "outcome": (
        lambda: at_rest()._replace(outputs=sound()._replace(expected={})),
        "an outcome belongs to no source record",
    ),
}


def test_a_sound_run_breaks_nothing() -> None:
    assert check(at_rest()) == []


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_promise_is_reported(name: str) -> None:
    made, promise = BROKEN[name]
    assert [violation.promise for violation in check(made())] == [promise]


def test_a_topic_that_went_away_is_not_compared_live() -> None:
    seen = live(*sound().alerts)._replace(live_topics=["alerts"])
    assert check(seen) == []
