"""If Kafka does not answer, the last line says what is left open, and why it does not answer."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from consumer.errors import UNKNOWN_EXIT_CODE
from model.scoring.scorer import Scorer
from tests.broker import ports, wait
from tests.broker.native import NativeKafka
from tests.broker.proxy import END_TXN, Proxy
from tests.integration.outcomes import check, read
from tests.integration.stage import Stage, Worker
from tests.integration.traffic import mixed

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


@pytest.fixture
def staged(
    native: type[NativeKafka], tmp_path: Path, model_dir: Path
) -> Iterator[tuple[Stage, Proxy]]:
    """A stage whose clients reach the broker through the proxy."""
    (port,) = ports.free_ports(1)
    with native(advertised=[port]) as kafka, Proxy(port, kafka.node.port) as proxy:
        stage = Stage(kafka.bootstrap, tmp_path, model_dir)
        yield stage, proxy
        proxy.heal()
        stage.close()


def test_a_commit_without_an_answer_has_an_exit_code_of_its_own(
    staged: tuple[Stage, Proxy], scorer: Scorer
) -> None:
    stage, proxy = staged
    worker = stage.worker(STEP_TIMEOUT_S="20").ready()
    proxy.delay_answers(END_TXN, 120)
    stage.send(mixed(500))
    wait.until(lambda: END_TXN in proxy.met, "a commit")
    assert worker.stop() == UNKNOWN_EXIT_CODE, worker.log
    assert "it is unknown whether the batch in flight was committed" in worker.log
    proxy.heal()
    stage.worker().ready()
    stage.wait_drained()
    check(read(stage), scorer)


def last_line(worker: Worker) -> str:
    assert worker.wait() == 4, worker.log
    return worker.log.splitlines()[-1]


@pytest.mark.parametrize("command", ["run", "redrive"])
def test_an_address_that_nobody_can_reach_is_named(
    native: type[NativeKafka], tmp_path: Path, model_dir: Path, command: str
) -> None:
    (nobody,) = ports.free_ports(1)
    with native(advertised=[nobody]) as kafka:
        stage = Stage(kafka.direct, tmp_path, model_dir)
        bootstrap = f"127.0.0.1:{kafka.node.port}"
        settings = {"KAFKA_BOOTSTRAP_SERVERS": bootstrap, "STEP_TIMEOUT_S": "4"}
        said = last_line(stage.command(command, **settings))
    assert said.startswith("error: ")
    assert f"127.0.0.1:{nobody}" in said
    assert "Connection refused" in said


@pytest.mark.parametrize("command", ["run", "redrive"])
@pytest.mark.parametrize(
    ("topic", "setting"),
    [
        ("__transaction_state", "transaction.state.log.replication.factor"),
        ("__consumer_offsets", "offsets.topic.replication.factor"),
    ],
)
def test_a_coordinator_that_cannot_be_is_explained(
    native: type[NativeKafka],
    tmp_path: Path,
    model_dir: Path,
    command: str,
    topic: str,
    setting: str,
) -> None:
    with native(settings={setting: "3"}) as kafka:
        stage = Stage(kafka.bootstrap, tmp_path, model_dir)
        said = last_line(stage.command(command, STEP_TIMEOUT_S="4"))
    assert said.startswith("error: ")
    assert topic in said
    assert setting in said
