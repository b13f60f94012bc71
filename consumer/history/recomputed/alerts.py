"""The latest alerts that say what was known, read from ALERTS_TOPIC."""

import datetime as dt
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

import msgspec
from confluent_kafka import Message

from consumer.batch.records import coordinates
from consumer.dead_letters.binding import place_of
from consumer.history.access.gather import progress
from consumer.history.access.scan import CommittedReader
from consumer.registry.wire import json_of
from consumer.settings.settings import Settings
from consumer.stop import Stop
from schemas.alert import EntityHistory, MemoryStatus, Source
from schemas.decoding.refusal import RefusedError, in_words
from schemas.unreadable import UNREADABLE

log = logging.getLogger(__name__)

FURTHER: Final = 8
"""Factor by which to look further back each time too few alerts are found."""


class StatedHistory(msgspec.Struct, frozen=True):
    """The fields of an alert that say what was known, about whom and when."""

    alert_id: str
    claim_id: str
    model_sha256: str
    scored_at: dt.datetime
    source: Source | None = None
    history: tuple[EntityHistory, ...] | None = None
    memory: MemoryStatus | None = None
    data_quality: tuple[str, ...] = ()


class LatestAlerts(NamedTuple):
    """The latest alerts that say what was known."""

    alerts: list[StatedHistory]
    """Of one model, the earliest first."""
    others: int
    """As recent, but of other models: their history may be of other kinds."""


def latest_alerts(settings: Settings, most: int, model_sha256: str, stop: Stop) -> LatestAlerts:
    """The latest alerts that say what was known, as far as Kafka still has them.

    Args:
        settings: topic and connection.
        most: how many.
        model_sha256: of the model whose alerts are taken.
        stop: ends a read.

    Raises:
        KafkaStoppedError: the topic cannot be read.
        StoppedError: a signal asked to stop.
    """
    reader = CommittedReader(settings, settings.alerts_topic, stop, "earliest")
    read, end, back = json_of(settings), reader.ends(), 2 * most
    while True:
        start = {partition: max(0, offset - back) for partition, offset in end.items()}
        with progress() as tell:
            found = [
                alert
                for messages in reader.read(start, end, tell)
                for alert in _stated(messages, read)
            ]
        if len(found) >= most or not any(start.values()):
            break
        back *= FURTHER
    latest = sorted(found, key=lambda alert: (alert.scored_at, alert.alert_id))[-most:]
    own = [alert for alert in latest if alert.model_sha256 == model_sha256]
    return LatestAlerts(own, len(latest) - len(own))


def _stated(messages: Iterable[Message], read: Callable[[bytes], bytes]) -> Iterator[StatedHistory]:
    for message in messages:
        try:
            alert = msgspec.json.decode(read(message.value() or b""), type=StatedHistory)
        except (*UNREADABLE, RefusedError) as fault:
            log.warning("unreadable: %s: %s", place_of(coordinates(message)), in_words(fault))
        else:
            if alert.memory is not None:
                yield alert
