"""Where a source begins and goes back to, with a consumer that answers what the test says."""

from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from consumer import source as source_module
from consumer.errors import KafkaStoppedError
from consumer.settings import Settings
from consumer.source import ClaimSource


class Client:
    """The consumer of the client library, as far as offsets go."""

    def __init__(self, _: dict[str, Any]) -> None:
        self.committed_offset = -1001
        self.ends = (10, 50)
        self.sought: list[int] = []
        self.assigned_at: list[int] = []

    def subscribe(self, *_: Any, **__: Any) -> None: ...

    def committed(self, places: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        return [TopicPartition(p.topic, p.partition, self.committed_offset) for p in places]

    def get_watermark_offsets(self, *_: Any, **__: Any) -> tuple[int, int]:
        return self.ends

    def position(self, places: list[TopicPartition]) -> list[TopicPartition]:
        return [TopicPartition(p.topic, p.partition, 50) for p in places]

    def incremental_assign(self, places: list[TopicPartition]) -> None:
        self.assigned_at += [p.offset for p in places]

    def assignment(self) -> list[TopicPartition]:
        return [TopicPartition("claims", 0)] if self.assigned_at else []

    def seek(self, place: TopicPartition) -> None:
        self.sought.append(place.offset)

    def poll(self, _: float) -> None: ...

    def consumer_group_metadata(self) -> str:
        return "snapshot"

    def commit(self, offsets: list[TopicPartition], asynchronous: bool) -> list[TopicPartition]:
        return offsets


def made(monkeypatch: pytest.MonkeyPatch, reset: str) -> tuple[ClaimSource, Any]:
    monkeypatch.setattr(source_module, "Consumer", Client)
    settings = Settings(instance_id="i", librdkafka={"auto.offset.reset": reset})
    source = ClaimSource(settings, lambda: None, lambda: False)
    return source, source._consumer


def assign(source: ClaimSource, client: Any) -> None:
    source._on_assign(client, [TopicPartition("claims", 0)])


def test_an_abort_before_the_first_commit_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    source, client = made(monkeypatch, "latest")
    assign(source, client)
    client.ends = (10, 80)
    source.rewind(aborted=True)
    source.poll()
    assert (client.assigned_at, client.sought) == ([50], [50])


def test_the_earliest_is_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    source, client = made(monkeypatch, "earliest")
    assign(source, client)
    assert client.assigned_at == [10]
    assert source.lag({}) == {("claims", 0): 40}
    assert source.lag({("claims", 0): 45}) == {("claims", 0): 5}


def test_markers_at_the_end_are_no_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    """The position is past the markers of transactions; what is committed is not."""
    source, _ = made(monkeypatch, "earliest")
    assign(source, source._consumer)
    assert source.lag({("claims", 0): 49}) == {("claims", 0): 1}
    assert source.poll().messages == []
    assert source.lag({("claims", 0): 49}) == {("claims", 0): 0}


def test_what_is_committed_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    source, client = made(monkeypatch, "latest")
    client.committed_offset = 30
    assign(source, client)
    client.committed_offset = 42
    source.rewind(aborted=False)
    source.poll()
    assert (client.assigned_at, client.sought) == ([30], [42])


def test_without_a_committed_offset_error_means_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    source, client = made(monkeypatch, "error")
    with pytest.raises(KafkaStoppedError, match="KAFKA_AUTO_OFFSET_RESET"):
        assign(source, client)


class Refused:
    """A partition's answer with an error; the client's own cannot be made."""

    error = KafkaError(KafkaError.ILLEGAL_GENERATION)


def test_one_partition_refused_is_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    source, client = made(monkeypatch, "earliest")
    offsets = [TopicPartition("claims", 0, 5)]
    source.commit(offsets)
    monkeypatch.setattr(client, "commit", lambda **_: [*offsets, Refused()])
    with pytest.raises(KafkaException):
        source.commit(offsets)
