"""Stores compared row by row."""

from hypothesis import given
from hypothesis import strategies as st

from consumer.history.keeping import StoredRow, compared, in_words
from consumer.memory.facts.entries import Entry, encode

rows = st.lists(
    st.tuples(
        st.sampled_from(["facts", "totals"]),
        st.binary(min_size=1, max_size=2),
        st.binary(max_size=1),
    ),
    unique=True,
).map(sorted)


@given(rows, rows)
def test_every_row_that_one_lacks_is_counted(
    stored: list[StoredRow], expected: list[StoredRow]
) -> None:
    found = compared(stored, expected)
    assert found.equal is (stored == expected)
    assert sum(found.more.values()) == len({*stored} - {*expected})
    assert sum(found.fewer.values()) == len({*expected} - {*stored})
    assert found.rows == len({*stored, *expected})


def test_claims_are_named() -> None:
    one: StoredRow = ("claims", b"k", encode(Entry("C-1")))
    found = compared([one], [])
    assert (found.claims, found.more, found.fewer) == (("C-1",), {"claims": 1}, {})
    assert "claim C-1: what is stored is not what the log says" in list(in_words(found))
    assert list(in_words(compared([one], [one]))) == [
        "the store is what the log says: 1 rows are equal"
    ]
