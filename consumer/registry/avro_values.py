"""Decoders of Avro values, made once from a schema. Pure.

Strict, so that a payload of another schema is not mistaken for a claim: indices are those of a
branch or a symbol, a number fits its type, a block is as long as it says, and every value is
complete, whether it is kept or not.

Source: Apache Avro 1.12 specification, section "Binary encoding".
"""

import struct
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any, Final

from fastavro.read import LOGICAL_READERS

from consumer.registry.avro_bounds import MANY, RECORDS, AvroSchema, SchemaError, kind_of, name_of

Decode = Callable[[bytes, int], tuple[Any, int]]
"""Maps a payload and a position in it to the value there and the position after it."""

DECIMAL: Final = "decimal"
"""Attribute that replaces the logical type in a schema."""
MAX_SCALE: Final = 100
MAX_DECIMAL_BYTES: Final = 32
_TOO_LARGE: Final = 1 << 64
_LAST_SHIFT: Final = 63
_FLOATS: Final = {"float": struct.Struct("<f"), "double": struct.Struct("<d")}


class PayloadError(ValueError):
    """A payload does not match its schema; says why, without quoting it."""


class AvroDecoders:
    """Makes decoders, one for each named type: a schema may name a type any number of times.

    Args:
        named: the named types that schemas may refer to.
    """

    def __init__(self, named: dict[str, AvroSchema]) -> None:
        self._named = named
        self._known: dict[tuple[str, bool], Decode] = {}

    def of(self, schema: AvroSchema, *, keep: bool = True) -> Decode:
        """A decoder of a schema within the bounds of `consumer.registry.avro_bounds`.

        It raises `PayloadError`, or ValueError or OverflowError for a logical type or text.

        Args:
            schema: parsed.
            keep: build the value; otherwise the payload is only checked.

        Raises:
            SchemaError: a decimal that is kept has a scale beyond `MAX_SCALE`.
        """
        name = name_of(schema)
        if name is None:
            return self._of_unnamed(schema, keep=keep)
        if (name, keep) not in self._known:
            self._known[name, keep] = self._of_unnamed(self._named[name], keep=keep)
        return self._known[name, keep]

    def _of_unnamed(self, schema: AvroSchema, *, keep: bool) -> Decode:
        kind = kind_of(schema)
        if kind == "union":
            return _union([self.of(branch, keep=keep) for branch in schema])
        if kind in RECORDS:
            fields = [(f["name"], self.of(f["type"], keep=keep)) for f in schema["fields"]]
            return record(fields, frozenset(name for name, _ in fields) if keep else frozenset())
        if kind in MANY:
            part = self.of(schema["items" if kind == "array" else "values"], keep=keep)
            return _array(part, keep=keep) if kind == "array" else _map(part, keep=keep)
        simple = _simple(schema, kind)
        return _logical(schema, kind, simple) if keep and isinstance(schema, dict) else simple


def record(fields: list[tuple[str, Decode]], kept: frozenset[str]) -> Decode:
    """A decoder of a record as a dict of the fields that are kept; the others are only checked."""
    parts = [(name if name in kept else None, decode) for name, decode in fields]

    def decode(data: bytes, at: int) -> tuple[dict[str, Any], int]:
        found = {}
        for name, part in parts:
            value, at = part(data, at)
            if name is not None:
                found[name] = value
        return found, at

    return decode


def _simple(schema: AvroSchema, kind: str) -> Decode:
    """A decoder of a type without parts, regardless of its logical type."""
    if kind in _FLOATS:
        return _float(_FLOATS[kind])
    if kind == "fixed":
        size: int = schema["size"]
        return lambda data, at: _taken(data, at, size)
    return _enum(schema["symbols"]) if kind == "enum" else _PRIMITIVE[kind]


def _logical(schema: dict[str, Any], kind: str, simple: Decode) -> Decode:
    """A decoder that also reads the logical type, if that is known."""
    read: Callable[..., Any] | None = LOGICAL_READERS.get(f"{kind}-{schema.get('logicalType')}")
    if DECIMAL in schema and kind in {"bytes", "fixed"}:
        read = partial(_decimal, scale=_scale(schema))
    if read is None:
        return simple

    def decode(data: bytes, at: int) -> tuple[Any, int]:
        value, at = simple(data, at)
        return read(value), at

    return decode


