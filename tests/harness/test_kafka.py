"""The fake client and a real one, on the same questions: where they differ, the fake is wrong."""

from typing import Any, NamedTuple

import pytest
from confluent_kafka import OFFSET_INVALID, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Producer as RealProducer

from tests.broker import topics, wait
from tests.harness.kafka import FakeBroker, FakeConsumer, FakeProducer

STATE = KafkaError._STATE


class Kafka:
    """Clients of one topic of one partition, which is new."""

    def __init__(self) -> None:
        self.topic = topics.fresh_name("contract")
        self._broker = FakeBroker()

    def producer(self, *, transactional: bool = False) -> Any:
        return FakeProducer(self._broker, transactional=transactional)

    def consumer(self) -> Any:
        return FakeConsumer(self._broker)

    def at(self, offset: int = OFFSET_INVALID) -> TopicPartition:
        return TopicPartition(self.topic, 0, offset)


class RealKafka(Kafka):
    """The same with the client library and a broker."""

    def __init__(self, bootstrap: str) -> None:
        super().__init__()
        self._config: dict[str, str | int | float | bool] = {"bootstrap.servers": bootstrap}
        topics.create(bootstrap, self.topic)

    def producer(self, *, transactional: bool = False) -> Any:
        name = {"transactional.id": f"{self.topic}-writer"} if transactional else {}
        return RealProducer({**self._config, **name})

    def consumer(self) -> Any:
        config = {
            "group.id": f"{self.topic}-group", "enable.auto.commit": False,
            "auto.offset.reset": "earliest", "isolation.level": "read_committed",
        }  # fmt: skip
        return Consumer({**self._config, **config})


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.kafka)])
def given(request: pytest.FixtureRequest) -> Kafka:
    if request.param == "fake":
        return Kafka()
    return RealKafka(request.getfixturevalue("kafka"))


class Reported(NamedTuple):
    """A delivery report."""

    code: int | None
    value: bytes


def reporter(to: list[Reported]) -> Any:
    def report(error: KafkaError | None, message: Any) -> None:
        to.append(Reported(None if error is None else error.code(), message.value()))

    return report


def state_error(call: Any, *arguments: object) -> None:
    with pytest.raises(KafkaException) as refused:
        call(*arguments)
    assert refused.value.args[0].code() == STATE


def filled(given: Kafka, *values: bytes | None) -> None:
    producer = given.producer()
    for value in values:
        producer.produce(given.topic, value, b"k")
    assert producer.flush(60) == 0


def reading(given: Kafka, offset: int = 0) -> Any:
    consumer = given.consumer()
    consumer.assign([given.at(offset)])
    return consumer


def next_of(consumer: Any, count: int) -> list[Any]:
    """The next records; more may be asked for than are there."""
    found: list[Any] = []

    def enough() -> bool:
        found.extend(consumer.consume(count + 1 - len(found), 1.0))
        return len(found) >= count

    wait.until(enough, "the next records")
    return found


def one_of(consumer: Any) -> Any:
    """The next record alone."""
    return wait.until(lambda: consumer.consume(1, 1.0), "a record")[0]


def nothing_more(consumer: Any) -> None:
    assert consumer.poll(1.0) is None


def test_records_are_reported_once_they_are_delivered(given: Kafka) -> None:
    reports: list[Reported] = []
    producer = given.producer()
    producer.produce(given.topic, b"a", b"k", on_delivery=reporter(reports))
    producer.produce(given.topic, b"b", b"k", on_delivery=reporter(reports))
    assert len(producer) == 2
    assert reports == []
    assert producer.flush(60) == 0
    assert reports == [Reported(None, b"a"), Reported(None, b"b")]
    assert len(producer) == 0


def test_what_is_purged_is_reported_and_not_delivered(given: Kafka) -> None:
    reports: list[Reported] = []
    producer = given.producer(transactional=True)
    producer.init_transactions(60)
    producer.begin_transaction()
    producer.produce(given.topic, b"a", b"k", on_delivery=reporter(reports))
    producer.purge()
    producer.flush(60)
    assert [r.code for r in reports] == [KafkaError._PURGE_QUEUE]


def test_a_message_is_what_was_produced(given: Kafka) -> None:
    producer = given.producer()
    headers = [("a", b"1"), ("a", None), ("b", b"")]
    producer.produce(given.topic, b"value", b"key", headers=headers)
    producer.produce(given.topic, None, None)
    producer.flush(60)
    consumer = reading(given)
    first, second = one_of(consumer), one_of(consumer)
    assert (first.topic(), first.partition(), first.offset()) == (given.topic, 0, 0)
    assert (first.key(), first.value(), first.headers()) == (b"key", b"value", headers)
    assert (first.error(), len(first), first.timestamp()[0]) == (None, 5, 1)
    assert (second.offset(), second.key(), second.value()) == (1, None, None)
    assert (second.headers(), len(second)) == (None, 0)
    consumer.close()


