"""Input and output of a batch: records, and the part of a consumed one that is used."""

from typing import NamedTuple, Protocol

from consumer.batch.decode import Headers
from schemas.alert import Source
from schemas.dead_letter import Header


class Message(Protocol):
    """The part of a consumed record that is used (confluent_kafka.Message has this form)."""

    def topic(self) -> str | None: ...  # noqa: D102
    def partition(self) -> int | None: ...  # noqa: D102
    def offset(self) -> int | None: ...  # noqa: D102
    def key(self) -> bytes | None: ...  # noqa: D102
    def value(self) -> bytes | None: ...  # noqa: D102
    def headers(self) -> Headers | None: ...  # noqa: D102
    def set_headers(self, headers: list[Header]) -> None: ...  # noqa: D102
    def timestamp(self) -> tuple[int, int]: ...  # noqa: D102


class Record(NamedTuple):
    """One record to publish; its topic is chosen by the publisher."""

    key: bytes | None
    value: bytes | None
    headers: list[Header] | None
    timestamp_ms: int = 0
    """Milliseconds since the epoch; 0 for the time of publishing."""


def coordinates(message: Message) -> Source:
    """Topic, partition and offset of a consumed record."""
    return Source(message.topic(), message.partition(), message.offset())  # type: ignore[arg-type]
