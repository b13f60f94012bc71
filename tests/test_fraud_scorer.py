"""Every command under one name."""

import argparse

import pytest

from consumer import __main__ as consumer
from fraud_scorer import VERSION
from fraud_scorer.__main__ import USAGE_ERROR, VERBS, main
from model import __main__ as model


def commands(grammar: argparse.ArgumentParser) -> set[str]:
    (verbs,) = (a for a in grammar._actions if isinstance(a, argparse._SubParsersAction))
    return set(verbs.choices)


def test_every_command_is_there_once() -> None:
    assert set(VERBS["consumer"]) == commands(consumer.parser())
    assert set(VERBS["model"]) == commands(model.parser())
    assert not set(VERBS["consumer"]) & set(VERBS["model"])


def test_the_help_explains_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for verb in (verb for verbs in VERBS.values() for verb in verbs):
        (line,) = (line for line in lines if line.split()[:1] == [verb])
        assert len(line.split()) > 2


@pytest.mark.parametrize("verb", ["train", "topics"])
def test_usage_has_the_name_it_was_called_by(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([verb, "--help"])
    assert capsys.readouterr().out.startswith(f"usage: fraud-scorer {verb} ")


def test_an_error_of_a_command_is_its_own(
    tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "--model", f"{tmp_path}/no", "--data", "synthetic"]) == 1
    assert capsys.readouterr().err.startswith("fraud-scorer evaluate: ")


def test_the_version_is_known_without_an_installation(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"fraud-scorer {VERSION}\n"


def test_an_unknown_command_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["skore"]) == USAGE_ERROR
    assert "no command 'skore'" in capsys.readouterr().err


def test_nothing_asked_for_is_answered_with_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == USAGE_ERROR
    assert "usage: fraud-scorer VERB" in capsys.readouterr().out
