"""A small form of what `python -m tests.chaos.acceptance` plays."""

from pathlib import Path

import pytest

from tests.chaos.acceptance import PARTITIONS, play
from tests.chaos.traffic import MOTOR, train
from tests.integration.stage import Stage

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def test_two_workers_that_are_killed_remember_all_of_it_once(kafka: str, tmp_path: Path) -> None:
    model = train(tmp_path / "model", 1, MOTOR)
    stage = Stage(kafka, tmp_path, model, PARTITIONS)
    try:
        found = play(stage, model, 4_000, 100, kills=4, seed=1)
    finally:
        stage.close()
    assert not found.broken, str(found)
    assert found.checked["checked"] == 4_000
    assert found.of_a_telephone > 1
