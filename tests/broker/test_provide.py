"""The order in which a broker is looked for, and what is said when there is none."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from docker.models.containers import Container  # type: ignore[import-untyped]
from testcontainers.core.docker_client import DockerClient

from tests import conftest
from tests.broker import container, jars, provide, wait
from tests.broker.jars import NoKafkaError


@contextlib.contextmanager
def no_docker() -> Iterator[str]:
    raise NoKafkaError("no Docker engine answers")
    yield ""


class FakeNative:
    bootstrap = "native:9092"

    def __enter__(self) -> "FakeNative":
        return self

    def __exit__(self, *_: object) -> None: ...


def test_a_given_address_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "given:9092")
    with provide.provide() as address:
        assert address == "given:9092"


def test_docker_comes_before_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    with provide.provide(lambda: contextlib.nullcontext("container:9092")) as address:
        assert address == "container:9092"


def test_java_without_docker_and_a_line_that_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    native: Any = FakeNative
    with provide.provide(no_docker, lambda: None, native) as address:
        assert address == "native:9092"
    assert capsys.readouterr().err == (
        "tests: no Docker engine answers: starting Kafka with Java\n"
    )


def test_none_of_them_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoKafkaError, match=r"^Java is missing: install .*Maven.*$"):
        provide.provide(no_docker).__enter__()


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
