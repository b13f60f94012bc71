"""Registries: a small one of our own, and a real one if available."""

from collections.abc import Iterator

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient

from tests.integration.conftest import new_stage, scorer
from tests.registry.apicurio import NoRegistryError, apicurio
from tests.registry.small import SmallRegistry, small_registry

__all__ = ["new_stage", "scorer"]


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
    # Without a limit it waits for ever; Apicurio sometimes leaves a request unanswered, and answers
    # the next one.
    return SchemaRegistryClient({"url": url, "timeout": 10})
