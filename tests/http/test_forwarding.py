"""Posted claims are in the topic before their scores are answered; with a fake Kafka.

`tests/integration/test_forwarding.py` has a real one.
"""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from falcon.testing import ASGIConductor, Result
from prometheus_client import generate_latest

from consumer.batch.records import Record
from consumer.intake.forwarding import Forwarder, ForwardingLimits, Waiting
from consumer.telemetry.health import Health
from consumer.telemetry.metrics import ForwardingMetrics, ServingMetrics
from consumer.web.api import scoring_app
from consumer.web.forwarding import Forwarding, Take, Untaken
from tests.consumer.fakes import FakeScorer
from tests.harness.kafka import FakeBroker, FakeMessage, FakeProducer

JSON = {"content-type": "application/json"}
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
CLAIM = b' {"claim_id": "c-1",  "policy_number": "p-7", "claim_amount": 700}\n'
LIMITS = ForwardingLimits()
Act = Callable[[ASGIConductor], Awaitable[None]]


class Stage:
    """The endpoint with a forwarder on a fake producer."""

    def __init__(
        self,
        take: Take | None = None,
        scorer: FakeScorer | None = None,
        limits: ForwardingLimits = LIMITS,
        producer: type[FakeProducer] = FakeProducer,
    ) -> None:
        self.broker = FakeBroker()
        self.producer = producer(self.broker, transactional=False)
        client: Any = self.producer
        alone: Any = FakeProducer(self.broker, transactional=False)
        self.alone = alone
        self.forwarder = Forwarder(client, lambda: alone, "claims", lambda: 0.0, limits)
        self.metrics = ServingMetrics()
        found = Forwarding(take or self.forwarder.take, ForwardingMetrics(self.metrics))
        model = scorer or FakeScorer()
        self.app = scoring_app(lambda: model, self.metrics, Health(), forwarding=found)

    def play(self, act: Act, *, delivering: bool = True) -> None:
        """Act while delivery reports arrive, or do not."""

        async def run() -> None:
            async with ASGIConductor(self.app) as client:
                reports = asyncio.create_task(self._deliver()) if delivering else None
                await act(client)
                if reports is not None:
                    reports.cancel()

        asyncio.run(run())

    def post(self, body: bytes, *, delivering: bool = True, **headers: str) -> Result:
        """The answer to one request."""
        found: list[Result] = []

        async def act(client: ASGIConductor) -> None:
            found.append(await post(client, body, **headers))

        self.play(act, delivering=delivering)
        return found[0]

    async def _deliver(self) -> None:
        while True:
            self.producer.poll(0)
            self.alone.poll(0)
            await asyncio.sleep(0)

    @property
    def records(self) -> list[FakeMessage]:
        log = self.broker.log("claims")
        return [record for n in range(log.high) if (record := log.at(n))]

    def counted(self) -> dict[str, float]:
        """Forwarded claims, and those that were not by reason."""
        lines = generate_latest(self.metrics.registry).decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if "forwarded" in line and line[0] != "#")
        return {
            name.removeprefix("fraud_scorer_claims_"): float(value)
            for name, value in pairs
            if "_created" not in name and float(value)
        }


async def post(client: ASGIConductor, body: bytes, **headers: str) -> Result:
    found = await client.simulate_post("/fraud-detection", body=body, headers={**JSON, **headers})
    assert isinstance(found, Result)
    return found


def failing(code: int) -> Stage:
    stage = Stage()
    stage.producer.undelivered = KafkaError(code)
    return stage


def test_a_claim_is_in_the_topic_as_it_came() -> None:
    stage = Stage()
    found = stage.post(CLAIM, traceparent=PARENT, tracestate="a=1")
    assert found.status_code == 200
    assert found.json == {"fraudulent": True, "fraud_probability": 0.7}
    (record,) = stage.records
    assert record.value() == CLAIM
    assert record.key() == b"p-7"
    assert record.headers() == [("traceparent", PARENT.encode()), ("tracestate", b"a=1")]
    assert stage.counted() == {"forwarded_total": 1}


def test_without_a_key_it_is_the_id() -> None:
    stage = Stage()
    assert stage.post(b'{"claim_id": "c-1"}').status_code == 200
    (record,) = stage.records
    assert (record.key(), record.headers()) == (b"c-1", None)


def test_no_answer_before_the_acknowledgement() -> None:
    stage = Stage()

    async def act(client: ASGIConductor) -> None:
        asked = asyncio.create_task(post(client, CLAIM))
        while not len(stage.producer):
            await asyncio.sleep(0)
        probe = await client.simulate_get("/healthz")
        assert probe.status_code == 200  # the event loop goes round
        for _ in range(100):
            await asyncio.sleep(0)
        assert not asked.done()
        await asyncio.to_thread(stage.producer.poll, 0)  # reports come in another thread
        assert (await asked).status_code == 200

    stage.play(act, delivering=False)


