"""The order in which a server is looked for, and what is said when there is none."""

import contextlib
from collections.abc import Callable, Iterator

import pytest

from tests.harness.servers import NoServerError, Server, provide

SETTING = "SOME_SERVER"


@contextlib.contextmanager
def no_docker() -> Iterator[str]:
    raise NoServerError("no Docker engine answers")
    yield ""


def docker() -> Server:
    return contextlib.nullcontext("docker")


def found(container: Callable[[], Server], required: Callable[[], object] = lambda: None) -> str:
    native = contextlib.nullcontext("native")
    with provide(SETTING, container, required, lambda: native) as address:
        return address


def test_a_given_address_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, "given")
    assert found(docker) == "given"


def test_docker_comes_before_what_is_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(SETTING, raising=False)
    assert found(docker) == "docker"
    assert capsys.readouterr().err == ""


def test_without_docker_it_is_started_natively_and_a_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(SETTING, raising=False)
    assert found(no_docker) == "native"
    assert capsys.readouterr().err == (
        "tests: no Docker engine answers: starting one natively, as SOME_SERVER is not set\n"
    )


def test_with_none_of_them_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(SETTING, raising=False)

    def missing() -> None:
        raise NoServerError("install it")

    with pytest.raises(NoServerError, match=r"^install it$"):
        found(no_docker, missing)
    assert capsys.readouterr().err == ""
