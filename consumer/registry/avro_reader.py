"""Reads Avro with its writer's schema, within the bounds of `consumer.registry.avro_bounds`.

Only the requested fields of a record are built; they must not contain other values.
"""

import io
import json
from collections.abc import Callable, Collection
from fractions import Fraction
from typing import Any, Final

import fastavro
from fastavro.schema import SchemaParseException

from consumer.registry.avro_bounds import (
    MANY,
    RECORDS,
    Schema,
    SchemaError,
    TooDeepError,
    check_bounds,
    kind_of,
    name_of,
)

MAX_DECIMAL_BYTES: Final = 32
MAX_SCALE: Final = 100
DECIMAL: Final = "decimal"
"""Attribute that replaces the logical type in a schema."""
_ALIKE: Final = frozenset({"bytes", "string"})
"""A reader of selected fields confuses the two if a union has both."""

Field = dict[str, Any]


def avro_reader(
    texts: Collection[str], fields: Collection[str] | None = None
) -> Callable[[bytes], Any]:
    """Return a function that reads payloads of a schema.

    Args:
        texts: the schema, preceded by those it refers to.
        fields: build only these fields of a record; None builds all.

    Raises:
        SchemaError: it is not a schema, or not one that is safe to read with.

    The function raises whatever the reader raises on bytes that do not match the schema.
    """
    named: dict[str, Schema] = {}
    try:
        parsed = [
            fastavro.parse_schema(json.loads(text, object_hook=_plain), named) for text in texts
        ]
    except RecursionError:
        raise TooDeepError("it is nested too deeply") from None
    except (SchemaParseException, ValueError, TypeError, KeyError, AttributeError) as error:
        raise SchemaError(f"it is not an Avro schema: {type(error).__name__}") from None
    writer = parsed[-1]
    check_bounds(writer, named)
    wanted: list[Field] = []
    reader = None
    if fields is not None and isinstance(writer, dict) and kind_of(writer) in RECORDS:
        wanted = _wanted(writer, named, fields)
        reader = _only(writer, named, wanted)
    scales = _scales(wanted, named)

    def read(payload: bytes) -> Any:
        stream = io.BytesIO(payload)
        found: Any = fastavro.schemaless_reader(stream, writer, reader)
        if left := len(payload) - stream.tell():  # of another schema than its frame says
            raise ValueError(f"{left} bytes follow the value")
        for name, scale in scales.items():
            if isinstance(found[name], bytes):
                found[name] = _decimal(found[name], scale)
        return found

    return read


def _plain(schema: Schema) -> Schema:
    """The schema with the logical types removed that are not read as such.

    Decimals stay bytes: the reader takes minutes for a long one (`_decimal`). UUIDs stay strings.
    """
    logical = schema.get("logicalType")
    if logical not in {"decimal", "uuid"}:
        return schema
    plain = {n: v for n, v in schema.items() if n != "logicalType"}
    return plain | {DECIMAL: True} if logical == "decimal" else plain


def _wanted(writer: Schema, named: dict[str, Schema], fields: Collection[str]) -> list[Field]:
    """The requested fields of the record.

    Raises:
        SchemaError: a reader of selected fields may not build one of them as it was written.
    """
    found = [field for field in writer["fields"] if field["name"] in fields]
    for field in found:
        kinds = {kind_of(branch) for branch in _branches(field["type"], named)}
        if kinds & {*MANY, *RECORDS} or kinds >= _ALIKE:
            raise SchemaError(f"its field {field['name']} may be of type {sorted(kinds)}")
    return found


def _only(writer: Schema, named: dict[str, Schema], wanted: list[Field]) -> Schema:
    """The record with only these fields: a reader skips the others without building them."""
    fields = [{"name": field["name"], "type": _by_name(field["type"])} for field in wanted]
    record = {"type": "record", "name": writer["name"], "fields": fields}
    rest = {name: schema for name, schema in named.items() if name != writer["name"]}
    return fastavro.parse_schema(record, rest)


def _scales(wanted: list[Field], named: dict[str, Schema]) -> dict[str, int]:
    """Digits after the point of the fields that may be decimals."""
    found = {}
    for field in wanted:
        for branch in _branches(field["type"], named):
            if isinstance(branch, dict) and branch.get(DECIMAL):
                scale = branch.get("scale", 0)
                if not isinstance(scale, int) or not 0 <= scale <= MAX_SCALE:
                    raise SchemaError(f"the scale of {field['name']} is not 0 to {MAX_SCALE}")
                found[field["name"]] = scale
    return found


def _decimal(unscaled: bytes, scale: int) -> float:
    """Avro's logical type decimal: a big-endian integer, and the position of the point."""
    if len(unscaled) > MAX_DECIMAL_BYTES:
        raise ValueError("a decimal is too long")
    return float(Fraction(int.from_bytes(unscaled, "big", signed=True), 10**scale))


def _branches(schema: Schema, named: dict[str, Schema]) -> list[Schema]:
    """The types a value may have, with names resolved."""
    branches = schema if isinstance(schema, list) else [schema]
    return [named.get(name_of(branch) or "", branch) for branch in branches]


def _by_name(schema: Schema) -> Schema:
    """Without definitions: all names are known already."""
    if isinstance(schema, list):
        return list(map(_by_name, schema))
    return name_of(schema) or schema
