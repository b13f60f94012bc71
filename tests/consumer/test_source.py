"""Where a source starts and rewinds to, with a consumer that returns what the test defines."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest
from confluent_kafka import (
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)

from consumer.errors import KafkaStoppedError
from consumer.intake.membership import generation
from consumer.intake.source import PATIENCE_S, ClaimSource
from consumer.kafka.portions import FEW
from consumer.settings.settings import Membership, Settings
from tests.consumer.fakes import Clock, Trusting
from tests.harness.kafka import FakeBroker, FakeConsumer, FakeMessage, Log


def made(
    reset: str,
    protocol: str = "classic",
    busy: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[ClaimSource, FakeConsumer]:
    """A source and its client, with two partitions that begin at 10, end at 50 and hold nothing."""
    client = FakeConsumer(FakeBroker())
    for partition in (0, 1):
        client.broker.logs["claims", partition] = Log(10, 50)
    settings = Settings(
        instance_id="i",
        membership=Membership.DYNAMIC,
        librdkafka={"auto.offset.reset": reset, "group.protocol": protocol},
    )

    def connect(_: Mapping[str, Any]) -> Any:
        return client

    source = ClaimSource(settings, lambda: None, busy, Trusting(), lambda _: None, connect, clock)
    return source, client


def assign(source: ClaimSource, client: Any) -> None:
    source._on_assign(cast(Consumer, client), [TopicPartition("claims", 0)])


def ends(client: FakeConsumer, low: int, high: int, partition: int = 0) -> None:
    log = client.broker.log("claims", partition)
    log.low, log.high = low, high


def commit(client: FakeConsumer, offset: int) -> None:
    client.broker.commit("group", [TopicPartition("claims", 0, offset)])


def holds(client: FakeConsumer, record: Callable[[int], FakeMessage]) -> None:
    """From its beginning the partition holds these, by offset."""
    client.broker.logs["claims", 0] = Log(10, 20_000, record)


def unfetched(clock: Callable[[], float] = time.monotonic) -> tuple[ClaimSource, FakeConsumer]:
    """A source that is to rewind, and its client, which does not fetch the partition yet."""
    source, client = made("earliest", clock=clock)
    assign(source, client)
    source.rewind(aborted=False)
    client.refuses["seek"] = KafkaError(KafkaError._STATE)
    return source, client


def test_an_abort_before_the_first_commit_loses_nothing() -> None:
    source, client = made("earliest")
    assign(source, client)
    ends(client, 5, 80)
    source.rewind(aborted=True)
    source.poll(1_000)
    assert (client.assigned_at, client.sought) == ([10], [10])


def test_the_earliest_is_the_beginning() -> None:
    source, client = made("earliest")
    assign(source, client)
    assert client.assigned_at == [10]
    assert source.lag({}) == {("claims", 0): 40}
    assert source.lag({("claims", 0): 45}) == {("claims", 0): 5}


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_the_client_is_never_left_to_find_the_place_itself(protocol: str) -> None:
    """It asks once, and never starts to read if the broker is not the coordinator just then."""
    source, client = made("earliest", protocol)
    commit(client, 10)
    client.refuses["committed"] = KafkaError(KafkaError.NOT_COORDINATOR, retriable=True)
    assign(source, client)
    assert client.assigned_at == [OFFSET_END]
    del client.refuses["committed"]
    source.rewind(aborted=False)
    source.poll(1_000)
    assert client.sought == [10]


def test_a_partition_that_is_never_fetched_stops_the_worker() -> None:
    clock = Clock()
    source, _ = unfetched(clock)
    assert source.poll(1_000).messages == []
    assert source.void
    clock.ahead_s += PATIENCE_S
    with pytest.raises(KafkaStoppedError, match=r"claims\[0\] is assigned, but the client has not"):
        source.poll(1_000)


def test_markers_at_the_end_are_no_lag() -> None:
    """The position is past the markers of transactions; what is committed is not."""
    source, client = made("earliest")
    assign(source, client)
    assert source.lag({("claims", 0): 49}) == {("claims", 0): 1}
    assert source.poll(1_000).messages == []
    assert source.lag({("claims", 0): 49}) == {("claims", 0): 0}


def test_what_was_deleted_is_not_lag() -> None:
    source, client = made("earliest")
    commit(client, 10)
    ends(client, 45, 50)
    assign(source, client)
    assert source.lag({}) == {("claims", 0): 5}


def test_what_an_open_transaction_holds_back_is_not_lag() -> None:
    source, client = made("earliest")
    assign(source, client)
    partitions = {"0": {"partition": 0, "ls_offset": 20}, "-1": {"ls_offset": -1001}}
    statistics = {"topics": {"claims": {"partitions": partitions}}, "brokers": {}}
    source._stable.note(json.dumps(statistics))
    assert source.lag({}) == {("claims", 0): 10}


def test_an_eager_rebalance_replaces_the_assignment() -> None:
    source, client = made("earliest")
    both = [TopicPartition("claims", 0), TopicPartition("claims", 1)]
    source._on_assign(cast(Consumer, client), both)
    source._on_revoke(cast(Consumer, client), both)
    assert source.assigned == set()
    source._on_assign(cast(Consumer, client), both[:1])
    assert client.assigned_at == [10]
    assert source.assigned == {("claims", 0)}


def test_under_the_consumer_protocol_partitions_come_and_go_one_by_one() -> None:
    source, client = made("earliest", "consumer")
    source._on_assign(cast(Consumer, client), [TopicPartition("claims", 0)])
    ends(client, 20, 50, partition=1)
    source._on_assign(cast(Consumer, client), [TopicPartition("claims", 1)])
    assert client.assigned_at == [10, 20]
    source._on_revoke(cast(Consumer, client), [TopicPartition("claims", 0)])
    assert client.assigned_at == [20]


@pytest.mark.parametrize(("lost", "begun"), [(False, 10), (True, 30)])
def test_the_beginning_is_asked_once_unless_another_worker_may_have_read(
    lost: bool, begun: int
) -> None:
    """Records deleted while an eager group rebalances are reported, not silently skipped."""
    source, client = made("earliest")
    place = [TopicPartition("claims", 0)]
    source._on_assign(cast(Consumer, client), place)
    ends(client, 30, 80)
    (source._on_lost if lost else source._on_revoke)(cast(Consumer, client), place)
    source._on_assign(cast(Consumer, client), place)
    assert client.assigned_at == [begun]


def test_a_partition_that_was_another_workers_is_begun_again() -> None:
    source, client = made("earliest")
    place = [TopicPartition("claims", 0)]
    source._on_assign(cast(Consumer, client), place)
    source._on_revoke(cast(Consumer, client), place)
    source._on_assign(cast(Consumer, client), [])
    ends(client, 30, 80)
    source._on_assign(cast(Consumer, client), place)
    assert client.assigned_at == [30]


def test_what_is_committed_comes_first() -> None:
    source, client = made("earliest")
    commit(client, 30)
    assign(source, client)
    commit(client, 42)
    source.rewind(aborted=False)
    source.poll(1_000)
    assert (client.assigned_at, client.sought) == ([30], [42])


def test_without_a_committed_offset_error_means_stop() -> None:
    source, client = made("error")
    with pytest.raises(KafkaStoppedError, match="KAFKA_AUTO_OFFSET_RESET"):
        assign(source, client)


class Refused:
    """A partition's answer with an error; the client's own cannot be made."""

    error = KafkaError(KafkaError.ILLEGAL_GENERATION)


def test_one_partition_refused_is_no_commit() -> None:
    source, client = made("earliest")
    offsets = [TopicPartition("claims", 0, 5)]
    source.commit(offsets)
    client.not_committed = [Refused()]
    with pytest.raises(KafkaException):
        source.commit(offsets)


def test_the_snapshot_is_of_the_assignment() -> None:
    """Under classic a new one comes with the next assignment, not with an abort."""
    source, client = made("earliest")
    assign(source, client)
    client.generation = 4
    source.rewind(aborted=True)
    source.poll(1_000)
    assert generation(source.group_metadata or b"") == 3


def test_under_the_consumer_protocol_an_abort_brings_a_new_one() -> None:
    source, client = made("earliest", "consumer")
    assign(source, client)
    client.generation = 4
    source.rewind(aborted=True)
    assert generation(source.group_metadata or b"") == 3
    source.poll(1_000)
    assert generation(source.group_metadata or b"") == 4


@pytest.mark.parametrize(
    "refusal", [KafkaError.STALE_MEMBER_EPOCH, KafkaError.UNKNOWN_MEMBER_ID, KafkaError._TIMED_OUT]
)
def test_no_snapshot_of_a_member_the_broker_does_not_know(refusal: int) -> None:
    source, client = made("earliest", "consumer")
    assign(source, client)
    client.generation = 4
    client.refuses["committed"] = KafkaError(refusal)
    source.rewind(aborted=True)
    for _ in range(3):
        assert source.poll(1_000).messages == []
        assert generation(source.group_metadata or b"") == 3
    client.refuses.clear()
    client.generation = 5
    source.poll(1_000)
    assert generation(source.group_metadata or b"") == 5


@pytest.mark.parametrize("none", [-1, 0])
@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_metadata_of_no_generation_fences_nothing_and_is_not_used(protocol: str, none: int) -> None:
    """A member thrown out between its assignment and the callback of it."""
    source, client = made("earliest", protocol)
    client.generation = none
    assign(source, client)
    assert source.group_metadata is None
    source.rewind(aborted=False)
    holds(client, lambda offset: FakeMessage(b"claim", offset))
    for _ in range(2):
        assert source.poll(1_000).messages == []
    assert client.asked == []


def test_an_assignment_does_not_wait_for_offsets() -> None:
    """The rewind finds them; a callback that waited would hold up the one that is the reason."""
    source, client = made("earliest")
    client.refuses["committed"] = KafkaError(KafkaError._TIMED_OUT)
    assign(source, client)
    assert client.assigned_at == [OFFSET_END]
    client.refuses.clear()
    source.rewind(aborted=False)
    source.poll(1_000)
    assert client.sought == [10]


def test_the_forms_of_group_metadata() -> None:
    with pytest.raises(ValueError, match="unknown format"):
        generation(b"CGMDv3:1234")


def test_a_batch_is_bounded_in_bytes() -> None:
    source, client = made("earliest", busy=lambda: True)
    large = bytes(1_000_000)
    holds(client, lambda offset: FakeMessage(large, offset))
    assign(source, client)
    assert 16 <= len(source.poll(1_000).messages) <= 18


@pytest.mark.parametrize(("value", "key"), [(1_000_000, 0), (0, 1_000_000), (40_000_000, 0)])
def test_no_more_is_taken_at_once_than_was_small_before(value: int, key: int) -> None:
    """A fetch may hold any number of records that are large once they are unpacked."""
    source, client = made("earliest")
    first, large, long = bytes(100), bytes(value), bytes(key)
    holds(client, lambda n: FakeMessage(first if n == 10 else large, n, key=long))
    assign(source, client)
    assert len(source.poll(1_000).messages) <= 2 + FEW


def test_small_records_fill_a_batch_at_once() -> None:
    source, client = made("earliest")
    holds(client, lambda offset: FakeMessage(bytes(500), offset, key=bytes(20)))
    assign(source, client)
    assert len(source.poll(1_000).messages) == 1_000
    assert len(client.asked) < 8


def test_a_fatal_error_that_comes_with_a_rebalance_stops_the_worker() -> None:
    """It is reported once: dropped with the void records, the worker would poll in vain forever."""
    source, client = made("earliest")
    assign(source, client)
    client.errors = [KafkaError(KafkaError._FATAL, "fenced", True)]
    client.while_consuming = lambda: source._on_revoke(cast(Consumer, client), [])
    with pytest.raises(KafkaStoppedError, match="fenced"):
        source.poll(1_000)


def test_claims_deleted_before_they_were_scored_are_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source, client = made("earliest")
    commit(client, 4)
    assign(source, client)
    source.rewind(aborted=False)
    source.poll(1_000)
    assert client.sought == [10]
    assert (
        "claims[0]: claims from offset 4 to 9 were deleted before they were scored" in caplog.text
    )


def test_deleted_claims_stop_the_worker_if_it_is_asked_to() -> None:
    source, client = made("error")
    commit(client, 4)
    assign(source, client)
    source.rewind(aborted=False)
    with pytest.raises(KafkaStoppedError, match=r"from offset 4 to 9 .* KAFKA_AUTO_OFFSET_RESET"):
        source.poll(1_000)


def test_an_offset_beyond_the_end_is_waited_for_and_then_refused() -> None:
    clock = Clock()
    source, client = made("earliest", clock=clock)
    commit(client, 60)
    assign(source, client)
    source.rewind(aborted=False)
    source.poll(1_000)
    assert client.sought == []
    clock.ahead_s += PATIENCE_S
    with pytest.raises(KafkaStoppedError, match=r"ends at 50, before the committed offset 60"):
        source.poll(1_000)


def test_a_partition_that_is_not_fetched_yet_is_set_to_its_start_later() -> None:
    """Else it would begin where it was assigned, which need not be where it has to begin."""
    source, client = unfetched()
    source.poll(1_000)
    assert source.void
    client.refuses.clear()
    source.poll(1_000)
    assert (source.void, client.sought) == (False, [10])
