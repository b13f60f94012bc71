"""JSON Schema and decoder agree on values nobody thought of.

They part in one place, for good reason, and the values here keep clear of it: a lone surrogate is a
string to JSON Schema while the decoder wants text that UTF-8 can hold.
"""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import examples
from schemas.claim import Claim
from tests.harness.examples import many
from tests.schemas.reading import ALERT, CLAIM, DEAD_LETTER

FIELDS = sorted(Claim.__struct_fields__)

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=210)
days = st.one_of(
    st.dates().map(str),
    st.sampled_from(["0000-01-01", "2026-02-29", "2024-02-29", "2026-13-01", "2026-1-1", ""]),
)
numbers = st.one_of(
    st.integers(-40_000, 40_000),
    st.floats(-40_000, 40_000),
    st.integers(-5, 3_000).map(float),
    st.sampled_from([0, 23, 24, 130, 1_000, 1_001, 10**9, 10**9 + 1, 1886, 2100, 2101]),
)
anything = st.one_of(
    st.none(), st.booleans(), text, days, numbers, st.lists(numbers, max_size=1), st.just({})
)


@pytest.mark.slow
@settings(max_examples=many(400), deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), anything, max_size=6))
def test_claims(changes: dict[str, Any]) -> None:
    claim = examples.MINIMAL_CLAIM | changes
    assert CLAIM.schema_accepts(claim) == CLAIM.decoder_accepts(claim)


@pytest.mark.slow
@settings(max_examples=many(200), deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(sorted(examples.REFERRED)).filter(lambda name: name != "scored_at"),
        # We write alerts, and never an integer as 2.0, which JSON Schema would let pass.
        anything.filter(lambda value: not (isinstance(value, float) and value.is_integer())),
        max_size=4,
    )
)
def test_alerts(changes: dict[str, Any]) -> None:
    alert = examples.REFERRED | changes
    assert ALERT.schema_accepts(alert) == ALERT.decoder_accepts(alert)


whole = st.integers(-5, 2**40).map(str)
headers = st.fixed_dictionaries(
    {},
    optional={
        "__streams.errors.exception": st.sampled_from(["empty", "invalid", "too_deep", "", "x"]),
        "__streams.errors.message": text,
        "__streams.errors.partition": st.one_of(whole, text),
        "__streams.errors.offset": st.one_of(whole, text),
        "scorer.errors.path": text,
        "scorer.errors.failed_at": st.one_of(
            st.datetimes(timezones=st.timezones()).map(lambda t: t.isoformat(timespec="seconds")),
            text,
        ),
        "scorer.errors.attempt": st.integers(-2, 9).map(str),
    },
)


@pytest.mark.slow
@settings(max_examples=many(300), deadline=None)
@given(headers)
def test_what_the_schema_accepts_as_a_dead_letter_can_be_read(changes: dict[str, str]) -> None:
    # One way only: the reader forgives other spellings of a number, such as 3.0 or -0.
    letter = examples.OUT_OF_RANGE | changes
    if DEAD_LETTER.schema_accepts(letter):
        assert DEAD_LETTER.decoder_accepts(letter)
