"""A dead letter's headers."""

import datetime as dt

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.dead_letter import (
    HEADER_OF,
    OPTIONAL,
    VALUE_HEADER,
    DeadLetter,
    Form,
    Header,
    Reason,
    without_error_headers,
)

text = st.text(st.characters(exclude_categories=["Cs"]))
letters = st.builds(
    DeadLetter,
    reason=st.sampled_from(Reason),
    message=text,
    path=text,
    topic=text,
    partition=st.integers(0, 2**31 - 1),
    offset=st.integers(0, 2**63 - 1),
    failed_at=st.datetimes(timezones=st.just(dt.UTC)),
    attempt=st.integers(1, 99),
    value=st.sampled_from(Form),
)
cut = st.builds(
    msgspec.structs.replace,
    letters,
    sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
    length=st.integers(0, 2**40),
)
LETTER = DeadLetter(
    reason=Reason.INVALID,
    message="must be at least 0",
    path="$.claim_amount",
    topic="claims",
    partition=2,
    offset=90210,
    failed_at=dt.datetime(2026, 3, 15, 9, 12, tzinfo=dt.UTC),
    attempt=2,
)
OWN: list[Header] = [("traceparent", b"00-1-2-01"), ("empty", None)]


@given(letters | cut)
def test_headers_round_trip(letter: DeadLetter) -> None:
    assert DeadLetter.from_headers(letter.headers()) == letter


@given(letters | cut)
def test_headers_come_back_from_kafka_as_bytes(letter: DeadLetter) -> None:
    # Kafka hands headers back as bytes, among headers of others.
    received: list[Header] = [(n, str(v).encode()) for n, v in letter.headers()]
    assert DeadLetter.from_headers([*OWN, *received]) == letter


def test_every_field_has_a_header_of_its_own() -> None:
    assert set(HEADER_OF) == set(DeadLetter.__struct_fields__)
    assert len(set(HEADER_OF.values())) == len(HEADER_OF)
    of_cut = [HEADER_OF["sha256"], HEADER_OF["length"]]
    assert [name for name, _ in LETTER.headers()] == [
        name for name in HEADER_OF.values() if name not in of_cut
    ]
    cut = msgspec.structs.replace(LETTER, sha256="0" * 64, length=5)
    assert [name for name, _ in cut.headers()] == list(HEADER_OF.values())


def test_kafka_streams_names_are_used_where_there_is_one() -> None:
    # KIP-1034 fixes these names; tools read them.
    headers = dict(LETTER.headers())
    assert headers["__streams.errors.exception"] == "invalid"
    assert headers["__streams.errors.message"] == "must be at least 0"
    assert headers["__streams.errors.topic"] == "claims"
    assert headers["__streams.errors.partition"] == "2"
    assert headers["__streams.errors.offset"] == "90210"


def test_without_the_header_the_value_is_the_original() -> None:
    """As the first release wrote them."""
    rest = [header for header in LETTER.headers() if header[0] != VALUE_HEADER]
    assert DeadLetter.from_headers(rest) == LETTER


@pytest.mark.parametrize("name", sorted(HEADER_OF[f] for f in HEADER_OF if f not in OPTIONAL))
def test_a_missing_header_is_a_key_error_that_names_it(name: str) -> None:
    rest = [header for header in LETTER.headers() if header[0] != name]
    with pytest.raises(KeyError, match=name):
        DeadLetter.from_headers(rest)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("__streams.errors.exception", "boredom"),
        ("__streams.errors.partition", "-1"),
        ("__streams.errors.offset", None),
        ("__streams.errors.message", b"\xff"),
        ("scorer.errors.failed_at", "2026-03-15T09:12:00"),
        ("scorer.errors.attempt", "0"),
        ("scorer.errors.value", "eaten"),
    ],
)
def test_a_wrong_header_is_a_value_error(name: str, value: str | bytes | None) -> None:
    with pytest.raises(ValueError, match=r"."):
        DeadLetter.from_headers([*LETTER.headers(), (name, value)])


def test_without_error_headers_leaves_the_records_own_in_order() -> None:
    assert without_error_headers([OWN[0], *LETTER.headers(), OWN[1]]) == OWN


def test_headers_that_the_record_had_under_the_same_names_are_its_own() -> None:
    """As what Kafka Streams wrote to its dead letter topic, and somebody sent as a claim."""
    streams: list[Header] = [
        ("__streams.errors.exception", b"java.lang.IllegalStateException"),
        ("__streams.errors.stacktrace", b"at java.base"),
        ("__streams.errors.topic", b"theirs"),
    ]
    assert without_error_headers([*streams, *LETTER.headers()]) == streams
