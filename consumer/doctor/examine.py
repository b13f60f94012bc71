"""``python -m consumer doctor``: checks what the guarantees depend on, and changes nothing."""

import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, wait
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from consumer.doctor.asked import ANSWER_S, AskedGroup, AskedTopic, ask_group, ask_nodes, ask_topics
from consumer.doctor.brokers import judge_nodes, unreachable
from consumer.doctor.files import files
from consumer.doctor.findings import Diagnosis, unknown, wrong
from consumer.doctor.group import (
    Newest,
    judge_clock,
    judge_group,
    judge_open,
    judge_progress,
)
from consumer.doctor.ports import ports
from consumer.doctor.topics import INTERNAL, Use, forwarding, judge_internal, judge_topic, sizes
from consumer.errors import SettingsError
from consumer.kafka import group
from consumer.kafka.client import (
    TRANSACTION_TIMEOUT_MS,
    consumer_config,
    kafka_error,
    make_consumer,
    transaction_timeout_s,
    transactional_id,
)
from consumer.kafka.outputs import Ends
from consumer.kafka.producing import make_producer
from consumer.kafka.topics import COUNTS_AND_WRITES, READS, admin
from consumer.settings.settings import Delivery, Forward, Remember, Settings

APART_S: Final = 1.0
"""Seconds between two checks of open transactions."""

Topics = Mapping[str, AskedTopic | KafkaError]


def examine(settings: Settings) -> Iterator[Diagnosis]:
    """All findings, each as soon as it is available."""
    yield from ports(settings)
    yield from files(settings)
    reasons: list[str] = []
    try:
        _as_a_worker(settings)
        client = admin(settings, lambda error: reasons.append(error.str()))
    except SettingsError as error:
        yield wrong("kafka client", str(error), "correct the setting", error.exit_code)
        return
    try:
        nodes = ask_nodes(client)
    except KafkaException as error:
        client.poll(0.1)  # the error only says that there was no answer; the reasons say why
        why = reasons or [kafka_error(error).str()]
        yield unreachable(settings.kafka_bootstrap_servers, why, ANSWER_S)
        yield unknown("topics, group, transactions", "not checked", "make a broker reachable first")
        return
    exactly_once = settings.delivery is Delivery.EXACTLY_ONCE
    yield from judge_nodes(nodes, _timeout_ms(settings) if exactly_once else None)
    yield from _kafka(settings, client)


def _as_a_worker(settings: Settings) -> None:
    """Make the clients of a worker, which check properties that others do not have.

    Raises:
        SettingsError: one of them rejects a KAFKA_* setting.
    """
    make_producer(settings)
    make_consumer(consumer_config(settings)).close()


def _timeout_ms(settings: Settings) -> int:
    return int(settings.librdkafka.get("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS))


def _kafka(settings: Settings, client: AdminClient) -> Iterator[Diagnosis]:
    uses = uses_of(settings)
    found = ask_topics(client, [*(use.topic for use in uses), *INTERNAL])
    for use in uses:
        yield from judge_topic(use, found[use.topic])
    if settings.api_forward is not Forward.OFF:
        yield forwarding(settings.claims_topic, found[settings.claims_topic])
    outputs = settings.alerts_topic, settings.dead_letter_topic
    yield sizes(settings.claims_topic, outputs, found)
    members = ask_group(client, settings.consumer_group)
    yield from judge_group(members, settings.consumer_group, settings.group_protocol)
    yield _progress(settings, client, members)
    yield transactional_right(settings)
    for name in INTERNAL:
        yield judge_internal(name, found[name])
    written = [topic for name in outputs if isinstance(topic := found[name], AskedTopic)]
    newest = _newest(client, written)
    yield _open(settings, client, found)
    yield _clock(newest, _newest(client, written))


def uses_of(settings: Settings) -> list[Use]:
    """The topics, and how the product uses each."""
    remembers = settings.memory is Remember.ON
    return [
        Use(settings.claims_topic, READS),
        Use(settings.alerts_topic, COUNTS_AND_WRITES),
        Use(settings.dead_letter_topic, COUNTS_AND_WRITES),
        *([Use(settings.memory_topic, COUNTS_AND_WRITES, compacted=True)] if remembers else []),
        Use(settings.outcomes_topic, READS, by_worker=False),
        Use(settings.outcomes_dead_letter_topic, COUNTS_AND_WRITES, by_worker=False),
    ]


def transactional_right(settings: Settings) -> Diagnosis:
    """Never checked: the only way is to begin, and that fences a worker with the same id."""
    check = "transactional id rights"
    if settings.delivery is not Delivery.EXACTLY_ONCE:
        return unknown(check, "not needed with DELIVERY=at-least-once", "nothing to do")
    return unknown(
        check,
        f"Write on {transactional_id(settings)} cannot be checked without fencing its worker",
        "start the worker: without the right it exits with code 4 and names it",
    )


def _progress(
    settings: Settings, client: AdminClient, members: AskedGroup | KafkaError
) -> Diagnosis:
    reader = group.reader(settings)
    try:
        found = group.ask(client, reader, settings.consumer_group, settings.claims_topic, _wait)
    except KafkaException as error:
        text = kafka_error(error).str()
        return unknown(
            "progress", text, "check again once the claims topic and the group are in order"
        )
    finally:
        reader.close()
    return judge_progress(found, isinstance(members, AskedGroup) and bool(members.members))


def _wait(asked: Iterable[Future[Any]]) -> None:
    if wait(list(asked), group.limit_s()).not_done:
        raise group.late()


def _open(settings: Settings, client: AdminClient, found: Topics) -> Diagnosis:
    looked = settings.claims_topic, settings.alerts_topic, settings.dead_letter_topic
    ends = Ends(client, [name for name in looked if isinstance(found[name], AskedTopic)])
    try:
        written = ends.written()
        first = ends.open(written)
        time.sleep(APART_S)
        second = ends.open(written)
    except KafkaException as error:
        return unknown("open transactions", kafka_error(error).str(), "check again")
    return judge_open(first, second, APART_S, transaction_timeout_s(settings))


def _newest(client: AdminClient, topics: Iterable[AskedTopic]) -> Newest | KafkaError:
    newest = OffsetSpec.max_timestamp()  # type: ignore[no-untyped-call]
    places = [TopicPartition(t.name, n) for t in topics for n in range(len(t.partitions))]
    latest: dict[str, int] = {}
    asked_ms = _now_ms()
    asked = (
        client.list_offsets(dict.fromkeys(places, newest), request_timeout=ANSWER_S)
        if places
        else {}
    )
    try:
        for place, answer in asked.items():
            at = answer.result().timestamp
            latest[place.topic] = max(at, latest.get(place.topic, -1))
    except KafkaException as error:
        return kafka_error(error)
    return Newest(asked_ms, latest)


def _clock(first: Newest | KafkaError, second: Newest | KafkaError) -> Diagnosis:
    if isinstance(first, KafkaError):
        return unknown("clock", first.str(), "check again")
    if isinstance(second, KafkaError):
        return unknown("clock", second.str(), "check again")
    return judge_clock(first, second, _now_ms())


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
