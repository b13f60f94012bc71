"""Which dead letters go back, and as what."""

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.batch.decode import headers_of
from consumer.batch.process import process
from consumer.batch.records import Record
from consumer.dead_letters.sealing import make_opener
from consumer.redrive.closing import Close, Closure
from consumer.redrive.listing import LONGEST_KEY, LONGEST_TEXT, SENT, line
from consumer.redrive.marks import Marks
from consumer.redrive.plan import Filter, Redriven, SendBack, Step
from consumer.redrive.plan import plan as plan_of
from consumer.redrive.redrive import _show
from consumer.settings.settings import Settings
from schemas.alert import Source
from schemas.dead_letter import (
    ATTEMPT_HEADER,
    HEADER_OF,
    REDRIVEN_HEADER,
    DeadLetter,
    Form,
    Header,
    Reason,
)
from tests.consumer.fakes import NOW, FakeScorer, letter_of, mark
from tests.harness.kafka import FakeMessage

ALL = 1_000
TIME_MS = FakeMessage(b"").timestamp()[1]
FROM = (REDRIVEN_HEADER, "dead-0-0")


def plan(messages: Sequence[Any], wanted: Filter, room: int) -> Step:
    return plan_of(messages, wanted, room, make_opener(Settings(instance_id="i")), mark)


def letter(**changes: Any) -> DeadLetter:
    fields: dict[str, Any] = {
        "reason": Reason.INVALID, "message": "m", "path": "$.x", "topic": "claims",
        "partition": 0, "offset": 1, "failed_at": NOW,
    }  # fmt: skip
    return DeadLetter(**fields | changes)


def dead(
    at: int = 0, own: list[Header] | None = None, value_of: bytes = b"value", **changes: Any
) -> FakeMessage:
    """A record of the dead-letter topic as Kafka gives it back: header values are bytes."""
    added = [(n, str(v).encode()) for n, v in letter(**changes).headers()]
    return FakeMessage(value_of, at, headers=[*(own or []), *added], topic="dead")


def letter_at(place: int, of: int | None = None) -> FakeMessage:
    """The dead letter at a place, of the record at the same one or at another."""
    return dead(place, offset=place if of is None else of)


def test_the_original_record_goes_back_with_its_attempts() -> None:
    own: list[Header] = [("trace", b"\xff"), ("trace", None)]
    step = plan([dead(own=own, attempt=2)], Filter(), ALL)
    assert step.claims == [Record(b"key", b"value", [*own, (ATTEMPT_HEADER, "2"), FROM])]
    assert step.kept == []
    assert [found.attempt for found in step.letters] == [2]


def test_a_tombstone_goes_back_as_one() -> None:
    headers: list[Header] = [(n, str(v).encode()) for n, v in letter().headers()]
    step = plan([FakeMessage(None, key=None, headers=headers)], Filter(), ALL)
    assert step.claims[0][:2] == (None, None)


def test_what_is_left_out_is_kept_as_it_was() -> None:
    message = dead(reason=Reason.EMPTY)
    step = plan([message], Filter(reasons=frozenset({Reason.INVALID})), ALL)
    assert step.kept == [Record(b"key", b"value", [*headers_of(message), FROM], TIME_MS)]
    assert (step.claims, step.letters) == ([], [])


@pytest.mark.parametrize(
    ("header", "value", "why"),
    [
        ("reason", b"Anna Kowalska", "$.reason: is not one of the values it may have"),
        ("message", b"Anna \xff", "not UTF-8: invalid start byte"),
        ("attempt", b"Anna", "$.attempt: is not a whole number, but a text"),
        ("offset", None, "$.offset: is not a whole number, but a text"),
    ],
)
def test_what_is_no_dead_letter_is_logged_without_its_values(
    header: str, value: bytes | None, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    headers = [*headers_of(dead()), (HEADER_OF[header], value)]
    plan([FakeMessage(b"value", 3, headers=headers, topic="dead")], Filter(), ALL)
    assert caplog.messages == [f"kept: dead[0]@3 is not a dead letter: {why}"]


def test_a_header_that_a_dead_letter_lacks_is_named(caplog: pytest.LogCaptureFixture) -> None:
    plan([FakeMessage(b"value", 3, headers=headers_of(dead())[1:], topic="dead")], Filter(), ALL)
    assert HEADER_OF["reason"] in caplog.text


HOUR = dt.timedelta(hours=1)


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        (Filter(), True),
        (Filter(reasons=frozenset({Reason.INVALID, Reason.EMPTY})), True),
        (Filter(reasons=frozenset({Reason.EMPTY})), False),
        (Filter(since=NOW), True),
        (Filter(since=NOW + HOUR), False),
        (Filter(until=NOW), False),
        (Filter(until=NOW + HOUR), True),
        (Filter(since=NOW - HOUR, until=NOW + HOUR), True),
        (Filter(max_attempts=3), True),
        (Filter(max_attempts=2), False),
    ],
)
def test_filters(wanted: Filter, matches: bool) -> None:
    assert wanted.matches(letter(attempt=2)) is matches


