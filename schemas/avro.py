"""Avro schemas of the contracts, from the types.

Source: Avro 1.12 specification (records, unions, logical types ``date`` and ``timestamp-micros``).
A field that may be missing is a union with null and defaults to null, an enumeration is a string:
new fields and new values break no reader.
"""

import enum
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import inspect

from schemas.alert import FraudAlert
from schemas.claim import Claim
from schemas.json_object import JsonObject

NAMESPACE: Final = "claims_fraud_scorer.v1"
PRIMITIVES: Final[dict[type[inspect.Type], str | JsonObject]] = {
    inspect.StrType: "string",
    inspect.EnumType: "string",
    inspect.FloatType: "double",
    inspect.IntType: "long",
    inspect.BoolType: "boolean",
    inspect.NoneType: "null",
    inspect.DateType: {"type": "int", "logicalType": "date"},
    inspect.DateTimeType: {"type": "long", "logicalType": "timestamp-micros"},
}


def record(kind: type) -> JsonObject:
    """Schema of a Struct as a record.

    Raises:
        TypeError: a field has a type that Avro has no form for here.
    """
    found = inspect.type_info(kind)
    assert isinstance(found, inspect.StructType)
    return _record(found, {"namespace": NAMESPACE})


def _record(struct: inspect.StructType, more: JsonObject) -> JsonObject:
    doc = (struct.cls.__doc__ or "").partition("\n")[0]
    return {
        "type": "record",
        "name": struct.cls.__name__,
        **more,
        "doc": doc,
        "fields": [_field(field) for field in struct.fields],
    }


def _field(field: inspect.Field) -> JsonObject:
    found: JsonObject = {"name": field.encode_name, "type": _schema(field.type)}
    description = next(_descriptions(field.type), None)
    if description is not None:
        found["doc"] = description
    if field.default is not msgspec.NODEFAULT:
        default = field.default
        found["default"] = default.value if isinstance(default, enum.Enum) else default
        if isinstance(default, tuple):
            found["default"] = list(default)
    elif not field.required:  # UNSET: JSON leaves it out, and a record cannot
        found["default"] = [] if isinstance(_bare(field.type), inspect.VarTupleType) else None
    return found


def _schema(kind: inspect.Type) -> Any:
    if isinstance(kind, inspect.Metadata):
        return _schema(kind.type)
    if isinstance(kind, inspect.UnionType):
        # Null first: a default is of the first branch.
        branches = sorted(_branches(kind), key=lambda t: not isinstance(t, inspect.NoneType))
        return [_schema(branch) for branch in branches]
    if isinstance(kind, inspect.VarTupleType):
        return {"type": "array", "items": _schema(kind.item_type)}
    if isinstance(kind, inspect.StructType):
        return _record(kind, {})
    if type(kind) not in PRIMITIVES:
        raise TypeError(f"no Avro form for {kind}")
    return PRIMITIVES[type(kind)]


def _branches(kind: inspect.UnionType) -> Iterator[inspect.Type]:
    """The alternatives; those of a union in the union, which Avro does not know, among them."""
    for branch in map(_bare, kind.types):
        if isinstance(branch, inspect.UnionType):
            yield from _branches(branch)
        else:
            yield branch


def _bare(kind: inspect.Type) -> inspect.Type:
    return _bare(kind.type) if isinstance(kind, inspect.Metadata) else kind


def _descriptions(kind: inspect.Type) -> Iterator[str]:
    """The description of a field, wherever it is in its type."""
    if isinstance(kind, inspect.Metadata):
        said = (kind.extra_json_schema or {}).get("description")
        if said:
            yield said
        yield from _descriptions(kind.type)
    if isinstance(kind, inspect.UnionType):
        for branch in kind.types:
            yield from _descriptions(branch)


def claim_avro(kind: type = Claim) -> JsonObject:
    """Value of a record of the claims topic; kind is the type of what is sent."""
    return record(kind)


def alert_avro() -> JsonObject:
    """Value of a record of the alerts topic."""
    return record(FraudAlert)
