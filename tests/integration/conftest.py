"""Fixtures of the tests with real processes on a real Kafka."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from model.scoring.load import load as load_model
from model.scoring.scorer import Scorer
from tests.broker.native import NativeKafka
from tests.integration.dead_transaction import UNVERIFIED
from tests.integration.stage import Stage
from tests.integration.traffic import CARCLAIMS, source

NewStage = Callable[..., Stage]


def pytest_report_header() -> str:
    """Say which claims are streamed."""
    found = CARCLAIMS if CARCLAIMS.exists() else f"synthetic claims, no {CARCLAIMS}"
    return f"claims to stream: {found}"


@pytest.fixture(scope="session")
def scorer(model_dir: Path) -> Scorer:
    return load_model(model_dir)


@pytest.fixture(scope="session")
def unverified(native: type[NativeKafka]) -> Iterator[str]:
    """Bootstrap address of a broker that takes what a `DeadTransaction` writes."""
    with native(settings=UNVERIFIED) as kafka:
        yield kafka.bootstrap


@pytest.fixture
def new_stage(kafka: str, tmp_path: Path, model_dir: Path) -> Iterator[NewStage]:
    """A maker of stages, whose workers end with the test."""
    made: list[Stage] = []

    def create(partitions: int = 4) -> Stage:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Stage(kafka, folder, model_dir, partitions))
        return made[-1]

    source()
    yield create
    for stage in made:
        stage.close()


@pytest.fixture
def stage(new_stage: NewStage) -> Stage:
    return new_stage()