@pytest.mark.parametrize(("body", "status"), [(b'{"claim_id": 7}', 422), (b"{", 400), (b"[]", 422)])
def test_what_is_no_claim_is_refused_and_not_produced(body: bytes, status: int) -> None:
    stage = Stage()
    assert stage.post(body).status_code == status
    assert (stage.records, stage.counted()) == ([], {})


def test_a_claim_that_breaks_the_model_is_not_produced() -> None:
    stage = Stage(scorer=FakeScorer(raises_on="c-1"))
    assert stage.post(CLAIM).status_code == 500
    assert stage.records == []


def test_an_array_is_produced_item_by_item() -> None:
    stage = Stage()
    items = [b'{"claim_id":"a"}', b'{"claim_id":1}', b'{"claim_id" : "b", "claim_amount": 100}']
    found = stage.post(b"[" + b" , ".join(items) + b"]", traceparent=PARENT)
    assert found.status_code == 200
    assert [item.get("status", item.get("fraud_probability")) for item in found.json] == [
        0.0, 422, 0.1,
    ]  # fmt: skip
    assert [record.value() for record in stage.records] == [items[0], items[2]]
    assert [record.key() for record in stage.records] == [b"a", b"b"]
    assert all(r.headers() == [("traceparent", PARENT.encode())] for r in stage.records)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (KafkaError._MSG_TIMED_OUT, "timeout"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "refused"),
        (KafkaError.NOT_ENOUGH_REPLICAS, "refused"),
    ],
)
@pytest.mark.parametrize(
    "body", [CLAIM, b"[" + CLAIM + b', {"claim_id": 7}]'], ids=["one", "array"]
)
def test_no_score_of_a_claim_that_kafka_does_not_take(body: bytes, code: int, reason: str) -> None:
    stage = failing(code)
    found = stage.post(body)
    assert found.status_code == 503
    assert found.headers["content-type"] == "application/problem+json"
    assert found.headers["retry-after"] == "1"
    assert found.json["status"] == 503
    assert "Kafka" in found.json["detail"]
    assert "fraud_probability" not in found.text
    assert stage.counted() == {f'not_forwarded_total{{reason="{reason}"}}': 1}


def test_of_an_array_only_those_that_are_taken_have_scores() -> None:
    async def take(records: Sequence[Record]) -> Sequence[Untaken | None]:
        by_key = {b"b": Untaken.TIMEOUT, b"c": Untaken.TOO_LARGE}
        return [by_key.get(record.key or b"") for record in records]

    stage = Stage(take)
    found = stage.post(b'[{"claim_id": 1}, {"claim_id":"a"}, {"claim_id":"b"}, {"claim_id":"c"}]')
    assert found.status_code == 200
    assert [item.get("status") for item in found.json] == [422, None, 503, 413]
    assert [item.get("fraud_probability") for item in found.json] == [None, 0.0, None, None]


def test_an_array_is_not_said_to_be_unsent_if_one_claim_may_be_in_the_topic() -> None:
    async def take(records: Sequence[Record]) -> Sequence[Untaken | None]:
        return [Untaken.FULL, Untaken.TOO_LARGE, Untaken.TIMEOUT]

    found = Stage(take).post(b'[{"claim_id":"a"}, {"claim_id":"b"}, {"claim_id":"c"}]')
    assert found.status_code == 503
    assert "may be in the topic" in found.json["detail"]


def test_an_outage_is_not_logged_once_for_each_claim(caplog: pytest.LogCaptureFixture) -> None:
    stage = failing(KafkaError._MSG_TIMED_OUT)
    body = b"[" + b",".join([CLAIM] * 50) + b"]"
    assert stage.post(body).status_code == 503
    (line,) = (r.getMessage() for r in caplog.records if r.name == Forwarder.__module__)
    assert line == "Kafka did not acknowledge posted claims for claims: Local: Message timed out"


def test_claims_that_do_not_fit_together_are_sent_alone() -> None:
    stage = failing(KafkaError.MSG_SIZE_TOO_LARGE)
    body = b"[" + b",".join([CLAIM] * 3) + b"]"
    assert all("fraud_probability" in answer for answer in stage.post(body).json)
    assert len(stage.records) == 3
    assert stage.counted() == {"forwarded_total": 3}
    # There is room again for as many as before.
    assert (stage.forwarder._records, stage.forwarder._bytes) == (0, 0)


def test_a_claim_that_does_not_fit_the_topic_is_the_senders_fault() -> None:
    stage = failing(KafkaError.MSG_SIZE_TOO_LARGE)
    stage.alone.undelivered = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)
    found = stage.post(CLAIM)
    assert found.status_code == 413
    assert "max.message.bytes" in found.json["detail"]
    assert "retry-after" not in found.headers


