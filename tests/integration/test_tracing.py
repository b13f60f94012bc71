"""Spans of a real worker on a real Kafka, received over OTLP."""

import pytest

from tests.broker import topics
from tests.broker.read import read_all
from tests.integration.conftest import NewStage
from tests.integration.traffic import Row, good
from tests.otlp import Receiver, receiving

OK, ERROR = 1, 2
CLAIMS = 300


def rows() -> list[Row]:
    """Each claim in its own trace, and one record that is not a claim."""
    traced = [
        row._replace(headers=[("traceparent", f"00-{n + 1:032x}-{n + 1:016x}-01".encode())])
        for n, row in enumerate(good(CLAIMS))
    ]
    return [*traced, Row(b"k", b"no claim")]


def total(found: Receiver, name: str) -> int:
    return sum(sent.attributes[name] for sent in found.spans)


@pytest.mark.kafka
@pytest.mark.parametrize("delivery", ["exactly-once", "at-least-once"])
def test_batches_are_linked_to_their_claims(new_stage: NewStage, delivery: str) -> None:
    stage = new_stage()
    with receiving() as found:
        # A long delay: what arrives was flushed at the end.
        worker = stage.worker(
            DELIVERY=delivery, BATCH_SIZE="50", OTEL_BSP_SCHEDULE_DELAY="600000", **found.environ
        ).ready()
        stage.send(rows())
        stage.wait_drained()
        assert found.spans == []
        assert worker.stop() == 0, worker.log
    assert total(found, "scorer.claims") == total(found, "scorer.alerts") == CLAIMS
    assert total(found, "scorer.dead_letters") == 1
    assert total(found, "messaging.batch.message_count") == CLAIMS + 1
    assert {sent.span.status.code for sent in found.spans} == {OK}
    linked = [int.from_bytes(link.trace_id, "big") for s in found.spans for link in s.span.links]
    assert sorted(linked) == list(range(1, CLAIMS + 1))
    about = found.spans[0]
    assert about.resource["service.instance.id"] == "w1"
    assert about.attributes["messaging.destination.name"] == stage.claims
    assert about.attributes["scorer.delivery"] == delivery
    assert about.attributes["scorer.model.version"]
    assert "Traceback" not in worker.log


@pytest.mark.kafka
def test_a_batch_that_kafka_refuses_ends_with_an_error(kafka: str, new_stage: NewStage) -> None:
    stage = new_stage(partitions=1)
    tight = {"max.message.bytes": "200"}  # less than a dead letter that is cut
    small, smaller = (topics.create(kafka, topics.fresh_name(n), config=tight) for n in "ab")
    with receiving() as found:
        worker = stage.worker(
            ALERTS_TOPIC=small, DEAD_LETTER_TOPIC=smaller, **found.environ
        ).ready()
        stage.send([Row(b"k", b'{"claim_id": "secret-claim"}')])
        assert worker.wait() == 4, worker.log
    assert {sent.span.status.code for sent in found.spans} == {ERROR}
    assert all(
        sent.span.status.message.startswith("aborted: publishing: MSG_SIZE_TOO_LARGE: ")
        for sent in found.spans
    )
    assert found.spans[0].attributes["scorer.alerts"] == 1
    assert found.spans[-1].attributes["scorer.dead_letters"] == 1
    assert read_all(kafka, small) == read_all(kafka, smaller) == []
    assert b"secret" not in found.raw


@pytest.mark.kafka
def test_a_collector_that_is_not_there_stops_nothing(new_stage: NewStage) -> None:
    with receiving() as gone:
        pass
    stage = new_stage()
    worker = stage.worker(OTEL_BSP_SCHEDULE_DELAY="100", **gone.environ).ready()
    stage.send(rows())
    stage.wait_drained()
    assert worker.stop() == 0, worker.log
    assert "no claim" not in worker.log
