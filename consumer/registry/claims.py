"""Claims framed by a Schema Registry: JSON Schema and Avro.

Source: Confluent wire format, version 0: a zero byte, the schema's id in four bytes (big-endian),
the payload. No JSON text begins with a zero byte, so plain claims are told apart by it and handled
as usual. The writer's schema decides how the payload is read; `Claim` decides whether it is a valid
claim, as for any other.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from consumer.batch.decode import Decoded, decode, not_known
from consumer.registry.answers import MOST_BYTES
from consumer.registry.avro_bounds import SchemaError, TooDeepError, TooManyError
from consumer.registry.avro_reader import avro_reader, field_names
from consumer.registry.avro_values import PayloadError
from consumer.registry.client import TOO_LARGE, LateError, Registry
from schemas.dead_letter import Header, Reason
from schemas.decoding.decoder import ClaimDecoder
from schemas.decoding.refusal import RefusedError
from schemas.decoding.size import check_size
from schemas.decoding.unknown import UnknownFields

MAGIC: Final = 0
PREFIX_BYTES: Final = 5
KEPT_SIZE: Final = 4_000_000
"""Total of the readers that are kept: those of other schemas are rebuilt when used. Readers take
about 25 bytes per character, and the schemas are the producers'."""
EACH: Final = 1_000
"""Base size of any reader, however short its schema."""
MOST_IDS: Final = 2**31
"""Schema ids are Java integers; a registry treats a larger one as if its URL were wrong."""


class HasValue(Protocol):
    """The part of a record that is used here."""

    def value(self) -> bytes | None: ...  # noqa: D102


def _id_of(value: bytes) -> int:
    return int.from_bytes(value[1:PREFIX_BYTES], "big")


def _none(_: Iterable[str]) -> tuple[str, ...]:
    return ()


class FramedClaims:
    """Decodes claims, framed or plain.

    Args:
        registry: knows the schemas.
        unknown: what to do with fields that the contract does not know; for an Avro record, those
            of its writer's schema.
    """

    def __init__(self, registry: Registry, unknown: UnknownFields = UnknownFields.FLAG) -> None:
        self._registry = registry
        self._unknown = unknown
        self._opened: tuple[ClaimDecoder, Frames] | None = None

    def prepare(self, messages: Iterable[HasValue]) -> None:
        """Learn the schemas of a batch; see `Registry.learn`.

        Raises:
            RegistryStoppedError: the registry does not answer.
        """
        values = (message.value() for message in messages)
        ids = {_id_of(v) for v in values if v and v[0] == MAGIC and len(v) > PREFIX_BYTES}
        self._registry.learn([schema_id for schema_id in ids if schema_id < MOST_IDS])

    def __call__(
        self, value: bytes | None, headers: Iterable[Header], decoder: ClaimDecoder
    ) -> Decoded:
        """Read one claim from a record; see `consumer.batch.decode.decode`.

        Raises:
            RefusedError: the content of the frame is not a claim, or its schema is unknown.
            RegistryStoppedError: the registry does not return the schema.
        """
        if not value or value[0] != MAGIC:
            return decode(value, headers, decoder, self._unknown)
        check_size(value)
        content = self._frames_of(decoder).opened(value)
        if content.json is not None:
            return decode(content.json, (), decoder, self._unknown)
        names = () if self._unknown is UnknownFields.IGNORE else content.unknown_fields
        claim = decoder.convert(content.built)
        if names and self._unknown is UnknownFields.REFUSE:
            raise not_known(names)
        return Decoded(claim, names)

    def _frames_of(self, decoder: ClaimDecoder) -> "Frames":
        """The frames for the fields of that contract; another model may have another."""
        if self._opened is None or self._opened[0] is not decoder:
            names = {field.encode_name for field in msgspec.structs.fields(decoder.wire)}
            self._opened = decoder, Frames(self._registry, names, decoder.unknown_names)
        return self._opened[1]


class Content(NamedTuple):
    """The content of a frame: JSON, or the decoded value of Avro."""

    json: bytes | None
    built: Any = None
    unknown_fields: tuple[str, ...] = ()
    """Those of the Avro record that nobody asked for."""


