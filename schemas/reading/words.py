"""Words: texts that only a few of are expected, whatever their case and blanks."""

import re
from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

T = TypeVar("T")

PARTS_OF_NUMBERS: Final = frozenset("0123456789+-\u2212\u2013()")
"""Digits, and signs and brackets that say whether a number is a debt."""
_GROUPED: Final = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")


class ReadingError(ValueError):
    """A text does not stand for a value of its field; the message is the rule, without the text."""


def alike(text: str) -> str:
    """The form in which words are compared: without case, repeated blanks and grouping commas."""
    return " ".join(_GROUPED.sub("", text).casefold().split())


def by_likeness(meanings: Mapping[str, T]) -> dict[str, T]:
    """The meanings under the form in which words are compared."""
    return {alike(word): meaning for word, meaning in meanings.items()}


def listed(words: Iterable[str]) -> str:
    """The first of these words, for a message."""
    known = list(words)
    return ", ".join(known[:8]) + (f" and {len(known) - 8} more" if len(known) > 8 else "")
