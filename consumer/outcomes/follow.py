"""``python -m consumer outcomes``: live figures from alerts and outcomes.

Reads both topics from their beginning at every start, without a group: all its knowledge is in the
topics, so nothing has to be stored. One instance is enough.
"""

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable
from typing import Annotated, Final

import msgspec
from confluent_kafka import KafkaException, Message

from consumer.batch.records import coordinates
from consumer.dead_letters.binding import place_of
from consumer.kafka.client import (
    common_config,
    make_consumer,
    report_client_error,
    serve,
    stopped,
)
from consumer.kafka.portions import take
from consumer.kafka.reading import records
from consumer.outcomes.live_quality import KEPT, LiveQuality
from consumer.outcomes.metrics import OutcomeMetrics
from consumer.outcomes.partitions import EveryPartition
from consumer.outcomes.reading import credible, published_at, read_outcome
from consumer.outcomes.screening import Screening
from consumer.registry.wire import json_of
from consumer.settings.settings import Settings
from consumer.telemetry.health import Loop
from schemas.decoding.refusal import RefusedError, in_words
from schemas.unreadable import UNREADABLE

log = logging.getLogger(__name__)

LONGEST_ID: Final = 128
"""Characters of a claim's id: neither a claim nor an outcome may have a longer one."""
BATCH: Final = 2_000
IDLE_S: Final = 0.2
SCREEN_EVERY_S: Final = 1.0
"""The longest interval, while there is much to read."""


class _AlertView(msgspec.Struct, frozen=True):
    """The fields of an alert that are needed here."""

    claim_id: Annotated[str, msgspec.Meta(max_length=LONGEST_ID)]
    """Bounded, since half a million are remembered: a longer one is counted as unreadable."""
    model_version: Annotated[str, msgspec.Meta(max_length=200)]
    fraudulent: bool


def follow(
    settings: Settings,
    instruments: OutcomeMetrics,
    loop: Loop,
    stopping: threading.Event,
    screening: Screening,
) -> LiveQuality:
    """Read alerts and outcomes until asked to stop, and set bad outcomes aside.

    Args:
        settings: topics and connection.
        instruments: where figures go.
        loop: updated on every iteration.
        stopping: set to make it stop.
        screening: its session has been entered.

    Raises:
        KafkaStoppedError: Kafka does not let it continue.
    """
    wanted = settings.alerts_topic, settings.outcomes_topic
    topics = " and ".join(wanted)
    quality, opened = LiveQuality(), json_of(settings)
    consumer = make_consumer(
        {
            **common_config(settings),
            "group.id": f"{settings.consumer_group}-outcomes",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "error_cb": report_client_error,
        }
    )
    partitions, due, screened = EveryPartition(consumer, wanted), 0.0, False
    try:
        while not stopping.is_set():
            partitions.look()
            loop.assigned = partitions.count
            messages = take(consumer, BATCH, 0.0 if screened else IDLE_S)
            complete = not quality.forgotten
            for message in records(messages, topics):
                _take(message, settings, quality, instruments, opened)
            if complete and quality.forgotten:
                log.warning("more than %d claims: the oldest are no longer counted", KEPT)
            if messages:
                instruments.show(quality)
            if not messages or time.monotonic() > due:
                screened = screening.step()
                due = time.monotonic() + SCREEN_EVERY_S
            loop.turned()
        screening.settle()
    except KafkaException as error:
        serve(consumer)
        raise stopped(error, f"reading {topics}") from error
    finally:
        consumer.close()
    return quality


def _take(
    message: Message,
    settings: Settings,
    quality: LiveQuality,
    instruments: OutcomeMetrics,
    opened: Callable[[bytes], bytes],
) -> None:
    try:
        if message.topic() == settings.alerts_topic:
            alert = msgspec.json.decode(opened(message.value() or b""), type=_AlertView)
            quality.alert(alert.claim_id, alert.model_version, referred=alert.fraudulent)
        else:
            _take_outcome(message, quality)
    except (*UNREADABLE, RefusedError) as fault:
        instruments.unreadable.labels(message.topic()).inc()
        log.warning("unreadable: %s: %s", place_of(coordinates(message)), in_words(fault))


def _take_outcome(message: Message, quality: LiveQuality) -> None:
    outcome = read_outcome(message.value())
    published = published_at(message, dt.datetime.now(dt.UTC))
    decided_at = credible(outcome.decided_at or published, published)
    if decided_at is None:
        log.warning(
            "decided_at=%s is in the future, so the next finding replaces it: %s",
            outcome.decided_at,
            place_of(coordinates(message)),
        )
    quality.outcome(
        outcome.claim_id,
        outcome.outcome,
        decided_at,
        saved=outcome.amount_saved or 0.0,
        source=outcome.source,
    )
