"""What Avro's binary encoding allows is read as fastavro reads it; everything else is refused."""

import io
import json
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.batch.edges import Wire
from consumer.registry.avro_reader import avro_reader
from consumer.registry.avro_values import PayloadError
from schemas.dead_letter import Reason
from tests.registry.small import SmallRegistry
from tests.registry.test_avro_bounds import array, holding, record
from tests.registry.test_framed import letters, outcome, read_from

UNION = ["null", "int", "string"]
ENUM = {"type": "enum", "name": "Kind", "symbols": ["theft", "collision"]}
MAP = {"type": "map", "values": "int"}
FIXED = {"type": "fixed", "name": "Four", "size": 4}
LOWEST = -(1 << 63)


def number(value: int) -> bytes:
    """Zig-zag, seven bits per byte, the lowest first."""
    left, made = value << 1 ^ value >> 63, bytearray()
    while left >= 0x80:
        made.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*made, left])


BRANCH, SYMBOL = "a union has no branch of that index", "an enum has no symbol of that index"
ENDS, LENGTH = "it ends within a value", "a length is negative"
BLOCK = "a block is not as long as it says"
WIDE, WIDER = "an int has more than 32 bits", "a number has more than 64 bits"
MALFORMED: list[tuple[Any, bytes, str]] = [
    *((UNION, number(i) + b"\2a", BRANCH) for i in (-1, -2, -3, -4, 3, 1 << 31, LOWEST)),
    (UNION, number(-2) + number(7), BRANCH),
    (UNION, number(-3), BRANCH),
    *((ENUM, number(i), SYMBOL) for i in (-1, -2, -3, 2, 1 << 40, LOWEST)),
    *((array("int"), number(-1) + number(n) + number(5) + b"\0", BLOCK) for n in (-1, 0, 2, 99)),
    (array("int"), number(LOWEST) + number(1) + number(5) + b"\0", ENDS),
    (array("int"), number(1 << 62) + number(5), ENDS),
    (array("int"), number(1) + number(5), ENDS),
    (array("int"), number(-1) + number(LOWEST) + number(5) + b"\0", BLOCK),
    *((MAP, number(-1) + number(n) + b"\2k" + number(5) + b"\0", BLOCK) for n in (-3, 0, 4, 77)),
    (MAP, number(LOWEST) + number(3) + b"\2k" + number(5) + b"\0", ENDS),
    (MAP, number(1) + number(-1) + b"k" + number(5) + b"\0", LENGTH),
    *((kind, number(-1) + b"a", LENGTH) for kind in ("string", "bytes")),
    *((kind, number(LOWEST), LENGTH) for kind in ("string", "bytes")),
    *((kind, number(99) + b"a", ENDS) for kind in ("string", "bytes")),
    (FIXED, b"abc", ENDS),
    ("double", bytes(7), ENDS),
    ("float", bytes(3), ENDS),
    ("boolean", b"", ENDS),
    ("boolean", b"\2", "a boolean is neither 0 nor 1"),
    ("int", number(1 << 31), WIDE),
    ("int", number(-(1 << 31) - 1), WIDE),
    ("long", b"\xff" * 9 + b"\x7f", WIDER),
    ("long", b"\x80" * 10 + b"\0", WIDER),
    ("long", b"\x80" * 3, ENDS),
]


@pytest.mark.parametrize("fields", [["claim_id"], None], ids=["not built", "built"])
@pytest.mark.parametrize(("kind", "payload", "why"), MALFORMED)
def test_a_malformed_value_is_refused_whether_it_is_built_or_not(
    kind: Any, payload: bytes, why: str, fields: list[str] | None
) -> None:
    read = avro_reader([json.dumps(holding(kind))], fields)
    with pytest.raises(PayloadError, match=f"^{why}$"):
        read(b"\2a" + payload)


