"""The checker finds each kind of broken promise, and only that one."""

import datetime as dt
import hashlib
from collections.abc import Callable

import msgspec
import pytest

from schemas.alert import FraudAlert, Source
from schemas.dead_letter import DeadLetter, Form, Reason
from tests.broker.read import Record
from tests.chaos.check import Expected, Observation, check

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
MODEL = "a" * 64


def alert(offset: int, at: int, *, key: bytes = b"k", score: float = 0.25, model: str = MODEL,
          claim_id: str | None = None, source: bool = True) -> Record:  # fmt: skip
    value = FraudAlert(
        alert_id=f"claims-0-{offset}",
        claim_id=claim_id or f"claim-{offset}",
        fraud_probability=score,
        fraudulent=False,
        threshold=0.5,
        model="m",
        model_version="1",
        model_sha256=model,
        source=Source("claims", 0, offset) if source else None,
        scored_at=NOW,
    )
    return Record("alerts", 0, at, key, msgspec.json.encode(value), (), 0)


def dead(offset: int, at: int, value: bytes | None = b"bad", of: bytes | None = None) -> Record:
    """A dead letter; one that is cut says that it is of `of`."""
    letter = DeadLetter(
        reason=Reason.NOT_JSON,
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
    return Record("dead", 0, at, b"k", value, headers, 0)


def sound() -> Observation:
    """Claims at offsets 0, 1 and 3, a bad record at 4; a transaction marker at 2."""
    good = {
        ("claims", 0, i): Expected(b"k", b"c%d" % i, f"claim-{i}", {MODEL: 0.25}) for i in (0, 1, 3)
    }
    alerts = [alert(0, 0), alert(1, 1), alert(3, 3)]
    letters = [dead(4, 0)]
    return Observation(
        expected={**good, ("claims", 0, 4): Expected(b"k", b"bad", None, {})},
        alerts=alerts,
        dead_letters=letters,
        seen_live=[*alerts, *letters],
        live_topics=["alerts", "dead"],
        committed={0: 5},
        next_offsets={0: 5},
        open_transactions=[],
        unstable=[],
    )


def with_alerts(*alerts: Record) -> Observation:
    return sound()._replace(alerts=alerts, seen_live=[*alerts, dead(4, 0)])


def with_dead(*letters: Record) -> Observation:
    return sound()._replace(dead_letters=letters, seen_live=[*sound().alerts, *letters])


def test_a_sound_run_breaks_nothing() -> None:
    assert check(sound()) == []


def test_a_dead_letter_may_be_cut() -> None:
    assert check(with_dead(dead(4, 0, of=b"bad"))) == []


BROKEN: dict[str, tuple[Callable[[], Observation], list[str]]] = {
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
    "bytes of one that is cut": (
        lambda: with_dead(dead(4, 0, b"ba", of=b"bad")),
        ["a dead letter is not its record"],
    ),
    "digest of one that is cut": (
        lambda: with_dead(dead(4, 0, of=b"worse")),
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
    "vanished": (
        lambda: sound()._replace(seen_live=[*sound().seen_live, alert(3, 9)]),
        ["a live reader saw something else"],
    ),
    "never shown": (
        lambda: sound()._replace(seen_live=sound().alerts),
        ["a live reader saw something else"],
    ),
    "offset behind": (
        lambda: sound()._replace(committed={0: 4}),
        ["committed offsets are not at the end"],
    ),
    "no offset": (
        lambda: sound()._replace(committed={}),
        ["committed offsets are not at the end"],
    ),
    "open transaction": (
        lambda: sound()._replace(open_transactions=["t"]),
        ["a transaction is open"],
    ),
    "unstable": (lambda: sound()._replace(unstable=[("alerts", 0)]), ["readers are held back"]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_promise_is_told(name: str) -> None:
    made, promises = BROKEN[name]
    assert [violation.promise for violation in check(made())] == promises


def test_a_topic_that_went_away_is_not_compared_live() -> None:
    seen = sound()._replace(seen_live=sound().alerts, live_topics=["alerts"])
    assert check(seen) == []
