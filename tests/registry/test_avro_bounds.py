"""Avro made to exhaust its reader: a dead letter at once, and the claim behind it is scored.

Read without bounds these end the process (recursion in compiled code), take all memory or go on for
minutes.
"""

import json
import tracemalloc
from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from consumer.batch.edges import Wire
from consumer.registry.avro_bounds import MAX_DEPTH, MOST_BYTES, SchemaError, TooDeepError
from consumer.registry.avro_reader import avro_reader
from consumer.registry.claims import FramedClaims
from consumer.registry.client import Registry
from schemas.claim import Claim
from schemas.dead_letter import Reason
from schemas.decoding.refusal import RefusedError
from tests.registry.small import Registered, SmallRegistry
from tests.registry.test_framed import letters, outcome, read_from, reading

pytestmark = pytest.mark.slow

EMPTY = {"type": "record", "name": "Empty", "fields": []}
MANY = b"\x80\x94\xeb\xdc\x03\0"
"""An array of five hundred million values that take no bytes."""


def record(name: str, *kinds: Any, **fields: Any) -> dict[str, Any]:
    named = {f"f{number}": kind for number, kind in enumerate(kinds)} | fields
    return {
        "type": "record",
        "name": name,
        "fields": [{"name": field, "type": kind} for field, kind in named.items()],
    }


def holding(kind: Any) -> dict[str, Any]:
    """A claim with a field of that type besides its id."""
    return record("Theirs", claim_id="string", extra=kind)


def array(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def doubling(levels: int) -> dict[str, Any]:
    """Records of two of the one before: few names, 2^levels values without a byte."""
    defined = [record("R0", "null", "null")]
    defined += [record(f"R{n}", f"R{n - 1}", f"R{n - 1}") for n in range(1, levels)]
    return record("Doubling", *defined, claim_id="string")


def nested(levels: int) -> Any:
    kind: Any = "int"
    for _ in range(levels):
        kind = array(kind)
    return kind


RECURSIVE = holding(record("N", next=["null", "N"]))
BY_WAY_OF = holding(record("A", b=["null", record("B", a={"type": "map", "values": "A"})]))
REFUSED: dict[str, tuple[Any, Reason]] = {
    "recursive": (RECURSIVE, Reason.TOO_DEEP),
    "recursive by way of another": (BY_WAY_OF, Reason.TOO_DEEP),
    "array of null": (holding(array("null")), Reason.INVALID),
    "array of empty records": (holding(array(EMPTY)), Reason.INVALID),
    "array of nothing in records": (holding(array(record("R", EMPTY, "null"))), Reason.INVALID),
    "array of fixed without size": (
        holding(array({"type": "fixed", "name": "F", "size": 0})),
        Reason.INVALID,
    ),
    "map of many nulls": (
        holding({"type": "map", "values": record("R", *["null"] * 100)}),
        Reason.INVALID,
    ),
    "names that double": (doubling(25), Reason.INVALID),
    "many names that double": (doubling(60), Reason.TOO_DEEP),
    "a thousand levels": (holding(nested(400)), Reason.TOO_DEEP),
    "a claim's field that is an array": (
        record("Theirs", claim_id=array(record("R", "int"))),
        Reason.INVALID,
    ),
    "a fixed of negative size": (
        holding({"type": "fixed", "name": "F", "size": -1}),
        Reason.INVALID,
    ),
    "no schema": ({"type": "claim"}, Reason.INVALID),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_schema_without_bounds_makes_dead_letters(small: SmallRegistry, kind: str) -> None:
    schema, reason = REFUSED[kind]
    number = small.register(kind, json.dumps(schema))
    good = small.register("good", json.dumps(holding("int")))
    values = [
        b"\0" + n.to_bytes(4, "big") + b"\2a" + rest
        for n, rest in ((number, b"\2" * 18_000), (number, MANY), (good, b"\2"))
    ]
    found = outcome(Wire(read_from(small)), *values)
    assert [r.value for r in found.dead_letters] == values[:2], "byte for byte"
    assert [letter.reason for letter in letters(found)] == [reason] * 2
    assert all(x.message.startswith(f"schema {number} cannot be used: ") for x in letters(found))
    assert [claim.claim_id for claim in found.claims] == ["a"]


def test_what_is_safe_is_still_read() -> None:
    """Collections, nesting, names and unions in fields a claim does not have."""
    inner = record("Part", ["null", "string"], array(["null", "double"]), a=EMPTY, b="Empty")
    extra = ["null", array(inner), {"type": "map", "values": ["null", "Part"]}]
    read = avro_reader([json.dumps(holding(extra))], Claim.__struct_fields__)
    parts = b"\2\2" + b"\2\2x\2\0\0" + b"\0"
    assert read(b"\2a" + parts) == {"claim_id": "a"}
    everything = avro_reader([json.dumps(holding(extra))])(b"\2a" + parts)
    assert everything["extra"] == [{"f0": "x", "f1": [None], "a": {}, "b": {}}]
    avro_reader([json.dumps(holding(nested(MAX_DEPTH - 2)))])
    with pytest.raises(TooDeepError, match=f"more than {MAX_DEPTH} levels"):
        avro_reader([json.dumps(holding(nested(MAX_DEPTH - 1)))])


def test_a_name_is_measured_where_it_stands() -> None:
    """A type that is measured at the top may be used far down."""
    deep = record("Deep", nested(20))
    kind: Any = "Deep"
    for _ in range(20):
        kind = array(kind)
    with pytest.raises(TooDeepError):
        avro_reader([json.dumps(record("Theirs", deep, kind))])


def test_names_of_other_subjects_are_measured_too(small: SmallRegistry) -> None:
    """Schemas that are referred to, by two ways to the same one."""
    client = SchemaRegistryClient({"url": small.url})
    inner = small.register("inner", json.dumps(record("Inner", ["null", "int"])))
    left = small.register("left", json.dumps(record("Left", "Inner")))
    small.refer(left, ("inner", "Inner", inner))
    top = record("Theirs", "Left", "Inner", claim_id="string")
    number = small.register("top", json.dumps(top))
    small.refer(number, ("left", "Left", left), ("inner", "Inner", inner))
    value = b"\0" + number.to_bytes(4, "big") + b"\2\2" + b"\0" + b"\2a"
    assert reading(client)(value).claim_id == "a"

    small.schemas[inner] = Registered("inner", json.dumps(record("Inner", array("null"))), "AVRO")
    found = outcome(Wire(FramedClaims(Registry(SchemaRegistryClient({"url": small.url})))), value)
    assert letters(found)[0].message.endswith("its arrays may contain values that take no bytes")


def test_a_reference_to_nothing_is_refused(small: SmallRegistry) -> None:
    number = small.register("one", json.dumps(holding("Two")))
    small.refer(number, ("two", "Two", 99))
    found = outcome(Wire(read_from(small)), b"\0" + number.to_bytes(4, "big") + b"\2a")
    assert letters(found)[0].message.endswith("it refers to is not in the registry")


def test_a_circle_of_references_ends(small: SmallRegistry) -> None:
    number = small.register("one", json.dumps(holding("Two")))
    other = small.register("two", json.dumps(record("Two", "Theirs")))
    small.refer(number, ("two", "Two", other))
    small.refer(other, ("one", "Theirs", number))
    found = outcome(Wire(read_from(small)), b"\0" + number.to_bytes(4, "big") + b"\2a")
    assert letters(found)[0].reason is Reason.INVALID


def test_decimals_are_amounts_and_a_long_one_is_not() -> None:
    money = {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}
    fixed = {**money, "type": "fixed", "name": "Money", "size": 4}
    kinds = {"claim_amount": ["null", money], "vehicle_amount": fixed, "extra": ["null", "Money"]}
    read = avro_reader([json.dumps(record("Exact", **kinds))], Claim.__struct_fields__)
    assert read(b"\2\4\x04\xe2" + b"\0\0\x04\xe2" + b"\0") == {
        "claim_amount": 12.5,
        "vehicle_amount": 12.5,
    }
    long = b"\2" + b"\xfe\x88\x7a" + b"\x7f" * 999_999 + b"\0\0\x04\xe2" + b"\0"
    with pytest.raises(ValueError, match="too long"):
        read(long)
    for scale in (-1, 10**9, "2"):
        wrong = record("Exact", claim_amount={**money, "scale": scale})
        with pytest.raises(SchemaError, match=r"claim_amount|not an Avro schema"):
            avro_reader([json.dumps(wrong)], Claim.__struct_fields__)


def test_fields_of_no_claim_are_not_built() -> None:
    """Of a payload as long as one with an array may be, of as many records as it has bytes."""
    read = avro_reader([json.dumps(holding(array(record("R", "int"))))], Claim.__struct_fields__)
    count = MOST_BYTES - 10
    payload = b"\2a" + varint(count) + b"\2" * count + b"\0"
    tracemalloc.start()
    try:
        assert read(payload) == {"claim_id": "a"}
        assert tracemalloc.get_traced_memory()[1] < 3 * MOST_BYTES
    finally:
        tracemalloc.stop()


def varint(count: int) -> bytes:
    left, made = count << 1, bytearray()
    while left >= 0x80:
        made.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*made, left])


