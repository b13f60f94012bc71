"""The broker that tests may break: it keeps its ports and data, and leaves nothing behind."""

import socket
from pathlib import Path

import psutil
import pytest

from tests.broker import jars, topics, wait
from tests.broker.native import NativeKafka
from tests.broker.read import read_all

pytestmark = pytest.mark.kafka


def test_data_and_port_outlive_a_kill(native: type[NativeKafka]) -> None:
    with native() as kafka:
        address = kafka.bootstrap
        topic = topics.create(address, topics.fresh_name())
        topics.fill(address, topic, [(b"k", b"v")])
        kafka.node.kill()
        assert wait.brokers(address) == 0
        kafka.node.start()
        kafka.ready()
        assert kafka.bootstrap == address
        assert [r.value for r in read_all(address, topic)] == [b"v"]


def test_a_paused_broker_is_silent_until_resumed(native: type[NativeKafka]) -> None:
    with native() as kafka:
        kafka.node.pause()
        assert wait.brokers(kafka.bootstrap) == 0
        kafka.node.resume()
        wait.until(lambda: wait.brokers(kafka.bootstrap), "the resumed broker")


def test_three_nodes_serve_on_without_one(native: type[NativeKafka]) -> None:
    with native(nodes=3) as kafka:
        topic = topics.create(kafka.bootstrap, topics.fresh_name(), partitions=3)
        kafka.node.kill()
        topics.fill(kafka.bootstrap, topic, [(b"k%d" % i, b"v") for i in range(30)], partitions=3)
        assert len(read_all(kafka.bootstrap, topic)) == 30


def test_nothing_is_left_behind(native: type[NativeKafka]) -> None:
    with native() as kafka:
        folder = kafka.node.folder
        assert _processes_of(folder)
    assert not folder.exists()
    assert not _processes_of(folder)


def test_a_broker_that_cannot_start_says_so(native: type[NativeKafka]) -> None:
    kafka = native()
    taken = socket.create_server(("127.0.0.1", kafka.node.direct_port))
    with taken, pytest.raises(RuntimeError, match="ended by itself"), kafka:
        pass


def test_the_version_is_chosen_by_argument_or_variable(
    native: type[NativeKafka], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(jars.VARIABLE, raising=False)
    assert native().version == jars.DEFAULT
    monkeypatch.setenv(jars.VARIABLE, "4.4.0")
    assert native().version == "4.4.0"
    with native(version="4.3.1") as kafka:
        assert kafka.version == "4.3.1"
        command = next(p for p in _processes_of(kafka.node.folder) if "java" in p.name())
        assert "/kafka-4.3.1/*" in " ".join(command.cmdline())


def _processes_of(folder: Path) -> list[psutil.Process]:
    return [
        p
        for p in psutil.process_iter(["cmdline"])
        if any(str(folder) in part for part in p.info["cmdline"] or [])
    ]