def _scale(schema: dict[str, Any]) -> int:
    scale = schema.get("scale", 0)
    if type(scale) is not int or not 0 <= scale <= MAX_SCALE:
        raise SchemaError(f"the scale of a decimal is not 0 to {MAX_SCALE}")
    return scale


def _decimal(unscaled: bytes, scale: int) -> float:
    """Avro's logical type decimal: a big-endian integer, and the position of the point."""
    if len(unscaled) > MAX_DECIMAL_BYTES:
        raise PayloadError("a decimal is too long")
    return float(Fraction(int.from_bytes(unscaled, "big", signed=True), 10**scale))


def _long(data: bytes, at: int) -> tuple[int, int]:
    """A whole number of at most 64 bits: seven bits per byte, the lowest first, zig-zag."""
    number = shift = 0
    while at < len(data):
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80 and number < _TOO_LARGE:
            return (number >> 1) ^ -(number & 1), at
        shift += 7
        if shift > _LAST_SHIFT:
            raise PayloadError("a number has more than 64 bits")
    raise PayloadError("it ends within a value")


def _int(data: bytes, at: int) -> tuple[int, int]:
    number, at = _long(data, at)
    if not -(1 << 31) <= number < 1 << 31:
        raise PayloadError("an int has more than 32 bits")
    return number, at


def _taken(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    end = at + size
    if end > len(data):
        raise PayloadError("it ends within a value")
    return data[at:end], end


def _bytes(data: bytes, at: int) -> tuple[bytes, int]:
    size, at = _long(data, at)
    if size < 0:
        raise PayloadError("a length is negative")
    return _taken(data, at, size)


def _string(data: bytes, at: int) -> tuple[str, int]:
    text, at = _bytes(data, at)
    return text.decode(), at


def _boolean(data: bytes, at: int) -> tuple[bool, int]:
    byte, at = _taken(data, at, 1)
    if byte > b"\1":
        raise PayloadError("a boolean is neither 0 nor 1")
    return byte == b"\1", at


def _null(_: bytes, at: int) -> tuple[None, int]:
    return None, at


_PRIMITIVE: Final[dict[str, Decode]] = {
    "null": _null,
    "boolean": _boolean,
    "int": _int,
    "long": _long,
    "bytes": _bytes,
    "string": _string,
}


def _float(form: struct.Struct) -> Decode:
    def decode(data: bytes, at: int) -> tuple[float, int]:
        taken, at = _taken(data, at, form.size)
        return form.unpack(taken)[0], at

    return decode


def _enum(symbols: list[str]) -> Decode:
    def decode(data: bytes, at: int) -> tuple[str, int]:
        index, at = _long(data, at)
        if not 0 <= index < len(symbols):
            raise PayloadError("an enum has no symbol of that index")
        return symbols[index], at

    return decode


def _union(branches: list[Decode]) -> Decode:
    count = len(branches)

    def decode(data: bytes, at: int) -> tuple[Any, int]:
        index, at = _long(data, at)
        if 0 <= index < count:
            return branches[index](data, at)
        raise PayloadError("a union has no branch of that index")

    return decode


def _array(part: Decode, *, keep: bool) -> Decode:
    def decode(data: bytes, at: int) -> tuple[list[Any], int]:
        found: list[Any] = []

        def item(at: int) -> int:
            value, at = part(data, at)
            if keep:
                found.append(value)
            return at

        return found, _blocks(data, at, item)

    return decode


def _map(part: Decode, *, keep: bool) -> Decode:
    def decode(data: bytes, at: int) -> tuple[dict[str, Any], int]:
        found: dict[str, Any] = {}

        def item(at: int) -> int:
            key, at = _string(data, at)
            value, at = part(data, at)
            if keep:
                found[key] = value
            return at

        return found, _blocks(data, at, item)

    return decode


def _blocks(data: bytes, at: int, item: Callable[[int], int]) -> int:
    """Read the items of a collection; returns the position after it.

    A block begins with the number of its items; if that is negative, a length in bytes follows.
    An empty block is the last one.
    """
    while True:
        count, at = _long(data, at)
        if count == 0:
            return at
        end = None
        if count < 0:
            size, at = _long(data, at)
            count, end = -count, at + size
        for _ in range(count):
            at = item(at)
        if end is not None and at != end:
            raise PayloadError("a block is not as long as it says")
