"""Apache Kafka in a container of its official image, through testcontainers."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from tests.broker import ports, wait
from tests.broker.jars import NoKafkaError, version

INSIDE = 9092


def image() -> str:
    """Of the version that tests run on."""
    return f"apache/kafka:{version()}"


def _environment(port: int) -> dict[str, str]:
    # One KAFKA_ variable replaces the image's whole default configuration: so all of it is here.
    return {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LISTENERS": f"PLAINTEXT://:{INSIDE},INSIDE://:9094,CONTROLLER://:9093",
        # The broker writes transaction markers to itself, where the host's port does not exist.
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{port},INSIDE://localhost:9094",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,INSIDE:PLAINTEXT,"
        "CONTROLLER:PLAINTEXT",
        "KAFKA_INTER_BROKER_LISTENER_NAME": "INSIDE",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "5",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS": "5",
        "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_HEAP_OPTS": "-Xmx512m",
    }


@contextlib.contextmanager
def kafka_container() -> Iterator[str]:
    """Run the broker; the value is its bootstrap address.

    Raises:
        NoKafkaError: no Docker engine answers, or the image cannot be had.
    """
    _require_image()
    from testcontainers.core.container import DockerContainer

    (port,) = ports.free_ports(1)
    container = DockerContainer(image()).with_envs(**_environment(port))
    address = f"127.0.0.1:{port}"
    with container.with_bind_ports(INSIDE, port):
        wait.until(lambda: wait.brokers(address) > 0, f"Kafka in the container at {address}")
        yield address


def _require_image() -> None:
    from docker.errors import DockerException  # type: ignore[import-untyped]
    from testcontainers.core.config import testcontainers_config
    from testcontainers.core.docker_client import DockerClient

    try:
        client = DockerClient(timeout=600).client
        client.ping()
    except (DockerException, OSError) as error:
        raise NoKafkaError("no Docker engine answers") from error
    with contextlib.closing(client):
        if not _have(client, image()):
            raise NoKafkaError(f"Docker is here but cannot get the image {image()}")
        # Its reaper removes what a killed test run leaves; without its image we do the removing.
        if "TESTCONTAINERS_RYUK_DISABLED" not in os.environ:
            testcontainers_config.ryuk_disabled = not _have(
                client, testcontainers_config.ryuk_image
            )


def _have(client: Any, name: str) -> bool:
    import requests
    from docker.errors import APIError, ImageNotFound

    try:
        client.images.get(name)
    except ImageNotFound:
        try:
            client.images.pull(name)
        except (APIError, requests.RequestException):
            return False
    return True
