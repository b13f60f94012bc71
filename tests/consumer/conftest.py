"""A small model for the tests that load one."""

from pathlib import Path

import pytest

from tests.consumer.small_model import train_small


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_small(tmp_path_factory.mktemp("model") / "small")
