"""Reads Avro with its writer's schema, within the bounds of `consumer.registry.avro_bounds`.

Only the requested fields of a record are built; they must not contain other values.
"""

import json
from collections.abc import Callable, Collection
from typing import Any, Final

import fastavro
from fastavro.schema import SchemaParseException

from consumer.registry.avro_bounds import (
    MANY,
    MOST_BYTES,
    RECORDS,
    AvroSchema,
    SchemaError,
    TooDeepError,
    TooManyError,
    check_bounds,
    kind_of,
    name_of,
)
from consumer.registry.avro_values import DECIMAL, AvroDecoders, Decode, PayloadError, record

NAMED: Final = (*RECORDS, "enum", "fixed")
LONGEST_NAME: Final = 500
"""Characters of the name or the namespace of a type."""


def avro_reader(
    texts: Collection[str], fields: Collection[str] | None = None
) -> Callable[[bytes], Any]:
    """Return a function that reads payloads of a schema.

    Args:
        texts: the schema, preceded by those it refers to.
        fields: build only these fields of a record; None builds all.

    Raises:
        SchemaError: it is not a schema, or not one that is safe to read with.

    The function raises ValueError, such as `PayloadError`, or OverflowError on bytes that do not
    match the schema, and `TooManyError` on those that could take too long to read.
    """
    named: dict[str, AvroSchema] = {}
    try:
        parsed = [fastavro.parse_schema(_tree(text), named) for text in texts]
    except RecursionError:
        raise TooDeepError("it is nested too deeply") from None
    except SchemaError:
        raise
    except (SchemaParseException, ValueError, TypeError, KeyError, AttributeError) as error:
        raise SchemaError(f"it is not an Avro schema: {type(error).__name__}") from None
    writer = parsed[-1]
    try:
        most = MOST_BYTES if check_bounds(writer, named) else None
        decode = _decoder(writer, named, fields)
    except (TypeError, KeyError, AttributeError) as error:
        raise SchemaError(f"it is not an Avro schema: {type(error).__name__}") from None

    def read(payload: bytes) -> Any:
        if most is not None and len(payload) > most:
            raise TooManyError(
                f"{len(payload):,} bytes are more than the {most:,} of a claim whose schema has "
                "arrays or maps"
            )
        found, end = decode(payload, 0)
        if left := len(payload) - end:  # not of the schema that its frame names
            raise PayloadError(f"{left} bytes follow the value")
        return found

    return read


def field_names(text: str) -> list[str]:
    """Names of the fields of a schema that can be read; none if it is not a record.

    Other types may have an attribute named `fields`, which means nothing.
    """
    schema = json.loads(text)
    if not isinstance(schema, dict) or kind_of(schema) not in RECORDS:
        return []
    return [str(field["name"]) for field in schema["fields"]]


def _tree(text: str) -> AvroSchema:
    """A schema, parsed from JSON.

    Raises:
        ValueError: it is not JSON, or contains half of a surrogate pair, which no alert can.
    """
    tree = json.loads(text, object_hook=_plain)
    json.dumps(tree, ensure_ascii=False).encode()
    return tree


def _decoder(
    writer: AvroSchema, named: dict[str, AvroSchema], fields: Collection[str] | None
) -> Decode:
    decoders = AvroDecoders(named)
    if fields is None or kind_of(writer) not in RECORDS:
        return decoders.of(writer)
    parts: list[tuple[str, Decode]] = []
    for field in writer["fields"]:
        name, kind = field["name"], field["type"]
        try:
            if name in fields:
                _check_single(kind, named)
            parts.append((name, decoders.of(kind, keep=name in fields)))
        except SchemaError as error:
            raise SchemaError(f"its field {name}: {error}") from None
    return record(parts, frozenset(fields))


def _plain(schema: AvroSchema) -> AvroSchema:
    """The schema without the logical types that are not read the way the library reads them.

    Decimals become numbers: the library takes minutes for a long one. UUIDs stay strings.

    Raises:
        SchemaError: the name of a type is too long.
    """
    # Each type within has the namespace in its full name.
    names = [schema.get("namespace")]
    if schema.get("type") in NAMED:
        names.append(schema.get("name"))
    if any(isinstance(name, str) and len(name) > LONGEST_NAME for name in names):
        raise SchemaError(f"the name of a type has more than {LONGEST_NAME} characters")
    logical = schema.get("logicalType")
    if logical not in {"decimal", "uuid"}:
        return schema
    plain = {n: v for n, v in schema.items() if n != "logicalType"}
    return plain | {DECIMAL: True} if logical == "decimal" else plain


def _check_single(schema: AvroSchema, named: dict[str, AvroSchema]) -> None:
    """Check that a field of a claim is a single value.

    Raises:
        SchemaError: it may contain other values.
    """
    branches = schema if isinstance(schema, list) else [schema]
    kinds = {kind_of(named.get(name_of(branch) or "", branch)) for branch in branches}
    if kinds & {"union", *MANY, *RECORDS}:
        raise SchemaError(f"it may be of type {sorted(kinds)}")
