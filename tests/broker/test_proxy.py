"""The proxy makes the faults it is asked for, and only those, on a real broker."""

import time
from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaException, Producer

from tests.broker import ports, topics, wait
from tests.broker.native import NativeKafka
from tests.broker.proxy import END_TXN, Direction, Proxy
from tests.broker.read import read_all

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def broker(native: type[NativeKafka]) -> Iterator[tuple[NativeKafka, Proxy]]:
    (port,) = ports.free_ports(1)
    with native(advertised=[port]) as kafka, Proxy(port, kafka.node.port) as proxy:
        yield kafka, proxy


@pytest.fixture
def proxy(broker: tuple[NativeKafka, Proxy]) -> Iterator[Proxy]:
    yield broker[1]
    broker[1].heal()


@pytest.fixture
def address(broker: tuple[NativeKafka, Proxy]) -> str:
    return broker[0].bootstrap


@pytest.fixture
def topic(address: str) -> str:
    return topics.create(address, topics.fresh_name())


def producer(address: str, name: str, seconds: float = 60) -> Producer:
    made = Producer(
        {
            "bootstrap.servers": address,
            "transactional.id": name,
            "transaction.timeout.ms": 60_000,
            "reconnect.backoff.max.ms": 200,
            "log_level": 0,
        }
    )
    made.init_transactions(seconds)
    return made


def test_clients_go_through_it(proxy: Proxy, address: str, topic: str) -> None:
    opened = proxy.opened
    topics.fill(address, topic, [(b"k", b"v")] * 1000)
    assert len(read_all(address, topic)) == 1000
    assert proxy.opened >= opened + 2


def test_a_cut_closes_connections_until_healed(proxy: Proxy, address: str, topic: str) -> None:
    made = producer(address, topic)
    proxy.cut()
    assert wait.brokers(address) == 0
    made.begin_transaction()
    made.produce(topic, b"v")
    assert made.flush(1) == 1
    proxy.heal()
    made.commit_transaction(60)
    assert [r.value for r in read_all(address, topic)] == [b"v"]


@pytest.mark.parametrize("direction", list(Direction))
def test_held_bytes_arrive_after_healing(
    proxy: Proxy, address: str, topic: str, direction: Direction
) -> None:
    made = producer(address, topic)
    made.begin_transaction()
    proxy.hold(direction)
    made.produce(topic, b"v")
    assert made.flush(1) == 1
    proxy.heal()
    assert made.flush(60) == 0
    made.commit_transaction(60)
    assert [r.value for r in read_all(address, topic)] == [b"v"]


def test_a_held_answer_was_done_by_the_broker(
    broker: tuple[NativeKafka, Proxy], proxy: Proxy, address: str, topic: str
) -> None:
    made = Producer({"bootstrap.servers": address, "log_level": 0})
    made.produce(topic, b"first")
    assert made.flush(60) == 0
    proxy.hold(Direction.TO_CLIENT)
    made.produce(topic, b"second")
    assert made.flush(1) == 1
    data = broker[0].node.folder / "data" / f"{topic}-0"
    wait.until(
        lambda: any(b"second" in f.read_bytes() for f in data.glob("*.log")),
        "the record behind the held answer",
    )


def test_delay_slows_each_frame(proxy: Proxy, address: str, topic: str) -> None:
    made = producer(address, topic)
    proxy.delay(Direction.TO_CLIENT, 0.5)
    started = time.monotonic()
    made.begin_transaction()
    made.produce(topic, b"v")
    made.commit_transaction(60)
    assert time.monotonic() - started >= 1.0


def test_a_delayed_end_of_transaction_is_indeterminate(
    proxy: Proxy, address: str, topic: str
) -> None:
    made = producer(address, topic)
    proxy.delay_answers(END_TXN, seconds=3)
    made.begin_transaction()
    made.produce(topic, b"v")
    with pytest.raises(KafkaException) as caught:
        made.commit_transaction(1)
    assert caught.value.args[0].retriable()
    assert proxy.met[END_TXN] == 1
    made.commit_transaction(60)
    assert [r.value for r in read_all(address, topic)] == [b"v"]


def test_an_answer_cut_off_belongs_to_a_done_request(
    proxy: Proxy, address: str, topic: str
) -> None:
    made = producer(address, topic)
    met = proxy.met.get(END_TXN, 0)
    proxy.cut_answers(END_TXN)
    made.begin_transaction()
    made.produce(topic, b"v")
    made.commit_transaction(60)
    assert proxy.met[END_TXN] == met + 1
    assert [r.value for r in read_all(address, topic)] == [b"v"]


def test_something_is_done_right_after_an_answer(proxy: Proxy, address: str, topic: str) -> None:
    done: list[bool] = []
    proxy.after_answer(END_TXN, lambda: done.append(True))
    made = producer(address, f"after-{topic}")
    for _ in range(2):
        made.begin_transaction()
        made.produce(topic, b"v")
        made.commit_transaction(60)
        wait.until(lambda: done, "the action")
    assert done == [True]  # for the first answer, not for the second
