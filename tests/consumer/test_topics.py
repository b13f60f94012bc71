"""The topics that are created."""

import pytest

from consumer.kafka.topics import wanted
from consumer.settings.settings import read_settings
from schemas.decoding.size import MAX_CLAIM_BYTES

NAMES = {"CLAIMS_TOPIC": "a", "ALERTS_TOPIC": "b", "DEAD_LETTER_TOPIC": "c"}


def test_claims_alerts_and_dead_letters_have_equal_partitions() -> None:
    made = {topic.topic: topic for topic in wanted(read_settings(NAMES), 6, 3)}
    assert {*made} >= {"a", "b", "c"}
    for name in ("a", "b", "c"):
        assert (made[name].num_partitions, made[name].replication_factor) == (6, 3)


@pytest.mark.parametrize(("replication", "needed"), [(1, "1"), (2, "1"), (3, "2"), (5, "4")])
def test_a_write_survives_the_loss_of_a_broker(replication: int, needed: str) -> None:
    for topic in wanted(read_settings({}), 1, replication):
        assert topic.config is not None
        assert topic.config["min.insync.replicas"] == needed
        assert topic.config["cleanup.policy"] == "delete"


def test_an_outcome_fits_wherever_its_claim_did() -> None:
    limit = {
        t.topic: int((t.config or {})["max.message.bytes"])
        for t in wanted(read_settings(NAMES), 1, 1)
    }
    assert limit["a"] > MAX_CLAIM_BYTES
    # A dead letter keeps the whole record; an alert keeps its key, which may be nearly all of it.
    assert limit["b"] >= limit["a"] + 100_000
    assert limit["c"] >= limit["a"] + 100_000
