"""Bounds on what a payload can expand to under an Avro schema, computed before reading. Pure.

A few bytes can encode any number of values at any depth, and the schema is the producer's. A
schema is safe if no payload can produce more than `VALUES_PER_BYTE` values per byte plus
`FREE_VALUES`, or nest deeper than `MAX_DEPTH`.
"""

from collections.abc import Iterator
from typing import Any, Final

AvroSchema = Any
"""A parsed schema: a dict, a list of branches, or a name."""

MAX_DEPTH: Final = 32
VALUES_PER_BYTE: Final = 4
FREE_VALUES: Final = 10_000

MOST_BYTES: Final = 100_000
"""Of a payload whose schema has a collection anywhere: a value may take a single byte, and reading
it a microsecond. A batch of claims must be read in less time than Kafka gives its worker.
"""

LEAST_BYTES: Final = {
    "null": 0, "boolean": 1, "int": 1, "long": 1, "float": 4, "double": 8, "bytes": 1, "string": 1,
    "enum": 1, "array": 1, "map": 1,
}  # fmt: skip
"""Minimum size of an encoded value; for a collection, of its count."""
MANY: Final = ("array", "map")
RECORDS: Final = ("record", "error")


class SchemaError(ValueError):
    """A schema cannot be used to read claims; says why."""


class TooManyError(ValueError):
    """A payload is too large for a schema with collections; says why."""


class TooDeepError(SchemaError):
    """A schema nests too deeply, or endlessly."""


def check_bounds(schema: AvroSchema, named: dict[str, AvroSchema]) -> bool:
    """Refuse a schema that is not safe.

    Returns:
        True if a value of it may contain an array or a map.

    Args:
        schema: parsed.
        named: its named types, and those of the schemas it refers to.

    Raises:
        SchemaError: says what is unbounded.
    """
    bounds = _Bounds(named)
    excess, _ = bounds.measure(schema, 1)
    if excess > FREE_VALUES:
        raise SchemaError(f"one value of it may contain {excess} values that take no bytes")
    return bounds.has_collection


def kind_of(schema: AvroSchema) -> str:
    """The type of a schema; for a reference to a definition elsewhere, its name."""
    if isinstance(schema, list):
        return "union"
    return str(schema["type"]) if isinstance(schema, dict) else str(schema)


def name_of(schema: AvroSchema) -> str | None:
    """The name of a record, an enumeration or a fixed, whether defined here or elsewhere."""
    if isinstance(schema, dict):
        return schema.get("name")
    return schema if isinstance(schema, str) and schema not in LEAST_BYTES else None


class _Bounds:
    """The number of values a payload can produce from a schema.

    For each type: the maximum number of values beyond `VALUES_PER_BYTE` per byte. A type that may
    be repeated must not have an excess; otherwise a few bytes could produce any number of values.
    """

    def __init__(self, named: dict[str, AvroSchema]) -> None:
        self._named = named
        self._known: dict[str, tuple[int, int]] = {}
        self._open: set[str] = set()
        self.has_collection = False

    def measure(self, schema: AvroSchema, level: int) -> tuple[int, int]:
        """Excess and depth of a type at this level."""
        name = name_of(schema)
        if name is None:
            return self._measure_unnamed(schema, level)
        if name in self._open:
            raise TooDeepError(f"{name} is recursive")
        if name not in self._known:
            self._open.add(name)
            self._known[name] = self._measure_unnamed(self._named[name], level)
            self._open.remove(name)
        return self._known[name]

    def _measure_unnamed(self, schema: AvroSchema, level: int) -> tuple[int, int]:
        _check_depth(level)
        kind = kind_of(schema)
        self.has_collection |= kind in MANY
        if kind == "fixed":
            return 1 - VALUES_PER_BYTE * _size(schema), 1
        # A name may occur deeper than where it was measured, so both directions are checked.
        parts = [self.measure(part, level + 1) for part in _parts(schema, kind)]
        depth = 1 + max((depth for _, depth in parts), default=0)
        _check_depth(depth)
        excesses = [excess for excess, _ in parts]
        if kind == "union":
            return max(excesses, default=0) - VALUES_PER_BYTE, depth
        if kind in RECORDS:
            return 1 + sum(excesses), depth
        if kind in MANY:
            key = VALUES_PER_BYTE if kind == "map" else 0
            if excesses[0] > key:
                raise SchemaError(f"its {kind}s may contain values that take no bytes")
        return 1 - VALUES_PER_BYTE * LEAST_BYTES[kind], depth


def _check_depth(levels: int) -> None:
    if levels > MAX_DEPTH:
        raise TooDeepError(f"it is more than {MAX_DEPTH} levels deep")


def _size(fixed: AvroSchema) -> int:
    size = fixed["size"]
    if not isinstance(size, int) or size < 0:
        raise SchemaError(f"the size of {fixed['name']} is not a number of bytes")
    return size


def _parts(schema: AvroSchema, kind: str) -> Iterator[AvroSchema]:
    if kind == "union":
        yield from schema
    elif kind in RECORDS:
        for field in schema["fields"]:
            yield field["type"]
    elif kind in MANY:
        yield schema["items" if kind == "array" else "values"]
