"""Claims framed by a Schema Registry: JSON Schema and Avro.

Source: Confluent wire format, version 0: a zero byte, the schema's id in four bytes (big-endian),
the payload. No JSON text begins with a zero byte, so plain claims are recognised by it and handled
as usual. The writer's schema decides how the payload is read; `Claim` decides whether it is a valid
claim, as for any other.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Any, Final, NamedTuple

import msgspec

from consumer.batch.decode import Decoded, check_size, decode
from consumer.registry.avro_bounds import SchemaError, TooDeepError
from consumer.registry.avro_reader import avro_reader
from consumer.registry.avro_values import PayloadError
from consumer.registry.client import Registry
from schemas.dead_letter import Header, Reason
from schemas.decoding.decoder import ClaimDecoder
from schemas.decoding.refusal import RefusedError

MAGIC: Final = 0
PREFIX_BYTES: Final = 5
MOST_IDS: Final = 2**31
"""Schema ids are Java integers; a registry treats a larger one as if its URL were wrong."""


class FramedClaims:
    """Decodes claims, framed or plain."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._opened: tuple[ClaimDecoder, Frames] | None = None

    def __call__(
        self, value: bytes | None, headers: Iterable[Header], decoder: ClaimDecoder
    ) -> Decoded:
        """Read one claim from a record; see `consumer.batch.decode.decode`.

        Raises:
            RefusedError: the content of the frame is not a claim, or its schema is unknown.
            RegistryStoppedError: the registry does not return the schema.
        """
        if not value or value[0] != MAGIC:
            return decode(value, headers, decoder)
        check_size(value)
        content = self._frames_of(decoder).opened(value)
        if content.json is not None:
            return decode(content.json, (), decoder)
        return Decoded(decoder.convert(content.built))

    def _frames_of(self, decoder: ClaimDecoder) -> "Frames":
        """What builds the fields of that contract; another model may have another."""
        if self._opened is None or self._opened[0] is not decoder:
            names = {field.encode_name for field in msgspec.structs.fields(decoder.wire)}
            self._opened = decoder, Frames(self._registry, names)
        return self._opened[1]


class Content(NamedTuple):
    """The content of a frame: JSON, or the decoded value of Avro."""

    json: bytes | None
    built: Any = None


class Frames:
    """Opens frames.

    Args:
        registry: knows the schemas.
        fields: build only these fields of an Avro record; None builds all.
    """

    def __init__(self, registry: Registry, fields: Collection[str] | None = None) -> None:
        self._registry = registry
        self._fields = fields
        self._readers: dict[int, Callable[[bytes], Any] | RefusedError] = {}

    def opened(self, value: bytes) -> Content:
        """The content of a framed value.

        Raises:
            RefusedError: it cannot be read.
            RegistryStoppedError: the registry does not return the schema.
        """
        if len(value) <= PREFIX_BYTES:
            raise RefusedError(Reason.INVALID, "a schema registry frame without content")
        schema_id = int.from_bytes(value[1:PREFIX_BYTES], "big")
        kind = self._registry.kind(schema_id) if schema_id < MOST_IDS else None
        if kind == "JSON":
            return Content(value[PREFIX_BYTES:])
        if kind == "AVRO":
            return Content(None, self._read_avro(value[PREFIX_BYTES:], schema_id))
        what = "is not in the registry" if kind is None else f"is {kind}, not JSON or AVRO"
        raise RefusedError(Reason.INVALID, f"schema {schema_id} {what}")

    def as_json(self, value: bytes) -> bytes:
        """The JSON of a value, framed or plain; see `opened`."""
        if value[:1] != bytes([MAGIC]):
            return value
        content = self.opened(value)
        return msgspec.json.encode(content.built) if content.json is None else content.json

    def _read_avro(self, payload: bytes, schema_id: int) -> Any:
        if schema_id not in self._readers:
            self._readers[schema_id] = self._reader(schema_id)
        read = self._readers[schema_id]
        if isinstance(read, RefusedError):
            raise RefusedError(read.reason, str(read))
        try:
            return read(payload)
        except (ValueError, OverflowError) as error:
            # The text of other errors may contain parts of the record.
            why = error if isinstance(error, PayloadError) else type(error).__name__
            raise RefusedError(
                Reason.INVALID, f"the payload is not valid Avro for schema {schema_id}: {why}"
            ) from None

    def _reader(self, schema_id: int) -> Callable[[bytes], Any] | RefusedError:
        """A function that reads payloads of the schema, or the reason why none is read."""
        try:
            return avro_reader(self._registry.texts(schema_id), self._fields)
        except SchemaError as error:
            reason = Reason.TOO_DEEP if isinstance(error, TooDeepError) else Reason.INVALID
            return RefusedError(reason, f"schema {schema_id} cannot be used: {error}")