def test_an_index_from_the_end_is_a_dead_letter(small: SmallRegistry) -> None:
    """In the claim's own fields: -1 would be the last branch or symbol of a Python list."""
    schema = record("Theirs", claim_id="string", claim_type=["null", ENUM], claim_amount=UNION)
    frame = b"\0" + small.register("indices", json.dumps(schema)).to_bytes(4, "big") + b"\2a"
    good = frame + number(1) + number(1) + number(1) + number(900)
    bad = [
        frame + number(-1) + number(1) + number(1) + number(900),
        frame + number(1) + number(-1) + number(1) + number(900),
        frame + number(1) + number(1) + number(-2) + number(900),
        frame + number(1) + number(1) + number(-3),
    ]
    found = outcome(Wire(read_from(small)), *bad, good)
    assert [r.value for r in found.dead_letters] == bad, "byte for byte"
    assert {letter.reason for letter in letters(found)} == {Reason.INVALID}
    assert [letter.message.rpartition(": ")[2] for letter in letters(found)] == [
        BRANCH, SYMBOL, BRANCH, BRANCH,
    ]  # fmt: skip
    assert [claim.claim_amount for claim in found.claims] == [900]


INNER = record("Inner", ["null", "string"], array(["null", "double"]), date="int")
EVERYTHING = record(
    "Everything",
    "boolean",
    "bytes",
    "float",
    ENUM,
    FIXED,
    ["null", {"type": "int", "logicalType": "date"}],
    {"type": "long", "logicalType": "timestamp-millis"},
    {"type": "int", "logicalType": "time-millis"},
    array(INNER),
    {"type": "map", "values": ["null", "Inner", "Four"]},
    INNER["name"],
    "long",
    claim_id="string",
)
INTS = st.integers(-(1 << 31), (1 << 31) - 1)
INNERS = st.fixed_dictionaries(
    {
        "f0": st.none() | st.text(),
        "f1": st.lists(st.none() | st.floats(allow_nan=False)),
        "date": INTS,
    }
)
VALUES = st.fixed_dictionaries(
    {
        "f0": st.booleans(),
        "f1": st.binary(),
        "f2": st.floats(width=32, allow_nan=False),
        "f3": st.sampled_from(ENUM["symbols"]),
        "f4": st.binary(min_size=4, max_size=4),
        "f5": st.none() | st.dates(),
        "f6": st.integers(-(10**13), 10**13),
        "f7": st.integers(0, 86_399_999),
        "f8": st.lists(INNERS),
        "f9": st.dictionaries(st.text(), st.none() | INNERS | st.binary(min_size=4, max_size=4)),
        "f10": INNERS,
        "f11": st.integers(LOWEST, -LOWEST - 1),
        "claim_id": st.text(),
    }
)


@pytest.mark.slow
@given(VALUES)
def test_every_kind_of_value_is_read_as_fastavro_reads_it(value: dict[str, Any]) -> None:
    schema = fastavro.parse_schema(EVERYTHING)
    written = io.BytesIO()
    fastavro.schemaless_writer(written, schema, value)
    payload = written.getvalue()
    expected: Any = fastavro.schemaless_reader(io.BytesIO(payload), schema, None)
    assert avro_reader([json.dumps(EVERYTHING)])(payload) == expected
    only = avro_reader([json.dumps(EVERYTHING)], ["claim_id", "f5"])(payload)
    assert only == {"claim_id": value["claim_id"], "f5": value["f5"]}


@pytest.mark.parametrize("stated", [True, False])
def test_a_collection_may_be_in_several_blocks(stated: bool) -> None:
    items = number(300) + number(-300) + number(5)
    block = number(-3) + number(len(items)) if stated else number(3)
    payload = b"\2a" + block + items + number(1) + number(6) + b"\0"
    read = avro_reader([json.dumps(holding(array("int")))])
    assert read(payload) == {"claim_id": "a", "extra": [300, -300, 5, 6]}


def test_a_type_that_is_named_often_is_prepared_once() -> None:
    """2^24 times, if each name were followed."""
    levels = [record("R0", "int", "int")]
    levels += [record(f"R{n}", f"R{n - 1}", f"R{n - 1}") for n in range(1, 24)]
    schema = record("Doubling", *levels, claim_id="string")
    with pytest.raises(PayloadError, match=ENDS):
        avro_reader([json.dumps(schema)], ["claim_id"])(b"\2" * 100)


def test_text_or_bytes_is_read_as_what_it_is() -> None:
    read = avro_reader([json.dumps(record("Theirs", claim_id=["bytes", "string"]))], ["claim_id"])
    assert read(b"\2\2a") == {"claim_id": "a"}
    assert read(b"\0\2a") == {"claim_id": b"a"}