def test_no_more_than_there_is_room_for() -> None:
    step = plan([letter_at(n) for n in range(10)], Filter(), 4)
    assert (len(step.claims), len(step.kept)) == (4, 6)


WRONG = [
    ("exception", b"java.lang.RuntimeException"),
    ("message", b"\xff"),
    ("partition", b"first"),
    ("offset", None),
    ("offset", b"-1"),
    ("failed_at", b"yesterday"),
    ("failed_at", b"2024-05-06T07:08:09"),
    ("attempt", b""),
    ("attempt", b"-1"),
    ("attempt", b"9" * 5_000),
]


def with_wrong(name: str, wrong: bytes | None) -> list[Header]:
    """The headers of a dead letter, but one."""
    return [(n, wrong if n.endswith(name) else v) for n, v in headers_of(dead())]


STRANGE: list[list[Header] | None] = [
    None,
    [],
    [("trace", b"1")],
    [("__streams.errors.exception", b"invalid")],
    *(with_wrong(name, wrong) for name, wrong in WRONG),
]


@pytest.mark.parametrize("headers", STRANGE)
def test_what_is_no_dead_letter_of_ours_is_kept(headers: list[Header] | None) -> None:
    step = plan([FakeMessage(b"value", headers=headers)], Filter(since=NOW - HOUR), ALL)
    assert step.claims == []
    here = (REDRIVEN_HEADER, "claims-0-0")
    assert step.kept == [Record(b"key", b"value", [*(headers or []), here], TIME_MS)]


def test_a_record_refused_again_and_again_comes_to_rest() -> None:
    """Worker and redrive in turn: the attempts in the headers end it."""
    record = Record(b"k", b"bad", [("trace", b"1")])
    for attempt in range(1, 10):
        message = FakeMessage(record.value, key=record.key, headers=as_read(record))
        (refused,) = process([message], FakeScorer(), NOW).dead_letters
        assert letter_of(refused).attempt == attempt
        step = plan([FakeMessage(refused.value, headers=as_read(refused))], Filter(), ALL)
        if not step.claims:
            assert attempt == Filter().max_attempts
            return
        (record,) = step.claims
    pytest.fail("it went round for ever")


def as_read(record: Record) -> list[Header]:
    return [(n, v.encode() if isinstance(v, str) else v) for n, v in record.headers or ()]


def test_a_copy_is_left_in_place_and_named() -> None:
    first, copy, other = letter_at(0), letter_at(1, of=0), letter_at(2)
    step = plan([first, copy, other], Filter(), ALL)
    assert len(step.claims) == len(step.letters) == 2
    assert (step.kept, step.left) == ([], [Source("dead", 0, 1)])
    done = Redriven(0, 0).and_then(step)
    assert (done.sent, done.kept, done.copies) == (2, 0, 1)
    assert done.first_copy == "dead[0]@1, a copy of that of claims[0]@0"
    opener = make_opener(Settings(instance_id="i"))
    later = plan_of([letter_at(9, of=2)], Filter(), ALL, opener, mark, frozenset(step.fingerprints))
    assert (later.claims, len(later.copies)) == ([], 1)


