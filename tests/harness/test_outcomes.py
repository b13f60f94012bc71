"""The checker of outcomes finds each kind of broken promise, and only that one."""

import datetime as dt
import hashlib
from collections.abc import Callable

import msgspec
import pytest

from schemas.alert import FraudAlert, Source
from schemas.dead_letter import DeadLetter, Form, Reason
from tests.broker.read import Header, Record
from tests.harness.outcomes import Expected, Outputs, Score, check

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
MODEL = "a" * 64
OWN: tuple[Header, ...] = (("trace", b"1"),)


def alert(offset: int, at: int, *, key: bytes = b"k", score: float = 0.25, model: str = MODEL,
          claim_id: str | None = None, source: bool = True,
          fraudulent: bool = False, partition: int = 0) -> Record:  # fmt: skip
    value = FraudAlert(
        alert_id=f"claims-0-{offset}",
        claim_id=claim_id or f"claim-{offset}",
        fraud_probability=score,
        fraudulent=fraudulent,
        threshold=0.5,
        model="m",
        model_version="1",
        model_sha256=model,
        source=Source("claims", 0, offset) if source else None,
        scored_at=NOW,
    )
    return Record("alerts", partition, at, key, msgspec.json.encode(value), (), 0)


def dead(offset: int, at: int, value: bytes | None = b"bad", of: bytes | None = None,
         reason: Reason = Reason.NOT_JSON, own: tuple[Header, ...] = OWN) -> Record:  # fmt: skip
    """A dead letter; one that is cut says that it is of `of`."""
    letter = DeadLetter(
        reason=reason,
        message="no",
        path="$",
        topic="claims",
        partition=0,
        offset=offset,
        failed_at=NOW,
        value=Form.CUT if of else Form.ORIGINAL,
        sha256=hashlib.sha256(of).hexdigest() if of else "",
        length=len(of) if of else 0,
    )
    headers = tuple((n, str(v).encode()) for n, v in letter.headers())
    return Record("dead", 0, at, b"k", value, (*own, *headers), 0)


def sound() -> Outputs:
    """Claims at offsets 0, 1 and 3, a bad record at 4; a transaction marker at 2."""
    score = {MODEL: Score(0.25, 0.5)}
    good = {
        ("claims", 0, i): Expected(b"k", b"c%d" % i, (), f"claim-{i}", score) for i in (0, 1, 3)
    }
    bad = Expected(b"k", b"bad", OWN, reason=Reason.NOT_JSON)
    return Outputs(
        expected={**good, ("claims", 0, 4): bad},
        alerts=[alert(0, 0), alert(1, 1), alert(3, 3)],
        dead_letters=[dead(4, 0)],
    )


def with_alerts(*alerts: Record) -> Outputs:
    return sound()._replace(alerts=alerts)


def with_dead(*letters: Record) -> Outputs:
    return sound()._replace(dead_letters=letters)


def small_topic(letter: Record) -> Outputs:
    return with_dead(letter)._replace(may_be_cut=True)


def test_a_sound_run_breaks_nothing() -> None:
    assert check(sound()) == []


def test_a_dead_letter_may_be_cut_to_fit_a_small_topic() -> None:
    assert check(small_topic(dead(4, 0, of=b"bad"))) == []


def test_any_reason_will_do_where_none_is_expected() -> None:
    seen = with_dead(dead(4, 0, reason=Reason.INVALID))
    wanted = seen.expected["claims", 0, 4]._replace(reason=None)
    assert check(seen._replace(expected={**seen.expected, ("claims", 0, 4): wanted})) == []


def test_either_of_two_models_may_have_scored_a_claim() -> None:
    other = {"b": Score(0.75, 0.5)}
    expected = {
        place: wanted._replace(scores={**wanted.scores, **other})
        for place, wanted in sound().expected.items()
    }
    second = alert(1, 1, model="b", score=0.75, fraudulent=True)
    assert check(with_alerts(alert(0, 0), second, alert(3, 3))._replace(expected=expected)) == []


def test_keys_and_partitions_are_in_order_by_themselves() -> None:
    """One key may be written before another one, and one topic before another one."""
    other = sound().expected["claims", 0, 0]._replace(key=b"other")
    seen = with_alerts(alert(1, 0), alert(0, 1, key=b"other"), alert(3, 3))
    assert check(seen._replace(expected={**seen.expected, ("claims", 0, 0): other})) == []


