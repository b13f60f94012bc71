"""What a reason says of a value: the texts of ``x-text``.

In a text, `{}` is the value, rounded so that it can be read; `{:.0f}` to `{:.9f}` the value with as
many decimals, `{:%}` and `{:.1%}` in percent, and `{:02}` as a whole number of two digits.
`{day|days}` is the first word where the value, as it is shown, is 1 and the second where it is not.
Where words stand for the value, as "3 to 4" does for 3.5, they are put in its place, with the unit
that they may have.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from schemas.contract.declared import Phrase

_UNIT: Final = re.compile(r"\d\s+[^\W\d]+\Z")
"""Words that end with a unit of their own, as in "under 6 months"."""
_FORM: Final = r":(?:0\dd?|\.\df|(?:\.\d)?%)"
_COUNTED: Final = re.compile(rf"\{{(?:{_FORM})?\}} \{{[^{{}}|]+\|[^{{}}|]+\}}")
_PART: Final = re.compile(rf"\{{(?:(?P<form>{_FORM})?|(?P<one>[^{{}}|]+)\|(?P<many>[^{{}}|]+))\}}")
_DECIMALS: Final = 3
"""Of what is not a whole number; below 0.1, that many digits from the first that is not 0."""
MONEY: Final = "currency"
"""The unit of an amount, which has two decimals."""
_OF_MONEY: Final = 2
_LARGE: Final = 1e15
"""From here on a float has no cents."""


def faults(phrase: Phrase, *, is_number: bool = True) -> Iterator[str]:
    """What is wrong with the texts of a phrase.

    Args:
        phrase: the texts.
        is_number: of the value; only a number has a form.
    """
    for text in texts(phrase):
        if not text.isprintable():
            yield "has a character that cannot be printed"
        if set(_PART.sub("", text)) & {"{", "}"}:
            yield "has a bracket that is not {}, {:.1f}, {:%}, {:02} or {one|many}"
        elif not is_number and any(found["form"] for found in _PART.finditer(text)):
            yield "has a form in brackets, as {:.1f} is, which is for a number"


def texts(phrase: Phrase) -> list[str]:
    """The texts of a phrase."""
    if isinstance(phrase, str):
        return [phrase]
    found = (phrase.true, phrase.false, phrase.negative, phrase.zero, phrase.positive)
    return [text for text in found if text is not None]


def render(
    phrase: Phrase, value: str | float | bool, words: str | None = None, *, money: bool = False
) -> str:
    """The phrase for a value; what has no text of its own is told as if it were positive.

    The text for negative numbers gets them without their sign.

    Args:
        phrase: the texts.
        value: the fact.
        words: what is said in place of a number that stands for a band.
        money: the value is an amount.
    """
    if isinstance(phrase, str):
        return _filled(phrase, value, words, money=money)
    if isinstance(value, bool):
        return (phrase.true if value else phrase.false) or ""
    number = float(value)
    if number < 0 and phrase.negative is not None:
        return _filled(phrase.negative, -number, words, money=money)
    zero = phrase.zero if number == 0 else None
    return _filled(zero or phrase.positive or "", number, words, money=money)


def _filled(text: str, value: str | float | bool, words: str | None, *, money: bool) -> str:
    if words is not None and _UNIT.search(words):
        text = _COUNTED.sub("{}", text)

    told = []
    pieces, end = _pieces(text)
    is_one = _is_one(value, next((form for _, form, one, _ in pieces if not one), None), money)
    for plain, form, one, many in pieces:
        told.append(plain)
        if one:
            told.append(one if is_one else many)
        elif words is not None:
            told.append(words)
        else:
            told.append(_formed(form, value) if form else shown(value, money=money))
    return "".join([*told, end])


def _is_one(value: str | float | bool, form: str | None, money: bool) -> bool:
    """True if the value is shown as 1."""
    if isinstance(value, str):
        return False
    return (_formed(form, value) if form else shown(float(value), money=money)) in ("1", "01")


def _formed(form: str, value: str | float | bool) -> str:
    """A number in a form such as `:.0f`."""
    number = float(value)
    if form.startswith(":0"):
        return f"{int(number):{form.removeprefix(':').removesuffix('d')}}"
    if form == ":%":
        return f"{shown(round(100 * number, 1))} %"
    if form.endswith("%"):
        return f"{100 * number:,{form.removeprefix(':').removesuffix('%')}f} %"
    return f"{number:,{form.removeprefix(':')}}"


@lru_cache(maxsize=1_000)
def _pieces(text: str) -> tuple[list[tuple[str, str | None, str | None, str]], str]:
    """The parts of a text, each after the plain text before it, and the plain text at the end."""
    *found, end = _PART.split(text)
    plain, form, one, many = (found[i::4] for i in range(4))
    return list(zip(plain, form, one, many, strict=True)), end


def shown(value: str | float | bool, *, money: bool = False) -> str:
    """A value as people read it: a number that is not whole is rounded.

    Args:
        value: of a field or a derived fact.
        money: it is an amount.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, int) or value.is_integer() or not abs(value) < _LARGE:
        return f"{value:,.10g}"
    if money:
        return f"{value:,.{_OF_MONEY}f}".removesuffix("." + "0" * _OF_MONEY)
    rounded = round(value, _DECIMALS) if abs(value) >= 0.1 else float(f"{value:.{_DECIMALS}g}")
    return f"{rounded:,.10g}"
