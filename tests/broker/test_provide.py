"""A broker for the tests: given, in a container, or natively with Java."""

import contextlib
from pathlib import Path
from typing import NoReturn

import pytest
from docker.models.containers import Container  # type: ignore[import-untyped]
from testcontainers.core.docker_client import DockerClient

from tests import conftest
from tests.broker import container, jars, provide, wait
from tests.broker.jars import NoKafkaError
from tests.harness.servers import NoServerError


def test_without_java_it_is_named_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoServerError, match=r"^Java is missing: install .*Maven.*$"):
        jars.jars()


def test_it_is_the_one_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "given:9092")
    with provide.provide() as address:
        assert address == "given:9092"


def test_old_java_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(NoKafkaError, match="older than 17"):
        jars.require_java()


@pytest.mark.parametrize(
    ("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)]
)
def test_ci_fails_where_a_person_is_skipped(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)

    def without() -> NoReturn:
        conftest.without("Kafka", NoKafkaError("install it"))

    with pytest.raises(outcome, match=r"^no Kafka: install it$"):
        without()


@pytest.mark.kafka
def test_the_container_serves_and_is_removed() -> None:
    with contextlib.ExitStack() as stack:
        try:
            address = stack.enter_context(container.kafka_container())
        except NoKafkaError as why:
            pytest.skip(str(why))
        assert wait.brokers(address) == 1
        (ours,) = (c for c in _containers() if address.rpartition(":")[2] in str(c.ports))
    assert ours.id not in {c.id for c in _containers()}


def _containers() -> list[Container]:
    with contextlib.closing(DockerClient().client) as client:
        found: list[Container] = client.containers.list(all=True)
        return found
