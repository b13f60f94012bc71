"""``python -m consumer topics`` on a real Kafka."""

import os
from collections.abc import Iterator

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType

from consumer.__main__ import main
from tests.broker import topics, wait
from tests.harness.root_logger import same_afterwards

pytestmark = pytest.mark.kafka


@pytest.fixture
def names(kafka: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    stem = topics.fresh_name()
    for name in [n for n in os.environ if n.startswith("KAFKA_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka)
    settings = (
        "CLAIMS_TOPIC",
        "ALERTS_TOPIC",
        "DEAD_LETTER_TOPIC",
        "OUTCOMES_TOPIC",
        "OUTCOMES_DEAD_LETTER_TOPIC",
    )
    for setting in settings:
        monkeypatch.setenv(setting, f"{stem}-{setting}")
    with same_afterwards():
        yield [f"{stem}-{setting}" for setting in settings]


def test_missing_topics_are_created_and_others_left_alone(
    kafka: str, names: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    claims, *others = names
    topics.create(kafka, claims, partitions=1)
    assert main(["topics", "--partitions", "3"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said == [
        f"{claims}: already exists, left unchanged",
        *(f"{name}: created" for name in others),
    ]
    admin = AdminClient({"bootstrap.servers": kafka})
    wait.until(lambda: {*names} <= {*admin.list_topics(timeout=30).topics}, "the topics")
    found = admin.list_topics(timeout=30).topics
    assert [len(found[name].partitions) for name in names] == [1, 3, 3, 3, 3]
    for name in (names[2], names[4]):
        dead = ConfigResource(ResourceType.TOPIC, name)
        config = admin.describe_configs([dead])[dead].result(60)
        assert int(config["max.message.bytes"].value) > 2_000_000
    assert main(["topics", "--partitions", "3"]) == 0
    assert "created" not in capsys.readouterr().out


def test_what_the_brokers_refuse_is_said(
    names: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["topics", "--replication-factor", "50"]) == 4
    assert (
        f"error: creating topic {names[0]}: INVALID_REPLICATION_FACTOR" in capsys.readouterr().err
    )
