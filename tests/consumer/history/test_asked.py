"""Whom a command asks about."""

from argparse import ArgumentTypeError

import pytest

from consumer.__main__ import main
from consumer.errors import SettingsError
from consumer.history.asked import Named, entity, hashed, spelled_out
from model.history.keys import SECRET_BYTES, KeyMaker
from model.history.plan import kinds_in
from schemas.decoding.decoder import ClaimDecoder
from tests.model.history.motor import CONTRACT

SECRET = bytes(range(SECRET_BYTES))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["entity", "--phone", "+44 1"], ["entity", "--entity", "phone=+44 1"]),
        (["entity", "--phone=+44 1=2"], ["entity", "--entity", "phone=+44 1=2"]),
        (["forget", "--garage", "--x", "--yes"], ["forget", "--entity", "garage=--x", "--yes"]),
        (["entity", "--phone"], ["entity", "--entity", "phone="]),
        (
            ["entity", "--claim", "C", "--contract", "f", "--json"],
            ["entity", "--claim", "C", "--contract", "f", "--json"],
        ),
        (["entity", "--entity", "claim=7"], ["entity", "--entity", "claim=7"]),
        (["send", "--data", "f"], ["send", "--data", "f"]),
        ([], []),
    ],
)
def test_a_kind_may_be_an_option(given: list[str], expected: list[str]) -> None:
    assert spelled_out(given) == expected


@pytest.mark.parametrize("command", ["entity", "forget"])
@pytest.mark.parametrize(
    "given",
    [["--claim", "A", "--claim", "B"], ["--phone", "07700900123", "--phone", "07700900124"]],
)
def test_one_is_asked_about_at_a_time(
    command: str, given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The last one would silently be the only one."""
    with pytest.raises(SystemExit) as ended:
        main([command, *given])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert "given twice: one claim, person or thing at a time" in said
    assert "07700900123" not in said


@pytest.mark.parametrize("text", ["07700900123", "=07700900123", "phone="])
def test_what_is_no_kind_and_value_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ArgumentTypeError) as refused:
        entity(text)
    assert "07700900123" not in str(refused.value)


def test_a_name_is_taken_as_it_is_and_not_shown() -> None:
    assert entity("bank-account=a=b") == ("bank_account", "a=b")
    assert "a=b" not in repr(Named("account", "a=b"))


def test_the_hash_is_that_of_claims() -> None:
    claim = ClaimDecoder(CONTRACT).decode(b'{"claim_no":"C","phone":"07700 901123","garage":"G 7"}')
    kinds = [kind.kind for kind in kinds_in(CONTRACT)]
    keys = {(kinds[n], name) for n, name in KeyMaker(CONTRACT, SECRET).keys(claim).entities}
    found = {
        hashed(CONTRACT, SECRET, Named("phone", "+44 (0)7700-901123")),
        hashed(CONTRACT, SECRET, Named("garage", "g7")),
    }
    assert found == keys


def test_a_placeholder_names_nobody() -> None:
    assert hashed(CONTRACT, SECRET, Named("phone", "unknown")) is None
    assert hashed(CONTRACT, SECRET, Named("phone", "0")) is None


def test_a_kind_that_the_contract_does_not_name_is_refused() -> None:
    with pytest.raises(SettingsError, match="it has policy, phone, account, garage"):
        hashed(CONTRACT, SECRET, Named("shoe", "large"))
