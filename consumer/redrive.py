"""Dead letters back to the claims topic, exactly once and without loops.

The original record (key, value, its own headers) is produced to the claims topic with the count
of its attempts in a header; the worker scores it like any other claim, and when it is refused
again, the next dead letter carries the count on. Each batch of dead letters is one transaction
with its offsets, in a group of its own (``CONSUMER_GROUP-redrive``), so that none is sent twice.
A dead letter that a filter leaves out, that was tried too often or is redacted, is appended to
the dead-letter topic again in the same transaction: it waits there for the next redrive.
"""

import sys
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from consumer.batch import next_offsets
from consumer.client import consumer_config, refused_property, stopped
from consumer.errors import KafkaStoppedError
from consumer.producing import make_producer, partitions, produce
from consumer.records import coordinates
from consumer.redrive_plan import Filter, Redriven, plan, read_letter
from consumer.sealing import Opener, make_opener
from consumer.settings import Delivery, Membership, Settings
from consumer.sizes import compressed
from schemas.alert import Source
from schemas.dead_letter import DeadLetter

BATCH: Final = 500
TIMEOUT_S: Final = 30.0


def redrive(
    settings: Settings,
    wanted: Filter,
    *,
    limit: int | None = None,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Redriven:
    """Send dead letters back to the claims topic.

    Reads from where the last redrive ended to the end as it is now, so that what is kept or
    refused again meanwhile is not met a second time.

    Args:
        settings: topics and connection.
        wanted: which dead letters to send.
        limit: stop after so many were sent.
        dry_run: print them as JSON lines and change nothing.
        progress: told how many records were looked at.

    Raises:
        KafkaStoppedError: Kafka refuses, another redrive runs, or a value was changed.
        SettingsError: the key of an encrypted dead letter is missing; those before it were sent.
    """
    # The producer comes first: it ends what a killed redrive left open and fences one that still
    # runs, so that nobody moves the offsets that are read next.
    opener = None if dry_run else make_opener(settings)
    producer = None if dry_run else _producer(settings)
    consumer = _consumer(settings)
    try:
        ends = _assign(consumer, settings.dead_letter_topic)
        batches = _batches(consumer, ends)
        if producer is None or opener is None:
            return _show(batches, wanted, limit)
        return _send(settings, producer, consumer, batches, wanted, limit, opener, progress)
    except KafkaException as error:
        raise stopped(error, "redriving") from error
    finally:
        consumer.close()


def _own(settings: Settings) -> Settings:
    return msgspec.structs.replace(
        settings,
        consumer_group=f"{settings.consumer_group}-redrive",
        instance_id="redrive",
        membership=Membership.DYNAMIC,
        delivery=Delivery.EXACTLY_ONCE,
    )


def _producer(settings: Settings) -> Producer:
    producer = make_producer(compressed(_own(settings)))
    try:
        producer.init_transactions(TIMEOUT_S)
    except KafkaException as error:
        raise stopped(error, "starting the transactional producer") from error
    return producer


def _consumer(settings: Settings) -> Consumer:
    config: dict[str, Any] = {
        **consumer_config(_own(settings)),
        "isolation.level": "read_committed",
    }
    try:
        return Consumer(config)
    except KafkaException as error:
        raise refused_property(error) from error


def _assign(consumer: Consumer, topic: str) -> dict[int, int]:
    """Start every partition where the last redrive ended; returns the ends, by partition."""
    found = consumer.list_topics(topic, timeout=TIMEOUT_S).topics[topic]
    if found.error is not None:
        raise KafkaStoppedError(f"{topic}: {found.error.str()}")
    wanted = [TopicPartition(topic, partition) for partition in found.partitions]
    committed = consumer.committed(wanted, timeout=TIMEOUT_S)
    starts, ends = [], {}
    for place in committed:
        low, high = consumer.get_watermark_offsets(place, timeout=TIMEOUT_S)
        start = max(low, place.offset if place.offset >= 0 else low)
        starts.append(
            TopicPartition(topic, place.partition, start if start > low else OFFSET_BEGINNING)
        )
        if start < high:
            ends[place.partition] = high
    consumer.assign(starts)
    return ends


def _batches(consumer: Consumer, ends: dict[int, int]) -> Iterable[list[Message]]:
    """Batches up to the given ends. Aborted records leave gaps, so the position decides."""
    left = dict(ends)
    while left:
        messages = [m for m in consumer.consume(BATCH, 0.2) if m.error() is None]
        wanted = [m for m in messages if _before(coordinates(m), ends)]
        for place in consumer.position(consumer.assignment()):
            if place.offset >= left.get(place.partition, sys.maxsize):
                del left[place.partition]
        if wanted:
            yield wanted


def _before(place: Source, ends: dict[int, int]) -> bool:
    return place.offset < ends.get(place.partition, 0)


def _show(batches: Iterable[list[Message]], wanted: Filter, limit: int | None) -> Redriven:
    done = Redriven(0, 0)
    for messages in batches:
        step = plan(messages, wanted, _room(limit, done.sent), _unopened)
        for letter in step.letters:
            sys.stdout.write(msgspec.json.encode(letter).decode() + "\n")
        done = done.and_then(step)
        if _room(limit, done.sent) == 0:
            break
    return done


def _unopened(value: bytes | None, _: DeadLetter) -> bytes | None:
    """A dry run sends nothing, and whoever lists dead letters needs no key."""
    return value


def _send(
    settings: Settings,
    producer: Producer,
    consumer: Consumer,
    batches: Iterable[list[Message]],
    wanted: Filter,
    limit: int | None,
    opener: Opener,
    progress: Callable[[int], None],
) -> Redriven:
    done = Redriven(0, 0)
    for messages in batches:
        cut = _cut(messages, wanted, _room(limit, done.sent))
        step = plan(cut, wanted, _room(limit, done.sent), opener)
        producer.begin_transaction()
        produce(producer, settings.claims_topic, step.claims)
        produce(producer, settings.dead_letter_topic, step.kept)
        producer.send_offsets_to_transaction(
            partitions(next_offsets(map(coordinates, cut))),
            consumer.consumer_group_metadata(),
            TIMEOUT_S,
        )
        producer.commit_transaction(TIMEOUT_S)
        done = done.and_then(step)
        progress(done.sent + done.kept)
        if _room(limit, done.sent) == 0:
            break
    return done


def _cut(messages: list[Message], wanted: Filter, room: int) -> list[Message]:
    """The batch up to the last dead letter that the limit has room for."""
    for index, message in enumerate(messages):
        letter = read_letter(message)
        room -= letter is not None and wanted.matches(letter)
        if room == 0:
            return messages[: index + 1]
    return messages


def _room(limit: int | None, sent: int) -> int:
    return sys.maxsize if limit is None else limit - sent
