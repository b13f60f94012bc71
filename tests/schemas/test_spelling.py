"""The spelling in which texts are compared, whatever their length."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from schemas.expressions.spelling import _PIECES, SHORT, compatible

MARKS = "\u0344\u0327"
WORDS = st.lists(st.text(max_size=20), min_size=1, max_size=8)


@given(WORDS, st.sampled_from([" ", "a", "\n", "1"]))
def test_a_long_text_is_normalised_as_a_short_one(words: list[str], between: str) -> None:
    text = between.join(words * 20)
    assert compatible(text) == unicodedata.normalize("NFKC", text)


@given(st.lists(st.sampled_from(["a", "ü", " ", "\u0301", MARKS * 40, "語" * 70]), max_size=30))
def test_no_piece_is_long_and_none_is_lost(parts: list[str]) -> None:
    text = "".join(parts)
    pieces = _PIECES.findall(text)
    assert "".join(pieces) == text
    assert all(piece.isascii() or len(piece) <= 65 for piece in pieces)


def test_marks_without_end_are_not_sorted_all_at_once() -> None:
    """That takes a time which is quadratic in their number."""
    hostile = "e" + MARKS * SHORT
    assert compatible(hostile) != unicodedata.normalize("NFKC", hostile)
    assert compatible("e" + MARKS * 20) == unicodedata.normalize("NFKC", "e" + MARKS * 20)
