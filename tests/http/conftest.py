"""One server for the tests of the HTTP endpoint."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.http.running import Server, running


@pytest.fixture(scope="session")
def server(model_dir: Path) -> Iterator[Server]:
    """A server with default settings, shared: tests leave it as it is."""
    with running(model_dir) as found:
        yield found


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=30) as found:
        yield found