@pytest.mark.parametrize(
    "other",
    [
        dead(1, value_of=b"another"),
        dead(1, own=[("content-type", b"application/json")]),
        dead(1, partition=1),
        dead(1, offset=2),
        dead(1, topic="others"),
    ],
)
def test_one_of_another_record_is_not_a_copy(other: FakeMessage) -> None:
    """Nobody may suppress a dead letter by one of their own that only names its place."""
    assert len(plan([dead(0), other], Filter(), ALL).claims) == 2


def test_an_encrypted_one_is_a_copy_whatever_key_it_has() -> None:
    """Those of earlier releases do not prove key and headers."""
    sealed = dead(0, value=Form.ENCRYPTED)
    copy = dead(1, own=[("trace", b"1")], value=Form.ENCRYPTED, attempt=2)
    step = plan_of([sealed, copy], Filter(), ALL, lambda record, _: record.value, mark)
    assert (len(step.claims), len(step.copies)) == (1, 1)


def test_one_sent_again_and_refused_again_is_no_copy() -> None:
    """Its record is a new one, at another place."""
    assert len(plan([dead(0), dead(1, offset=7, attempt=2)], Filter(), ALL).claims) == 2


def test_a_limit_skips_nothing_behind_copies(capsys: pytest.CaptureFixture[str]) -> None:
    batches: list[Any] = [[letter_at(0), letter_at(1, of=0), letter_at(2)], [letter_at(3)]]
    opener = make_opener(Settings(instance_id="i"))
    done = _show(batches, SendBack(Filter(), opener), 2, Marks(), opener)
    assert (done.sent, done.copies) == (2, 1)
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    assert [line["offset"] for line in lines] == [0, 2]


def test_a_plain_one_is_not_believed_where_dead_letters_are_encrypted() -> None:
    headers = headers_of(dead())
    forged, empty = dead(0), FakeMessage(None, 1, headers=headers)
    sealed = dead(2, value=Form.ENCRYPTED)
    wanted = Filter(encrypted_only=True)
    step = plan_of([forged, empty, sealed], wanted, ALL, lambda record, _: record.value, mark)
    assert [record.value for record in step.claims] == [None, b"value"]
    assert (len(step.forged), len(step.kept)) == (1, 1)
    other = Filter(encrypted_only=True, reasons=frozenset({Reason.EMPTY}))
    assert plan([forged], other, ALL).forged == []


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        (b"k1", b'{"claim_id": "c1", "x": 1}', ("k1", "c1")),
        (b"\xff", b"\xff", ("\\xff", None)),
        (None, None, (None, None)),
        (b"k", b'{"claim_id": 17}', ("k", 17)),
        (b"k", b'{"claim_id": [1,1,1]}', ("k", None)),
        (b"k", b'{"claim_id":"c","x":' + b"[" * 99_999 + b"]" * 99_999 + b"}", ("k", None)),
    ],
)
def test_a_listed_one_has_its_key_and_claim_id(
    key: bytes | None, value: bytes | None, named: tuple[str | None, str | int | None]
) -> None:
    shown = json.loads(line(letter(), Record(key, value, None), SENT))
    assert (shown["key"], shown["claim_id"]) == named
    assert (shown["reason"], shown["then"]) == ("invalid", "sent")


def test_a_listed_one_shows_no_masked_id_and_that_of_an_event() -> None:
    assert (
        json.loads(line(letter(), Record(b"k", b'{"claim_id": "[redacted]"}', None), SENT))[
            "claim_id"
        ]
        is None
    )
    event = b'{"specversion": "1.0", "data": {"claim_id": "c9"}}'
    assert json.loads(line(letter(), Record(b"k", event, None), SENT))["claim_id"] == "c9"


def test_a_listed_one_is_bounded_and_cannot_drive_the_terminal() -> None:
    evil = "\x1b]0;x\x07\x9b2J\u202e\u2028"
    value = json.dumps({"claim_id": evil + "i" * 9_999}).encode()
    found = letter(path="$." + evil + "p" * 9_999, message="m" * 9_999)
    shown = line(found, Record(evil.encode() + b"k" * 9_999, value, None), SENT)
    assert shown.isprintable()
    assert len(shown) < LONGEST_KEY + 4 * LONGEST_TEXT + 500
    told = json.loads(shown)
    assert told["key"].startswith(evil)
    assert told["claim_id"].startswith(evil)


CLOSURE = Closure("the policy was never written", "anna", NOW)