class Frames:
    """Opens frames.

    Args:
        registry: knows the schemas.
        fields: build only these fields of an Avro record; None builds all.
        unknown: picks the unknown ones from the names of a record's fields.
    """

    def __init__(
        self,
        registry: Registry,
        fields: Collection[str] | None = None,
        unknown: Callable[[Iterable[str]], tuple[str, ...]] = _none,
    ) -> None:
        self._registry = registry
        self._fields = fields
        self._choose = unknown
        self._readers: OrderedDict[int, Reader] = OrderedDict()
        """The most recently used last."""
        self._kept = 0

    def opened(self, value: bytes) -> Content:
        """The content of a framed value.

        Raises:
            RefusedError: it cannot be read.
            RegistryStoppedError: the registry does not return the schema.
        """
        if len(value) <= PREFIX_BYTES:
            raise RefusedError(Reason.INVALID, "a schema registry frame without content")
        schema_id = _id_of(value)
        if schema_id in self._registry.late:
            raise RefusedError(Reason.INVALID, f"schema {schema_id}: {LateError()}")
        kind = self._registry.kind(schema_id) if schema_id < MOST_IDS else None
        if kind == "JSON":
            return Content(value[PREFIX_BYTES:])
        if kind == "AVRO":
            reader = self._reader_of(schema_id)
            if isinstance(reader.read, RefusedError):
                raise RefusedError(reader.read.reason, str(reader.read))
            built = _built(reader.read, value[PREFIX_BYTES:], schema_id)
            return Content(None, built, reader.unknown)
        what = "is not in the registry" if kind is None else f"is {kind}, not JSON or AVRO"
        if kind == TOO_LARGE:
            what = f"is too large: over {MOST_BYTES:,} bytes"
        raise RefusedError(Reason.INVALID, f"schema {schema_id} {what}")

    def as_json(self, value: bytes) -> bytes:
        """The JSON of a value, framed or plain; see `opened`."""
        if value[:1] != bytes([MAGIC]):
            return value
        content = self.opened(value)
        return msgspec.json.encode(content.built) if content.json is None else content.json

    def _reader_of(self, schema_id: int) -> "Reader":
        """The reader of a schema, which is examined only once while it is in use.

        Raises:
            RefusedError: there was no time for it in this batch.
        """
        reader = self._readers.get(schema_id)
        if reader is None:
            try:
                reader = self._readers[schema_id] = self._reader(schema_id)
            except LateError as error:
                raise RefusedError(Reason.INVALID, f"schema {schema_id}: {error}") from None
            self._kept += reader.size
            while self._kept > KEPT_SIZE:
                self._kept -= self._readers.popitem(last=False)[1].size
        self._readers.move_to_end(schema_id)
        return reader

    def _reader(self, schema_id: int) -> "Reader":
        try:
            texts = self._registry.texts(schema_id)
            read = avro_reader(texts, self._fields)
            unknown = self._choose(field_names(texts[-1]))
            return Reader(EACH + sum(map(len, texts)), read, unknown)
        except LateError:
            raise
        except SchemaError as error:
            reason = Reason.TOO_DEEP if isinstance(error, TooDeepError) else Reason.INVALID
            said = f"schema {schema_id} cannot be used: {error}"
            return Reader(EACH, RefusedError(reason, said))


class Reader(NamedTuple):
    """Reads payloads of a schema."""

    size: int
    """Characters of the schema and of those that it refers to, plus `EACH`."""
    read: Callable[[bytes], Any] | RefusedError
    """Reads one, or is the reason why none can be read."""
    unknown: tuple[str, ...] = ()
    """Names of its fields that the contract does not know."""


def _built(read: Callable[[bytes], Any], payload: bytes, schema_id: int) -> Any:
    """The value of a payload."""
    try:
        return read(payload)
    except TooManyError as error:
        raise RefusedError(Reason.TOO_LARGE, f"schema {schema_id}: {error}") from None
    except (ValueError, OverflowError) as error:
        # The text of other errors may contain parts of the record.
        why = error if isinstance(error, PayloadError) else type(error).__name__
        raise RefusedError(
            Reason.INVALID, f"the payload is not valid Avro for schema {schema_id}: {why}"
        ) from None
