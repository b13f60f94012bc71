"""What a reason says of a value: the texts of ``x-text``.

In a text, `{}` is the value, `{:02}` the value as a whole number of two digits, and `{day|days}`
the first word where the value is 1 and the second where it is not. Where words stand for the value,
as "3 to 4" does for 3.5, they are put in its place, with the unit that they may have.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from schemas.contract.declared import Phrase

_UNIT: Final = re.compile(r"\d\s+[^\W\d]+\Z")
"""Words that end with a unit of their own, as in "under 6 months"."""
_COUNTED: Final = re.compile(r"\{\} \{[^{}|]+\|[^{}|]+\}")
_PART: Final = re.compile(r"\{(?:(?P<form>:0\dd?)?|(?P<one>[^{}|]+)\|(?P<many>[^{}|]+))\}")


def faults(phrase: Phrase) -> Iterator[str]:
    """What is wrong with the texts of a phrase."""
    for text in texts(phrase):
        if set(_PART.sub("", text)) & {"{", "}"}:
            yield "has a bracket that is not {}, {:02} or {one|many}"


def texts(phrase: Phrase) -> list[str]:
    """The texts of a phrase."""
    if isinstance(phrase, str):
        return [phrase]
    found = (phrase.true, phrase.false, phrase.negative, phrase.zero, phrase.positive)
    return [text for text in found if text is not None]


def render(phrase: Phrase, value: str | float | bool, words: str | None = None) -> str:
    """The phrase for a value; what has no text of its own is told as if it were positive.

    The text for negative numbers gets them without their sign.

    Args:
        phrase: the texts.
        value: the fact.
        words: what is said in place of a number that stands for a band.
    """
    if isinstance(phrase, str):
        return _filled(phrase, value, words)
    if isinstance(value, bool):
        return (phrase.true if value else phrase.false) or ""
    number = float(value)
    if number < 0 and phrase.negative is not None:
        return _filled(phrase.negative, -number, words)
    zero = phrase.zero if number == 0 else None
    return _filled(zero or phrase.positive or "", number, words)


def _filled(text: str, value: str | float | bool, words: str | None) -> str:
    if words is not None and _UNIT.search(words):
        text = _COUNTED.sub("{}", text)

    told = []
    pieces, end = _pieces(text)
    for plain, form, one, many in pieces:
        told.append(plain)
        if one:
            told.append(one if value == 1 else many)
        elif words is not None:
            told.append(words)
        elif form:
            told.append(f"{int(value):{form.removeprefix(':').removesuffix('d')}}")
        else:
            told.append(shown(value))
    return "".join([*told, end])


@lru_cache(maxsize=1_000)
def _pieces(text: str) -> tuple[list[tuple[str, str | None, str | None, str]], str]:
    """The parts of a text, each after the plain text before it, and the plain text at the end."""
    *found, end = _PART.split(text)
    plain, form, one, many = (found[i::4] for i in range(4))
    return list(zip(plain, form, one, many, strict=True)), end


def shown(value: str | float | bool) -> str:
    """A value as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,.10g}" if isinstance(value, int | float) else value