BROKEN: dict[str, tuple[Callable[[], Outputs], list[str]]] = {
    "alert twice": (
        lambda: with_alerts(alert(0, 0), alert(1, 1), alert(1, 2), alert(3, 3)),
        ["a source record has more than one outcome"],
    ),
    "alert and dead letter": (
        lambda: with_dead(dead(3, 0), dead(4, 1)),
        ["a source record has more than one outcome", "a dead letter is not its record"],
    ),
    "alert missing": (
        lambda: with_alerts(alert(0, 0), alert(3, 3)),
        ["a source record has no outcome"],
    ),
    "dead letter missing": (with_dead, ["a source record has no outcome"]),
    "aborted source scored": (
        lambda: with_alerts(alert(0, 0), alert(1, 1), alert(2, 2), alert(3, 3)),
        ["an outcome belongs to no source record"],
    ),
    "no source": (
        lambda: with_alerts(alert(0, 0), alert(1, 1), alert(3, 3), alert(3, 4, source=False)),
        ["an outcome names no source record"],
    ),
    "not JSON": (
        lambda: with_alerts(
            alert(0, 0), alert(1, 1), alert(3, 3), Record("alerts", 0, 4, b"k", b"?", (), 0)
        ),
        ["an outcome names no source record"],
    ),
    "not a dead letter": (
        lambda: with_dead(dead(4, 0), Record("dead", 0, 1, b"k", b"bad", (), 0)),
        ["an outcome names no source record"],
    ),
    "score": (
        lambda: with_alerts(alert(0, 0), alert(1, 1, score=0.26), alert(3, 3)),
        ["a claim has an alert that is not its own"],
    ),
    "model": (
        lambda: with_alerts(alert(0, 0), alert(1, 1, model="b"), alert(3, 3)),
        ["a claim has an alert that is not its own"],
    ),
    "claim": (
        lambda: with_alerts(alert(0, 0), alert(1, 1, claim_id="claim-3"), alert(3, 3)),
        ["a claim has an alert that is not its own"],
    ),
    "key": (
        lambda: with_alerts(alert(0, 0), alert(1, 1, key=b"other"), alert(3, 3)),
        ["a claim has an alert that is not its own"],
    ),
    "key written to two partitions": (
        lambda: with_alerts(alert(0, 0, partition=1), alert(1, 0), alert(3, 1)),
        ["the order of a key is broken"],
    ),
    "verdict": (
        lambda: with_alerts(alert(0, 0), alert(1, 1, fraudulent=True), alert(3, 3)),
        ["a claim has an alert that is not its own"],
    ),
    "reason": (
        lambda: with_dead(dead(4, 0, reason=Reason.INVALID)),
        ["a dead letter is not its record"],
    ),
    "dead letter's own headers": (
        lambda: with_dead(dead(4, 0, own=(("trace", b"2"),))),
        ["a dead letter is not its record"],
    ),
    "dead letter's key": (
        lambda: with_dead(dead(4, 0)._replace(key=b"other")),
        ["a dead letter is not its record"],
    ),
    "alert of what is not a claim": (
        lambda: sound()._replace(alerts=[*sound().alerts, alert(4, 4)], dead_letters=()),
        ["a claim has an alert that is not its own"],
    ),
    "cut although it fits": (
        lambda: with_dead(dead(4, 0, of=b"bad")),
        ["a dead letter is not its record"],
    ),
    "bytes of one that is cut": (
        lambda: small_topic(dead(4, 0, b"ba", of=b"bad")),
        ["a dead letter is not its record"],
    ),
    "digest of one that is cut": (
        lambda: small_topic(dead(4, 0, of=b"worse")),
        ["a dead letter is not its record"],
    ),
    "dead letter's bytes": (
        lambda: with_dead(dead(4, 0, b"x")),
        ["a dead letter is not its record"],
    ),
    "order": (
        lambda: with_alerts(alert(1, 0), alert(0, 1), alert(3, 3)),
        ["the order of a key is broken"],
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_promise_is_reported(name: str) -> None:
    made, promises = BROKEN[name]
    assert [violation.promise for violation in check(made())] == promises


def test_repeats_are_accepted_at_least_once() -> None:
    again = with_alerts(alert(0, 0), alert(1, 1), alert(0, 2), alert(1, 3), alert(3, 4))
    assert check(again._replace(repeats=True)) == []


ONCE_ONLY = {"a source record has more than one outcome", "the order of a key is broken"}


@pytest.mark.parametrize("name", BROKEN)
def test_at_least_once_keeps_every_other_promise(name: str) -> None:
    made, promises = BROKEN[name]
    found = [violation.promise for violation in check(made()._replace(repeats=True))]
    assert found == [promise for promise in promises if promise not in ONCE_ONLY]


def test_a_violation_has_a_few_examples() -> None:
    (lost,) = check(sound()._replace(alerts=()))
    assert (lost.times, len(lost.examples)) == (3, 3)
    assert str(lost).startswith("a source record has no outcome: 3 (('claims', 0, 0); ")
