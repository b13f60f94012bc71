"""Numbers as people write them: grouped, with any decimal mark, signs of currency and of debt."""

import math
import re
from collections.abc import Callable, Sequence
from typing import Final

from schemas.reading.words import ReadingError

MAX_DIGITS: Final = 100
"""Longer texts are no numbers."""
_NOT_DIGITS: Final = re.compile(r"\D")
_BLANKS: Final = " \u00a0\u2009\u202f"
"""Blanks that part groups of digits are typed in several ways."""
_PLAIN: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
"""What most senders write, and all readers with a decimal point read alike."""
_MINUS: Final = str.maketrans({"\u2212": "-", "\u2013": "-"})


def number_reader(
    thousands: str = "", decimal: str = ".", currency: Sequence[str] = ()
) -> Callable[[str], float]:
    """A function from a text to its number; it raises a ReadingError.

    A negative number has a minus before or after it, or stands in brackets.

    Args:
        thousands: marks that may part groups of digits.
        decimal: mark before the fraction.
        currency: signs and words that may stand before or after the number.
    """
    marks = thousands + (_BLANKS if " " in thousands else "")
    group = f"[{re.escape(marks)}]" if marks else ""
    grouped = rf"\d{{1,3}}(?:{group}\d{{2,3}})*{group}\d{{3}}|" if marks else ""
    fraction = re.escape(decimal)
    form = re.compile(
        rf"([-+]?)((?:{grouped}\d+)?)(?:{fraction}(\d*))?(?:[eE]([-+]?\d+))?(-?)", re.ASCII
    )
    signs = sorted(currency, key=len, reverse=True)
    said = f"with {decimal} before the fraction" + (f" and {thousands} in groups" if marks else "")

    def read(text: str) -> float:
        if decimal == "." and len(text) <= MAX_DIGITS and _PLAIN.fullmatch(text):
            return float(text)
        bare = _without(text.translate(_MINUS), signs)
        owed = bare.startswith("(") and bare.endswith(")")
        found = form.fullmatch(_without(bare[1:-1], signs) if owed else bare)
        if found is None or len(text) > MAX_DIGITS or not (found[2] or found[3]):
            raise ReadingError(f"is not a number {said}")
        whole = _NOT_DIGITS.sub("", found[2]) or "0"
        value = float(f"{whole}.{found[3] or 0}e{found[4] or 0}")
        if not math.isfinite(value):
            raise ReadingError("is too large a number")
        return -value if owed or "-" in (found[1], found[5]) else value

    return read


def _without(text: str, signs: Sequence[str]) -> str:
    """The text without signs of currency at its ends; a minus before one of them is kept."""
    bare = text.strip()
    minus = "-" if bare.startswith("-") else ""
    bare = bare.removeprefix("-").strip() if minus else bare
    for sign in signs:
        low = bare.casefold()
        if low.startswith(sign.casefold()):
            bare = bare[len(sign) :].strip()
        elif low.endswith(sign.casefold()):
            bare = bare[: -len(sign)].strip()
    return minus + bare
