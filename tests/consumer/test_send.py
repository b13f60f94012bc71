"""What `send` reads, sends and reports; `tests/integration/test_send.py` has a real broker."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import KafkaError

from consumer.__main__ import main
from consumer.errors import KafkaStoppedError, SettingsError
from consumer.settings.settings import Settings, read_settings
from consumer.stop import Stop
from consumer.tools import send as sending
from consumer.tools.sender import Sender
from schemas.contract.parse import shipped
from tests.harness.kafka import FakeBroker, FakeProducer
from tests.schemas.contracts import FOLDER

HEADER = "claim.number;claim.billed;member.id;service.date;colour"
ROWS = ("H-1;1.234,50 EUR;M-1;14.03.2026;red", "H-2;much;M-1;;", "H-3;7;;15. März 2026;")


@pytest.fixture
def producer() -> FakeProducer:
    return FakeProducer(FakeBroker(), transactional=False)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "claims.csv"
    path.write_text("\n".join((HEADER, *ROWS)))
    return path


def send(
    data: Path, *producers: FakeProducer, clock: Callable[[], float] = time.monotonic
) -> sending.SentFile:
    made = iter(producers)

    def make(_: Settings) -> Any:
        return next(made)

    sender = Sender(read_settings({"KAFKA_BOOTSTRAP_SERVERS": "localhost:1"}), make, clock)
    return sending.send_by(sender, shipped("health"), data, rate=0, stop=Stop(service=False))


def test_rows_become_events_and_bad_ones_are_named(
    producer: FakeProducer, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert send(data, producer) == sending.SentFile(2, 1, stopped=False)
    log = producer._broker.log("claims")
    records = [log.at(offset) for offset in range(log.high)]
    assert [record.key() for record in records if record] == [b"M-1", b"H-3"]
    assert [msgspec.json.decode(record.value() or b"") for record in records if record] == [
        {
            "claim": {"number": "H-1", "billed": "1.234,50 EUR"},
            "member": {"id": "M-1"},
            "service": {"date": "14.03.2026"},
        },
        {"claim": {"number": "H-3", "billed": "7"}, "service": {"date": "15. März 2026"}},
    ]
    said = capsys.readouterr().err
    assert "rejected: claims.csv, line 3: column claim.billed, 'much': is not a number" in said
    assert "columns colour" in said


def test_what_kafka_refuses_is_not_counted(producer: FakeProducer, data: Path) -> None:
    producer.undelivered = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(KafkaStoppedError, match="0 claims are in claims"):
        send(data, producer)


def keys(producer: FakeProducer) -> list[bytes | None]:
    log = producer._broker.log("claims")
    return [record.key() for record in map(log.at, range(log.high)) if record]


def test_what_does_not_fit_together_is_sent_alone(producer: FakeProducer, data: Path) -> None:
    producer.unfit = {"claims"}
    alone = FakeProducer(FakeBroker(), transactional=False)
    assert send(data, producer, alone) == sending.SentFile(2, 1, stopped=False)
    assert keys(producer) == []
    assert keys(alone) == [b"M-1", b"H-3"]


def test_what_does_not_fit_alone_is_named(producer: FakeProducer, data: Path) -> None:
    broker = FakeBroker()
    producer.unfit = {"claims"}
    alone = FakeProducer(broker, transactional=False)
    alone.unfit = {"claims"}
    with pytest.raises(KafkaStoppedError, match=r"claim 1 of those sent has \d+ bytes.*0 claims"):
        send(data, producer, alone)


class Slow(FakeProducer):
    """Acknowledges a record every twenty seconds, up to a number of them."""

    def __init__(self, now: list[float], most: int) -> None:
        super().__init__(FakeBroker(), transactional=False)
        self._now, self._most = now, most

    def poll(self, _: float = -1) -> int:
        return 0

    def flush(self, _: float = -1) -> int:
        self._now[0] += 20
        if self._most:
            self._most -= 1
            rest, self._queue = self._queue[1:], self._queue[:1]
            self._served()
            self._queue = rest
        return len(self)


@pytest.mark.parametrize("acknowledged", [4, 2])
def test_it_is_waited_for_as_long_as_claims_are_acknowledged(
    tmp_path: Path, acknowledged: int
) -> None:
    now = [0.0]
    data = tmp_path / "claims.csv"
    data.write_text("\n".join((HEADER, *(f"H-{n};7;M-1;;" for n in range(4)))))

    def sent() -> sending.SentFile:
        return send(data, Slow(now, acknowledged), clock=lambda: now[0])

    if acknowledged == 4:
        assert sent() == sending.SentFile(4, 0, stopped=False)
        return
    with pytest.raises(KafkaStoppedError, match=r"^2 claims were not .* for 30 s.*; 2 claims are"):
        sent()


def test_a_file_that_cannot_be_read(producer: FakeProducer, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="0 claims are in claims"):
        send(tmp_path / "missing.csv", producer)


def test_contracts_are_files_or_names() -> None:
    health = shipped("health").about
    assert sending.contract_of("health", None).about == health
    assert sending.contract_of(str(FOLDER / "health.yaml"), None).about == health
    with pytest.raises(SettingsError):
        sending.contract_of("helth", None)


def test_one_contract_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["send", "--data", "a.csv"])
    assert "one of the arguments --contract --model is required" in capsys.readouterr().err