def test_reading_starts_where_it_is_assigned_and_goes_on(given: Kafka) -> None:
    filled(given, b"a", b"b", b"c", b"d")
    consumer = reading(given, 1)
    assert consumer.position([given.at()])[0].offset == OFFSET_INVALID
    assert one_of(consumer).value() == b"b"
    assert consumer.position([given.at()])[0].offset == 2
    assert [m.value() for m in next_of(consumer, 2)] == [b"c", b"d"]
    nothing_more(consumer)
    assert consumer.consume(5, 0) == []
    consumer.seek(given.at(0))
    assert one_of(consumer).value() == b"a"
    assert consumer.get_watermark_offsets(given.at(), timeout=60) == (0, 4)
    consumer.close()


def test_a_partition_that_is_not_assigned_cannot_be_sought(given: Kafka) -> None:
    consumer = given.consumer()
    with pytest.raises(KafkaException):
        consumer.seek(given.at(0))
    consumer.close()


def test_assignments_replace_and_increments_add(given: Kafka) -> None:
    filled(given, b"a")
    consumer = given.consumer()
    assert consumer.assignment() == []
    consumer.assign([given.at(0)])
    assert [(p.topic, p.partition) for p in consumer.assignment()] == [(given.topic, 0)]
    consumer.assign([])
    assert consumer.assignment() == []
    consumer.incremental_assign([given.at(0)])
    assert one_of(consumer).value() == b"a"
    consumer.incremental_unassign([given.at()])
    assert consumer.assignment() == []
    consumer.close()


def test_committed_offsets_with_their_metadata(given: Kafka) -> None:
    consumer = reading(given)
    assert consumer.committed([given.at()], timeout=60)[0].offset == OFFSET_INVALID
    answers = consumer.commit(
        offsets=[TopicPartition(given.topic, 0, 3, "receipt")], asynchronous=False
    )
    assert [(p.offset, p.error) for p in answers] == [(3, None)]
    (found,) = consumer.committed([given.at()], timeout=60)
    assert (found.offset, found.metadata, found.error) == (3, "receipt", None)
    consumer.close()


def test_records_and_offsets_of_a_transaction_are_seen_once_it_commits(given: Kafka) -> None:
    reports: list[Reported] = []
    consumer, producer = reading(given), given.producer(transactional=True)
    metadata = consumer.consumer_group_metadata()
    producer.init_transactions(60)
    producer.begin_transaction()
    producer.produce(given.topic, b"a", b"k", on_delivery=reporter(reports))
    producer.send_offsets_to_transaction([TopicPartition(given.topic, 0, 7)], metadata, 60)
    producer.commit_transaction(60)
    assert reports == [Reported(None, b"a")]
    assert one_of(consumer).value() == b"a"
    assert consumer.committed([given.at()], timeout=60)[0].offset == 7
    nothing_more(consumer)
    assert consumer.get_watermark_offsets(given.at(), timeout=60) == (0, 2), "the marker counts"
    assert consumer.position([given.at()])[0].offset == 2
    consumer.close()


def test_records_and_offsets_of_an_aborted_transaction_are_never_seen(given: Kafka) -> None:
    consumer, producer = reading(given), given.producer(transactional=True)
    metadata = consumer.consumer_group_metadata()
    producer.init_transactions(60)
    producer.begin_transaction()
    producer.produce(given.topic, b"a", b"k")
    producer.flush(60)
    producer.send_offsets_to_transaction([TopicPartition(given.topic, 0, 7)], metadata, 60)
    producer.abort_transaction(60)
    producer.begin_transaction()
    producer.produce(given.topic, b"b", b"k")
    producer.commit_transaction(60)
    found = one_of(consumer)
    assert (found.value(), found.offset()) == (b"b", 2)
    nothing_more(consumer)
    assert consumer.committed([given.at()], timeout=60)[0].offset == OFFSET_INVALID
    consumer.close()


def test_calls_out_of_order_are_refused(given: Kafka) -> None:
    producer = given.producer(transactional=True)
    state_error(producer.begin_transaction)
    producer.init_transactions(60)
    state_error(producer.produce, given.topic, b"a", b"k")
    state_error(producer.commit_transaction, 60)
    producer.begin_transaction()
    state_error(producer.begin_transaction)
    producer.abort_transaction(60)
