"""PostgreSQL in a container of its official image, through testcontainers."""

import contextlib
from collections.abc import Iterator
from typing import Final

import psycopg

from tests.broker import ports, wait
from tests.database.native import NoPostgresError

IMAGE: Final = "postgres:17-alpine"
INSIDE: Final = 5432


@contextlib.contextmanager
def postgres_container() -> Iterator[str]:
    """Run the server; the value is the URL of a database of the superuser.

    Raises:
        NoPostgresError: no Docker engine answers, or the image cannot be had.
    """
    import requests
    from docker.errors import DockerException  # type: ignore[import-untyped]
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.docker_client import DockerClient

    try:
        client = DockerClient(timeout=600).client
        client.ping()
        if not client.images.list(IMAGE):
            client.images.pull(IMAGE)
    except (DockerException, OSError, requests.RequestException) as error:
        raise NoPostgresError(f"no Docker engine with {IMAGE}") from error
    (port,) = ports.free_ports(1)
    url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    container = DockerContainer(IMAGE).with_envs(POSTGRES_HOST_AUTH_METHOD="trust")

    def answers() -> bool:
        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(url).close()
            return True
        return False

    with container.with_bind_ports(INSIDE, port):
        wait.until(answers, f"PostgreSQL in the container at {url}")
        yield url
