"""Records of the log, from claims and to facts."""

import datetime as dt
import json
from typing import Any

import msgspec
import pytest

from consumer.memory.log import (
    NoFactError,
    NoteTaker,
    finding_record,
    known_at,
    log_fact,
)
from model.history.facts import DAY, claim_ref, start_of_day
from model.history.keys import SECRET_BYTES, fingerprint
from schemas.alert import Source
from schemas.memory import FactKind, Remembered, RememberedClaim, RememberedFinding
from tests.harness.kafka import FakeMessage
from tests.model.history import motor

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
NOW_MS = int(NOW.timestamp() * 1_000)
SECRET = bytes(range(SECRET_BYTES))
SOURCE = Source("claims", 3, 17)
MOTOR = motor.CONTRACT


class Stamped(FakeMessage):
    """A message with a timestamp."""

    def __init__(self, at_ms: int) -> None:
        super().__init__(b"{}")
        self._at_ms = at_ms

    def timestamp(self) -> tuple[int, int]:
        return 1, self._at_ms


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [(5, 5), (NOW_MS - 1, NOW_MS - 1), (NOW_MS + 1, NOW_MS), (0, NOW_MS), (-1, NOW_MS)],
)
def test_a_claim_came_in_when_its_record_was_made_unless_that_is_later(
    stamp: int, expected: int
) -> None:
    assert known_at(Stamped(stamp), NOW) == expected


def test_days_begin_at_midnight_in_utc() -> None:
    assert start_of_day(NOW_MS) == int(dt.datetime(2026, 3, 1, tzinfo=dt.UTC).timestamp() * 1_000)
    assert start_of_day(DAY) == DAY
    assert start_of_day(DAY - 1) == 0


def test_a_claim_is_noted_by_hashes_and_comes_back_as_it_was() -> None:
    claim = some_claim()
    taker = NoteTaker(MOTOR, SECRET)
    keys = taker.keys([claim])
    noted = taker.note([claim], keys, [SOURCE], [NOW_MS])
    (record,), (claimed,) = noted.records, noted.claimed
    assert json.loads(record.key or b"") == ["claim", claim.claim_no, "claims", 3, 17]
    found = log_fact(record.key, record.value)
    fact = found.fact
    assert isinstance(fact, RememberedClaim)
    assert (fact.known_at, fact.key) == (NOW_MS, fingerprint(SECRET))
    assert (fact.day, fact.amount) == (claim.lost_on, claim.claimed)
    assert claimed.key == record.key
    assert claimed.fact.claim == claim_ref(claim.claim_no)
    assert claimed.fact.known_at == start_of_day(NOW_MS)
    assert claimed.fact.policy == fact.policy
    assert claimed.fact.day == claim.lost_on.toordinal()
    kinds = list(dict.fromkeys(e.kind for e in MOTOR.entities.values()))
    assert [(kinds.index(e.kind), e.hash) for e in fact.entities] == list(claimed.entities)
    assert len(fact.entities) > 3


def test_no_text_of_the_claim_is_noted_but_its_id() -> None:
    claim = some_claim()
    taker = NoteTaker(MOTOR, SECRET)
    (record,) = taker.note([claim], taker.keys([claim]), [SOURCE], [NOW_MS]).records
    told = (record.value or b"") + (record.key or b"")
    texts = [getattr(claim, name) for name in MOTOR.fields if name != "claim_no"]
    named = {text for text in texts if isinstance(text, str) and len(text) > 4}
    assert len(named) > 3
    assert not [text for text in named if text.encode() in told]


def test_a_finding_is_a_fact_of_its_own_record() -> None:
    record = finding_record("C-1", NOW_MS, SOURCE, fraud=True)
    found = log_fact(record.key, record.value)
    assert found.key == (FactKind.FINDING, "C-1", "claims", 3, 17)
    assert found.fact == RememberedFinding(claim_id="C-1", known_at=NOW_MS, fraud=True)
    assert log_fact(record.key, None).fact is None


BAD: list[tuple[bytes | None, bytes | None]] = [
    (None, b"{}"),
    (b"", b"{}"),
    (b'["claim","C","t",1]', None),
    (b'["other","C","t",1,2]', None),
    (b'["claim","C","t",1,2]', b""),
    (b'["claim","C","t",1,2]', b'{"type":"other"}'),
    (b'["claim","C","t",1,2]', b'{"type":"claim","claim_id":"C","known_at":-1,"key":"k"}'),
    (b'["claim","C","t",1,2]', b"\xff"),
]


@pytest.mark.parametrize(("key", "value"), BAD)
def test_what_is_no_fact_is_refused(key: bytes | None, value: bytes | None) -> None:
    with pytest.raises((msgspec.MsgspecError, UnicodeDecodeError)):
        log_fact(key, value)


@pytest.mark.parametrize(
    "fact",
    [
        RememberedFinding(claim_id="C", known_at=1, fraud=True),
        RememberedClaim(claim_id="D", known_at=1, key="k"),
    ],
)
def test_a_fact_under_the_key_of_another_is_refused(fact: Remembered) -> None:
    with pytest.raises(NoFactError):
        log_fact(b'["claim","C","t",1,2]', msgspec.json.encode(fact))


def some_claim() -> Any:
    return motor.claims(5, 1).claims[0]


@pytest.mark.parametrize(
    "topic", ["", "t" * 250, "t\0", "t\N{REPLACEMENT CHARACTER}", "t\n", "a b"]
)
def test_a_key_with_a_topic_that_kafka_has_not_is_none(topic: str) -> None:
    """No index of a database has room for any text, nor has it a character 0."""
    for key in (["finding", "c", topic, 0, 1], ["claim", "c", topic, 0, 1]):
        with pytest.raises(msgspec.ValidationError, match=r"\$\[2\]"):
            log_fact(json.dumps(key).encode(), None)


@pytest.mark.parametrize("topic", ["aZ9._-" + "t" * 243, "file:0123456789abcdef"])
def test_the_longest_topic_is_one_and_a_file_as_well(topic: str) -> None:
    assert log_fact(json.dumps(["claim", "c", topic, 0, 1]).encode(), None).key.topic == topic


@pytest.mark.parametrize(
    ("partition", "offset"), [(0, 2**63), (0, -1), (2**31, 0), (-1, 0), (0, -(2**200))]
)
def test_a_key_with_numbers_that_no_record_has_is_none(partition: int, offset: int) -> None:
    fact = msgspec.json.encode(RememberedFinding(claim_id="c", known_at=1, fraud=True))
    key = json.dumps(["finding", "c", "outcomes", partition, offset]).encode()
    with pytest.raises(msgspec.ValidationError, match=r"\$\[[34]\]|Integer value out of range"):
        log_fact(key, fact)
