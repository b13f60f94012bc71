"""The parts of a dead letter that its encrypted value is bound to. Pure."""

from collections.abc import Iterable
from typing import Final

from consumer.batch.records import Record
from consumer.settings.environment import ILLEGAL_IN_TOPIC, LONGEST_TOPIC
from schemas.alert import Source
from schemas.dead_letter import REDRIVEN_HEADER, VALUE_HEADER, DeadLetter, Form

_FREE: Final = frozenset({VALUE_HEADER, REDRIVEN_HEADER})
"""Headers that are not bound as such: the form is bound separately, and a redrive replaces its mark
each time it keeps the dead letter."""


def joined(parts: Iterable[bytes | None]) -> bytes:
    """Parts joined into one value that no other parts can produce."""
    return b"".join(b"-" if p is None else b"%d:%s" % (len(p), p) for p in parts)


def bound_to(record: Record, form: Form) -> bytes:
    """Form, key and headers of a dead letter; the headers include its place, time and attempt."""
    own = [(name, value) for name, value in record.headers or () if name not in _FREE]
    flat = [part for name, value in own for part in (name.encode(), bytes_of(value))]
    return joined([form.value.encode(), record.key, *flat])


def place_of(record: DeadLetter | Source) -> str:
    """A place as messages state it: a record's, or that of the record a dead letter is about.

    Anyone may have written the dead letter, so what no topic name may contain is not repeated.
    """
    topic = ILLEGAL_IN_TOPIC.sub("?", record.topic)[:LONGEST_TOPIC]
    return f"{topic}[{record.partition}]@{record.offset}"


def bytes_of(value: str | bytes | None) -> bytes | None:
    """The value of a header as Kafka stores it."""
    return value.encode() if isinstance(value, str) else value
