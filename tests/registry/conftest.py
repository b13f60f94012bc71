"""Registries: a small one of our own, and a real one where it can be had."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient

from model import artifact
from model.scorer import Scorer
from tests.consumer.small_model import train_small
from tests.integration.conftest import new_stage
from tests.registry.apicurio import NoRegistryError, apicurio
from tests.registry.small import SmallRegistry, small_registry

__all__ = ["new_stage"]


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_small(tmp_path_factory.mktemp("model") / "small")


@pytest.fixture(scope="session")
def scorer(model_dir: Path) -> Scorer:
    return artifact.load(model_dir)


@pytest.fixture
def small() -> Iterator[SmallRegistry]:
    with small_registry() as found:
        yield found


@pytest.fixture(scope="session", params=["small", pytest.param("apicurio", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Address of each registry in turn."""
    if request.param == "small":
        with small_registry() as found:
            yield found.url
        return
    try:
        with apicurio() as address:
            yield address
    except NoRegistryError as why:
        pytest.skip(f"no Apicurio: {why}")


@pytest.fixture
def client(url: str) -> SchemaRegistryClient:
    return SchemaRegistryClient({"url": url})