def test_a_closed_one_leaves_a_record_without_its_claim() -> None:
    """Whatever its form, and however often it was tried."""
    forms = [Form.ORIGINAL, Form.REDACTED, Form.ENCRYPTED, Form.CUT]
    messages = [
        dead(n, own=[("trace", b"secret")], value=form, attempt=9, offset=n)
        for n, form in enumerate(forms)
    ]
    step = Close(Filter(max_attempts=None), CLOSURE).plan(messages, ALL, mark)
    assert (step.kept, step.claims, step.taken) == ([], [], 4)
    for n, record in enumerate(step.closed):
        told = dict(record.headers or ())
        assert (record.key, record.value, "trace" in told) == (b"key", None, False)
        assert told["scorer.errors.closed"] == NOW.isoformat()
        assert told["scorer.errors.closed_by"] == "anna"
        assert told["scorer.errors.closed_why"] == "the policy was never written"
        assert told[REDRIVEN_HEADER] == f"dead-0-{n}"
        assert letter_of(record) == letter(value=Form.CLOSED, attempt=9, offset=n)


def test_a_closed_one_is_neither_sent_nor_kept_nor_closed_again() -> None:
    step = Close(Filter(), CLOSURE).plan([dead(4)], ALL, mark)
    again = FakeMessage(None, 5, headers=as_read(step.closed[0]), topic="dead")
    for later in (plan([again], Filter(), ALL), Close(Filter(), CLOSURE).plan([again], ALL, mark)):
        assert (later.taken, later.kept, later.left) == (0, [], [Source("dead", 0, 5)])


def test_a_claim_cannot_pass_for_a_closed_one() -> None:
    """Headers of that kind that come with a claim do not keep its dead letter from going back."""
    own: list[Header] = [("scorer.errors.value", b"closed"), ("scorer.errors.closed", b"now")]
    (refused,) = process([FakeMessage(b"bad", headers=own)], FakeScorer(), NOW).dead_letters
    step = plan([FakeMessage(refused.value, headers=as_read(refused))], Filter(), ALL)
    assert (len(step.claims), step.over) == (1, [])
    assert "scorer.errors.closed" not in dict(step.claims[0].headers or ())


def test_closing_selects_as_sending_does() -> None:
    wanted = Filter(frozenset({Reason.INVALID}), max_attempts=None, min_attempts=3)
    messages = [
        dead(0, attempt=2), dead(1, attempt=3, offset=3), dead(2, attempt=4, offset=4),
        dead(3, attempt=3, reason=Reason.EMPTY), FakeMessage(b"foreign", 4),
    ]  # fmt: skip
    step = Close(wanted, CLOSURE).plan(messages, ALL, mark)
    assert ([found.attempt for found in step.letters], len(step.kept)) == ([3, 4], 3)
    assert len(Close(wanted, CLOSURE).plan(messages, 1, mark).kept) == 4


def test_one_that_does_not_fit_is_closed_without_its_key() -> None:
    message, task = dead(7), Close(Filter(), CLOSURE)
    less = task.smaller(message, task.plan([message], ALL, mark), mark)
    assert less is not None
    assert [record.key for record in less.closed] == [None]
    least = task.smaller(message, less, mark)
    assert least is not None
    assert (least.taken, least.oversize) == (0, [Source("dead", 0, 7)])


@given(
    st.lists(st.tuples(st.sampled_from(list(Reason)), st.integers(1, 6), st.booleans())),
    st.integers(0, 10),
    st.frozensets(st.sampled_from(list(Reason))),
)
def test_every_dead_letter_is_either_sent_or_kept(
    rows: list[tuple[Reason, int, bool]], room: int, reasons: frozenset[Reason]
) -> None:
    messages = [
        dead(n, offset=n, reason=reason, attempt=attempt) if ours else FakeMessage(b"value", n)
        for n, (reason, attempt, ours) in enumerate(rows)
    ]
    step = plan(messages, Filter(reasons=reasons), room)
    wanted = [ours and a < 3 and (not reasons or r in reasons) for r, a, ours in rows]
    assert len(step.claims) == len(step.letters) == min(room, sum(wanted))
    assert len(step.claims) + len(step.kept) == len(rows)
