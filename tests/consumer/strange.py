"""Records that nobody should send: written by hand, by hypothesis and by mutating good ones."""

import json
import random
from collections.abc import Iterator, Sequence
from functools import cache

import msgspec
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from model.datasets.dataset import load
from schemas.claim import Claim
from schemas.dead_letter import ATTEMPT_HEADER, Header

Strange = tuple[bytes | None, bytes | None, list[Header]]
"""Key, value and headers."""

HOSTILE: Sequence[bytes] = (
    b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-0", b"1E-999", b"9" * 400, b"0" * 50, b"0x10",
    b"1_000", b"''", b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\u0000"', b"\xff", b"\xc0\x80",
    b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xef\xbb\xbf", b"\x00", b"null", b"true", b"[]", b"{}",
    b'"' + b"x" * 5_000 + b'"', b"[" * 5_000, b'{"a":' * 5_000, b"/* */", b"\\", b'"',
)  # fmt: skip

LARGE: Sequence[bytes] = (
    b'{"claim_id": "' + b"x" * 1_000_000 + b'"}',
    b'{"claim_id": "a", "loss_description": "' + b"y" * 999_000 + b'"}',
    b'{"claim_id": "a", "unknown": "' + b"z" * 990_000 + b'"}',
    b"[" * 1_000_000,
    b'{"x":' * 200_000,
    b'{"claim_id": "a", "unknown": ' + b"[" * 400_000 + b"]" * 400_000 + b"}",
    b'{"claim_id": ' + b"9" * 999_000 + b"}",
    b'{"claim_id": "a", "claim_amount": 0.' + b"3" * 999_000 + b"}",
    b"\x00" * 999_999,
    b"\xff" * 999_999,
    b" " * 999_999,
    b'"' + b"\\u0041" * 160_000 + b'"',
)

FIELDS = tuple(f.name for f in msgspec.structs.fields(Claim))

values: st.SearchStrategy[object] = (
    st.none() | st.booleans() | st.integers() | st.integers(10**18, 10**30)
    | st.floats() | st.text(max_size=20) | st.dates().map(str) | st.just([]) | st.just({})
    | st.recursive(st.none() | st.text(max_size=3), lambda x: st.lists(x, max_size=3), max_leaves=8)
)  # fmt: skip
claims = st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), values, max_size=8)
with_id = st.builds(lambda claim, name: {"claim_id": name, **claim}, claims, st.text(max_size=5))
encodings = st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-16", "utf-32", "utf-8-sig", "cp037"])
documents = st.builds(
    lambda thing, encoding: json.dumps(thing).encode(encoding), claims | with_id | values, encodings
)
names = st.text(st.characters(exclude_categories=["C"]), max_size=6) | st.sampled_from(
    ["content-type", "Content-Type", ATTEMPT_HEADER, "__streams.errors.exception", "ce_type"]
)
header_values = (
    st.none()
    | st.binary(max_size=12)
    | st.sampled_from(
        [
            b"application/cloudevents+json",
            b"application/cloudevents+json; charset=\xff",
            b"3",
            b"-3",
        ]
    )
)
headers = st.lists(st.tuples(names, header_values), max_size=4)
keys = st.none() | st.binary(max_size=12)


@cache
def made(count: int) -> list[Strange]:
    """By hypothesis, the same ones every time."""
    found: list[Strange] = []

    @seed(1)
    @settings(
        max_examples=count, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(keys, st.binary(max_size=60) | documents | st.none(), headers)
    def collect(key: bytes | None, value: bytes | None, heads: list[Header]) -> None:
        found.append((key, value, heads))

    while len(found) < count:
        collect()
    return found[:count]


def duplicated(value: bytes, chance: random.Random) -> bytes:
    """The object with one of its keys once more, with another value."""
    field = chance.choice(FIELDS).encode()
    return value[:-1] + b', "' + field + b'": ' + chance.choice(HOSTILE) + b"}"


def mutated(count: int) -> Iterator[Strange]:
    """Good claims with bytes changed, cut, doubled or replaced by something hostile."""
    chance = random.Random(1)
    good = [msgspec.json.encode(c) for c in load("synthetic", "synthetic", rows=200).claims]
    for number in range(count):
        value = bytearray(chance.choice(good))
        if number % 5 == 0:
            yield None, duplicated(bytes(value), chance), []
            continue
        for _ in range(chance.choice((1, 1, 1, 2, 5))):
            start = chance.randrange(len(value))
            end = min(len(value), start + chance.choice((0, 1, 1, 4, 40)))
            hostile = chance.choice((b"", bytes([chance.randrange(256)]), chance.choice(HOSTILE)))
            value[start:end] = hostile
        yield b"key", bytes(value), []


def by_hand() -> list[Strange]:
    """Extremes of value, key and headers."""
    claim = b'{"claim_id": "c"}'
    odd: list[list[Header]] = [
        [("", b"")], [("a", None)] * 50, [("a", b"\xff" * 10_000)], [("\U0001f600", b"x")],
        [(ATTEMPT_HEADER, b"7"), (ATTEMPT_HEADER, None)], [("n" * 5_000, b"v")],
        [("content-type", None)], [("content-type", b"\xff")],
        [("content-type", b"application/cloudevents+json")],
    ]  # fmt: skip
    return [
        (None, None, []),
        (None, b"", []),
        (b"", b"", []),
        (b"k" * 1_000_000, claim, []),
        (b"k" * 1_000_000, b"bad", []),
        (b"\xff\x00", claim, []),
        *((b"k", value, heads) for heads in odd for value in (claim, b"bad", None)),
        *((b"k", value, []) for value in (*HOSTILE, *LARGE)),
    ]


def strange_records(count: int = 10_000) -> list[Strange]:
    """So many records; the same ones every time."""
    first = [*by_hand(), *made(1_000)]
    return [*first, *mutated(count - len(first))]