def test_bytes_that_follow_the_value_are_of_another_schema() -> None:
    read = avro_reader([json.dumps(record("Theirs", claim_id="string"))], ["claim_id"])
    assert read(b"\x02a") == {"claim_id": "a"}
    with pytest.raises(ValueError, match="3 bytes follow the value"):
        read(b"\x02a\x00\x00\x00")


def test_a_uuid_is_a_string() -> None:
    uuid = {"type": "string", "logicalType": "uuid"}
    text = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"
    for fields in (["claim_id"], None):
        read = avro_reader([json.dumps(record("Theirs", claim_id=uuid))], fields)
        assert read(b"\x48" + text.encode()) == {"claim_id": text}


def test_a_name_that_is_no_text_is_refused() -> None:
    wrong = {"type": "record", "name": "Odd", "fields": [{"name": ["a"], "type": "string"}]}
    with pytest.raises(SchemaError, match="not an Avro schema"):
        avro_reader([json.dumps(wrong)], Claim.__struct_fields__)


@pytest.mark.parametrize(
    "kind", [array("int"), {"type": "map", "values": "int"}, ["null", array("int")]]
)
def test_what_could_take_long_to_read_is_refused_by_its_size(
    small: SmallRegistry, kind: Any
) -> None:
    client = SchemaRegistryClient({"url": small.url})
    schema = Schema(json.dumps(record("Deep", record("In", kind), claim_id="string")), "AVRO")
    found = client.register_schema("claims-value", schema)
    value = b"\0" + found.to_bytes(4, "big") + bytes(MOST_BYTES + 1)
    with pytest.raises(RefusedError, match="100,001 bytes are more than the 100,000") as refused:
        reading(client)(value)
    assert refused.value.reason is Reason.TOO_LARGE


def test_texts_may_be_longer(small: SmallRegistry) -> None:
    texts = avro_reader([json.dumps(holding("string"))])
    assert len(texts(b"\2a" + b"\x80\xb5\x18" + b"x" * 200_000)["extra"]) == 200_000