@pytest.mark.parametrize(
    "limits", [ForwardingLimits(records=1), ForwardingLimits(size=len(CLAIM) + 3)]
)
def test_requests_beyond_the_limit_are_refused_until_there_is_room(
    limits: ForwardingLimits,
) -> None:
    stage = Stage(limits=limits)

    async def act(client: ASGIConductor) -> None:
        first = asyncio.create_task(post(client, CLAIM))
        while not len(stage.producer):
            await asyncio.sleep(0)
        refused = await post(client, CLAIM)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert "too many claims are waiting" in refused.json["detail"]
        stage.producer.poll(0)
        assert (await first).status_code == 200
        second = asyncio.create_task(post(client, CLAIM))
        while not len(stage.producer):
            await asyncio.sleep(0)
        stage.producer.poll(0)
        assert (await second).status_code == 200

    stage.play(act, delivering=False)
    assert len(stage.records) == 2
    assert stage.counted() == {"forwarded_total": 2, 'not_forwarded_total{reason="full"}': 1}


def test_headers_count_for_the_limit() -> None:
    stage = Stage(limits=ForwardingLimits(size=len(CLAIM) + len(b"p-7") + 100))
    assert stage.post(CLAIM).status_code == 200
    found = stage.post(CLAIM, tracestate="a=" + 100 * "1")
    assert (found.status_code, stage.records[1:]) == (503, [])
    assert stage.forwarder._records == stage.forwarder._bytes == 0


def test_claims_of_a_client_that_gave_up_are_counted() -> None:
    stage = Stage()

    async def act(client: ASGIConductor) -> None:
        for error in (None, KafkaError(KafkaError._MSG_TIMED_OUT)):
            asked = asyncio.create_task(post(client, CLAIM))
            while not len(stage.producer):
                await asyncio.sleep(0)
            asked.cancel()
            await asyncio.wait([asked])
            stage.producer.undelivered = error
            stage.producer.poll(0)
            for _ in range(10):
                await asyncio.sleep(0)

    stage.play(act, delivering=False)
    assert stage.counted() == {"forwarded_total": 1, 'not_forwarded_total{reason="timeout"}': 1}


class FullProducer(FakeProducer):
    """Has no room for a record."""

    def produce(self, *_: Any, **__: Any) -> None:
        raise BufferError


def test_a_full_client_is_reported_as_full() -> None:
    stage = Stage(producer=FullProducer)
    assert stage.post(CLAIM).status_code == 503
    assert stage.counted() == {'not_forwarded_total{reason="full"}': 1}


def test_a_producer_that_has_failed_for_good_is_unhealthy() -> None:
    stage = Stage()
    assert stage.forwarder.broken() is None
    stage.producer.faults["produce claims"] = KafkaError(KafkaError._FATAL)
    assert stage.post(CLAIM).status_code == 503
    assert "failed permanently" in (stage.forwarder.broken() or "")


class FailingProducer(FakeProducer):
    """Raises an error where it is polled, once, before the reports of what was produced."""

    def __init__(self, broker: FakeBroker, *, transactional: bool) -> None:
        super().__init__(broker, transactional=transactional)
        failure = KafkaError(KafkaError.CLUSTER_AUTHORIZATION_FAILED, "not permitted", fatal=True)
        self.errors = [KafkaException(failure)]
        self.produced = threading.Event()

    def poll(self, seconds: float = 0) -> int:
        if self.errors:
            raise self.errors.pop()
        if not self.produced.wait(seconds):
            return 0
        self.produced.clear()
        return super().poll(seconds)


def test_a_client_that_fails_for_good_still_reports() -> None:
    stage = Stage(producer=FailingProducer)
    assert isinstance(stage.producer, FailingProducer)
    produced = stage.producer.produced

    async def act(client: ASGIConductor) -> None:
        with stage.forwarder.running():
            asked = asyncio.create_task(post(client, CLAIM))
            while not len(stage.producer):
                await asyncio.sleep(0)
            produced.set()
            assert (await asked).status_code == 200

    stage.play(act, delivering=False)
    assert stage.forwarder.broken() == "the producer has failed permanently: not permitted"


def test_without_any_report_the_answer_is_bounded() -> None:
    stage = Stage(limits=ForwardingLimits(answer_s=0.0))
    found = stage.post(CLAIM, delivering=False)
    assert found.status_code == 503
    assert "may be in the topic" in found.json["detail"]
    assert "whether the last 1 posted claims are in claims" in (stage.forwarder.unknown() or "")
    stage.producer.poll(0)  # the event loop is closed by now
    assert stage.forwarder.unknown() is None
    assert stage.forwarder._records == stage.forwarder._bytes == 0


def test_what_is_left_is_flushed_at_the_end() -> None:
    stage = Stage()
    with stage.forwarder.running():
        pass
    assert stage.producer.calls[-1] == "flush"


def test_there_is_no_page_whose_trials_would_become_claims() -> None:
    stage = Stage()

    async def act(client: ASGIConductor) -> None:
        assert (await client.simulate_get("/")).status_code == 404
        document = await client.simulate_get("/openapi.json")
        assert "/" not in json.loads(document.text)["paths"]

    stage.play(act)


def test_reports_may_come_in_any_order() -> None:
    async def play() -> None:
        waiting = Waiting(2)
        waiting.report(1, None)
        waiting.report(0, Untaken.REFUSED)
        assert await waiting.answer(60) == [Untaken.REFUSED, None]

    asyncio.run(play())
