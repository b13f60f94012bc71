"""The normal form of an entity's name: two texts have the same form if they name the same entity.

A text that names nobody has none: it is too short, repeats one character, is a placeholder that
people write to get past a required field, or is among the contract's stop texts. Only spelling is
normalised: no two people are merged because their names are similar.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final
from unicodedata import category, combining, decimal

from schemas.entities.declared import Entity, NameForm
from schemas.expressions.spelling import compatible

LEAST: Final[Mapping[NameForm, int]] = {"text": 3, "code": 3, "phone": 6, "email": 6}
"""Characters of the shortest name of a person; of a telephone number, without the country code."""
PLACEHOLDERS: Final = frozenset(
    {
        *("unknown", "none", "null", "nil", "not known", "not available", "not applicable"),
        *("not given", "not stated", "n a", "n k", "anonymous", "test", "tbd", "tba", "various"),
        *("others", "other", "missing", "no phone", "no email", "unbekannt", "keine angabe"),
        *("keine", "inconnu", "desconocido"),
    }
)
"""In the form of *text*."""
_CODED: Final = frozenset(text.replace(" ", "") for text in PLACEHOLDERS)
"""The same in the form of *code*."""
_TYPED: Final = ("0123456789" * 2, "9876543210" * 2)
_RUN: Final = 6
"""Digits in sequence that were just typed in, not given."""
_RUNS: Final = frozenset(
    text[start:end]
    for text in _TYPED
    for start in range(len(text))
    for end in range(start + _RUN, len(text) + 1)
)
_NUMBERED: Final = 2
_INTERNATIONAL: Final = re.compile(r"[^\d+]*(?:\+|00)")
_MARKS: Final = frozenset({"Mn", "Mc"})
_OPTIONAL: Final = frozenset({*range(10, 37), *range(200, 256)})
"""Combining classes of the points of Hebrew and Arabic, and of accents that no letter has of its
own: many people leave them out. Other marks are the vowels of Indic scripts, Thai, Khmer and
others, and names differ by them.
"""
_UNSEEN: Final = re.compile(
    "[\u00ad\u034f\u17b4\u17b5\u180b-\u180f\u200c\u200d\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
"""They choose a shape, or join and part letters, and say nothing."""
# Most names are ASCII: they are translated character by character, in a fifth of the time.
_ASCII: Final = [chr(number) for number in range(128)]
_WORDS: Final = str.maketrans({c: c.lower() if c.isalnum() else " " for c in _ASCII})
_NO_OTHERS: Final = str.maketrans({c: c.lower() if c.isalnum() else None for c in _ASCII})
_ONLY_DIGITS: Final = str.maketrans({c: c if c.isdigit() else None for c in _ASCII})

Normal = Callable[[str], str | None]


def normaliser(entity: Entity) -> Normal:
    """The function from texts to normal forms; None for a text that names nobody.

    Its result is never empty, and has no control characters.
    """
    form = _phone(entity.country) if entity.form == "phone" else _FORMS[entity.form]
    in_words, as_code = entity.form == "text", _CODED_AS[entity.form]
    code = entity.country
    stops = frozenset(filter(None, (form(text) for text in entity.stop)))
    # Garages may be numbered from 1.
    least, filled = (1, _NUMBERED) if entity.like == "business" else (LEAST[entity.form], 0)

    def normal(text: str) -> str | None:
        own = found = form(text)
        if code and found.startswith(code):
            own = found[len(code) :]
        if in_words:
            own = own.replace(" ", "")
        if len(own) < least or found in stops or (len(own) > filled and _is_filler(own)):
            return None
        # A placeholder is also one as a code: what is not needs no look word by word.
        if as_code and as_code(found) in _CODED and _text(text) in PLACEHOLDERS:
            return None
        return found

    return normal


def _is_filler(own: str) -> bool:
    return own in _RUNS or (own[0] == own[-1] and own.count(own[0]) == len(own))


def _text(text: str) -> str:
    """Words without case and punctuation, separated by single spaces."""
    if text.isascii():
        return " ".join(text.translate(_WORDS).split())
    return " ".join(_letters(text, " ").split())


def _code(text: str) -> str:
    """Letters and digits without case: of a policy, a plate, an account."""
    if text.isascii():
        return text.translate(_NO_OTHERS)
    return _letters(text, "")


def _letters(text: str, other: str) -> str:
    """Letters with their vowel signs, and digits, without case; `other` for anything else."""
    plain = _UNSEEN.sub("", compatible(text)).casefold()
    return "".join(c if c.isalnum() else _mark(c, other) for c in plain)


def _mark(character: str, other: str) -> str:
    if category(character) not in _MARKS:
        return other
    return "" if combining(character) in _OPTIONAL else character


def _email(text: str) -> str:
    """Without case and surrounding spaces; "" for what is not an address."""
    found = compatible(text).casefold().strip()
    name, at, host = found.rpartition("@")
    whole = name and at and "." in host and found.isprintable() and " " not in found
    return found if whole else ""


def _phone(country: str | None) -> Callable[[str], str]:
    def phone(text: str) -> str:
        """Digits with the country code, if it is known."""
        plain = compatible(text)
        stated = _INTERNATIONAL.match(plain)
        if stated is not None:
            # In "+44 (0)20 …" the bracket is for callers from inside the country.
            return _digits(plain[stated.end() :].replace("(0)", ""))
        digits = _digits(plain)
        if country is None:
            return digits
        if country == "1":
            return digits if len(digits) == 11 and digits[0] == "1" else country + digits
        return country + digits.removeprefix("0")

    return phone


def _digits(text: str) -> str:
    if text.isascii():
        return text.translate(_ONLY_DIGITS)
    return "".join(str(decimal(c)) for c in text if c.isdecimal())


_FORMS: Final[Mapping[NameForm, Callable[[str], str]]] = {
    "text": _text,
    "code": _code,
    "email": _email,
    "phone": _digits,
}
_CODED_AS: Final[Mapping[NameForm, Callable[[str], str] | None]] = {
    "text": lambda found: found.replace(" ", ""),
    "code": lambda found: found,
    "email": _code,
    "phone": None,
}
"""From a normal form to that of *code*; None: no placeholder has digits."""
