"""Sharing of partitions in a group: after a death, and with workers of an earlier release."""

import pytest

from benchmarks.members import PARTITIONS, Mode, killed_revoking
from benchmarks.recovery import NEVER, seconds
from consumer.kafka.client import consumer_config
from model.scoring.scorer import Scorer
from tests.broker import wait
from tests.conftest import NewTopic
from tests.integration.outcomes import check, read
from tests.integration.stage import Stage, Worker
from tests.integration.traffic import mixed

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

SESSION = {"KAFKA_SESSION_TIMEOUT_MS": "6000"}


@pytest.mark.parametrize("membership", ["static", "dynamic"])
def test_a_death_while_partitions_are_given_up_leaves_none_without_an_owner(
    stage: Stage, new_topic: NewTopic, membership: str
) -> None:
    assignor = consumer_config(stage.settings())["partition.assignment.strategy"]
    mode = Mode("classic", membership, str(assignor))
    topic = new_topic(partitions=PARTITIONS)
    assert seconds(stage.bootstrap, topic, mode, killed_revoking, 60.0) < NEVER


def test_from_an_earlier_release_without_loss(stage: Stage, scorer: Scorer) -> None:
    """As docs/runbook.md has it: all stopped, sessions ended, all started."""
    stage.send(mixed(5_000))
    names = ("w1", "w2")
    old = [
        stage.command("run", module="tests.integration.cooperative", INSTANCE_ID=name,
                      BATCH_SIZE="5", **SESSION)
        for name in names
    ]  # fmt: skip
    for worker in old:
        worker.ready()
    mixed_in = stage.worker("w3", **SESSION)
    assert mixed_in.wait() == 4
    assert "INCONSISTENT_GROUP_PROTOCOL" in mixed_in.log
    assert "stop every worker of the group" in mixed_in.log
    for worker in old:
        assert worker.stop() == 0, worker.log
    assert sum(stage.committed().values()) > 0
    stage.send(mixed(500))
    for name in names:
        wait.until(lambda n=name: stays(stage.worker(n, **SESSION)), f"{name} in the group")  # type: ignore[misc]
    stage.wait_drained()
    check(read(stage), scorer)


def stays(worker: Worker) -> bool:
    """True if a worker is admitted to the group; not while sessions of the old ones last."""
    wait.until(lambda: worker.ended or (worker.get("/readyz") or (0,))[0] == 200, "a worker")
    assert not worker.ended or worker.wait() == 4, worker.log
    return not worker.ended
