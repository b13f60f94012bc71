"""The readers the other tests trust see what is there, and what is not."""

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.broker import topics, wait
from tests.broker.read import committed, end_offsets, read_all
from tests.broker.transactions import open_transactions, transactions, unstable_partitions
from tests.conftest import NewTopic

pytestmark = pytest.mark.kafka


def transactional(bootstrap: str, transactional_id: str) -> Producer:
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": transactional_id})
    producer.init_transactions(60)
    return producer


def test_reads_every_record_of_every_partition(kafka: str, new_topic: NewTopic) -> None:
    topic = new_topic(partitions=3)
    rows = [(b"k%d" % i, b"v%d" % i) for i in range(300)]
    topics.fill(kafka, topic, rows, partitions=3)
    found = read_all(kafka, topic)
    assert sorted((r.key, r.value) for r in found) == sorted(rows)
    assert [r.offset for r in found] == [*range(100)] * 3
    assert [r.partition for r in found] == [0] * 100 + [1] * 100 + [2] * 100


def test_an_empty_topic_reads_as_nothing(kafka: str, new_topic: NewTopic) -> None:
    assert read_all(kafka, new_topic(partitions=2)) == []


def test_headers_and_missing_values_are_kept(kafka: str, new_topic: NewTopic) -> None:
    topic = new_topic()
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(topic, None, b"key", headers=[("a", b"1"), ("b", None)])
    assert producer.flush(60) == 0
    (found,) = read_all(kafka, topic)
    assert (found.key, found.value) == (b"key", None)
    assert found.headers == (("a", b"1"), ("b", None))
    assert found.header("a") == b"1"


def test_read_committed_hides_aborted_records(kafka: str, new_topic: NewTopic) -> None:
    topic = new_topic()
    producer = transactional(kafka, topic)
    for value, end in (
        (b"aborted", producer.abort_transaction),
        (b"kept", producer.commit_transaction),
    ):
        producer.begin_transaction()
        producer.produce(topic, value)
        assert producer.flush(60) == 0
        end(60)
    assert [r.value for r in read_all(kafka, topic)] == [b"kept"]
    assert [r.value for r in read_all(kafka, topic, "read_uncommitted")] == [b"aborted", b"kept"]


def test_an_open_transaction_is_seen_until_it_ends(kafka: str, new_topic: NewTopic) -> None:
    topic = new_topic()
    producer = transactional(kafka, topic)
    producer.begin_transaction()
    producer.produce(topic, b"pending")
    assert producer.flush(60) == 0
    assert [t.transactional_id for t in open_transactions(kafka)] == [topic]
    assert unstable_partitions(kafka, [topic]) == [(topic, 0)]
    assert read_all(kafka, topic) == []
    producer.commit_transaction(60)
    wait.until(lambda: not open_transactions(kafka), "the end of the transaction")
    assert topic in {t.transactional_id for t in transactions(kafka)}
    assert unstable_partitions(kafka, [topic]) == []
    assert [r.value for r in read_all(kafka, topic)] == [b"pending"]


def test_end_offsets_count_commit_markers(kafka: str, new_topic: NewTopic) -> None:
    topic = new_topic()
    producer = transactional(kafka, topic)
    producer.begin_transaction()
    producer.produce(topic, b"one")
    producer.commit_transaction(60)
    wait.until(
        lambda: end_offsets(kafka, [topic]) == {(topic, 0): 2}, "a record and its commit marker"
    )


def test_committed_offsets_by_partition(kafka: str, new_topic: NewTopic) -> None:
    topic = new_topic(partitions=2)
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": topic})
    consumer.commit(offsets=[TopicPartition(topic, 1, 7)], asynchronous=False)
    consumer.close()
    assert committed(kafka, topic, topic) == {1: 7}
    assert committed(kafka, topics.fresh_name("group"), topic) == {}
