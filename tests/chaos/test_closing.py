"""A worker that is asked to stop in the middle of a rebalance stops at once."""

import os
import subprocess
import sys

import pytest

from tests.conftest import NewTopic

pytestmark = pytest.mark.kafka

HANGS_S = 30


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_partitions_assigned_while_closing_do_not_hold_it_up(
    kafka: str, new_topic: NewTopic, protocol: str
) -> None:
    topic = new_topic(partitions=4)
    settings = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "CLAIMS_TOPIC": topic,
        "CONSUMER_GROUP": topic,
        "KAFKA_GROUP_PROTOCOL": protocol,
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KAFKA_")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos.closing"],
        env=kept | settings,
        timeout=HANGS_S,
        check=False,
    )
    assert done.returncode == 0
