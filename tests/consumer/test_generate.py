"""Synthetic claims for trying things out."""

import itertools

import msgspec
import pytest

from consumer.tools.generate import BROKEN, rows
from consumer.tools.sender import BLOCK
from schemas.decoding.refusal import RefusedError
from schemas.decoding.rows import at
from tests.consumer.fakes import decode
from tests.schemas.contracts import decoder, shipped


def test_rows_are_claims_under_their_own_id() -> None:
    for key, value in itertools.islice(rows("run", 1, 0), 100):
        assert decode(value).claim_id.encode() == key


@pytest.mark.parametrize("name", ["health", "property"])
def test_rows_of_another_line_are_claims_as_they_are_reported(name: str) -> None:
    contract = shipped(name)
    for key, value in itertools.islice(rows("run", 1, 0, name), 100):
        assert getattr(decoder(name).decode(value), contract.event.id).encode() == key
        assert at(msgspec.json.decode(value), contract.label_path) is None


@pytest.mark.parametrize("name", ["health", "property"])
@pytest.mark.parametrize("value", BROKEN)
def test_what_is_no_claim_is_no_claim_of_another_line(name: str, value: bytes) -> None:
    with pytest.raises(RefusedError):
        decoder(name).decode(value)


def test_no_id_comes_twice() -> None:
    keys = [key for key, _ in itertools.islice(rows("run", 1, 0), BLOCK + 100)]
    assert len(set(keys)) == len(keys)


def test_the_same_seed_gives_the_same_claims_under_other_ids() -> None:
    one, other = ([*itertools.islice(rows(run, 7, 0), 3)] for run in ("one", "two"))
    assert [v.replace(b"one-", b"two-") for _, v in one] == [v for _, v in other]


def test_every_so_manieth_is_no_claim() -> None:
    made = [value for _, value in itertools.islice(rows("run", 1, 4), 40)]
    refused = [place for place, value in enumerate(made, 1) if value in BROKEN]
    assert refused == list(range(4, 41, 4))


@pytest.mark.parametrize("value", BROKEN)
def test_what_is_no_claim_is_refused(value: bytes) -> None:
    with pytest.raises(RefusedError):
        decode(value)
