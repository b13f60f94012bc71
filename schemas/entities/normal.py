"""The normal form of the name of an entity: two texts have the same one if they name the same.

What names nobody has none: a text that is too short, repeats one character, is a placeholder that
people write to get past a required field, or is among the contract's stop texts. Names are never
made alike beyond their spelling: no two people are merged because their names are similar.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final

from schemas.entities.declared import Entity, NameForm

LEAST: Final[Mapping[NameForm, int]] = {"text": 3, "code": 3, "phone": 6, "email": 6}
"""Characters of the shortest name of a person; of a telephone number, without the code of the
country."""
PLACEHOLDERS: Final = frozenset(
    {
        *("unknown", "none", "null", "nil", "not known", "not available", "not applicable"),
        *("not given", "not stated", "n a", "n k", "anonymous", "test", "tbd", "tba", "various"),
        *("others", "other", "missing", "no phone", "no email", "unbekannt", "keine angabe"),
        *("keine", "inconnu", "desconocido"),
    }
)
"""In the form of *text*."""
_UP: Final = "0123456789" * 2
_DOWN: Final = "9876543210" * 2
_RUN: Final = 6
"""Digits in a row that are typed, not given."""
_NUMBERED: Final = 2
_INTERNATIONAL: Final = re.compile(r"[\s(]*(?:\+|00)")
_OTHERS: Final = re.compile(r"[\W_]+")
_DIGIT: Final = re.compile(r"\d")
_NO_DIGITS: Final = re.compile(r"[^0-9]+")

Normal = Callable[[str], str | None]


def normaliser(entity: Entity) -> Normal:
    """The function from texts to normal forms; None for a text that names nobody.

    Its result is never empty, and has no control characters.
    """
    form = _phone(entity.country) if entity.form == "phone" else _FORMS[entity.form]
    code = entity.country
    stops = frozenset(filter(None, (form(text) for text in entity.stop)))

    def normal(text: str) -> str | None:
        # No placeholder has a digit, and most names do.
        if _DIGIT.search(text) is None and _text(text) in PLACEHOLDERS:
            return None
        found = form(text)
        own = found[len(code) :] if code and found.startswith(code) else found
        return None if found in stops or _names_nobody(own, entity) else found

    return normal


def _names_nobody(found: str, entity: Entity) -> bool:
    own = found.replace(" ", "")
    if entity.like == "business" and own:
        # Garages may be numbered from 1.
        return len(own) > _NUMBERED and _is_filler(own)
    return len(own) < LEAST[entity.form] or _is_filler(own)


def _is_filler(own: str) -> bool:
    if own.count(own[0]) == len(own):
        return True
    return len(own) >= _RUN and own.isdigit() and (own in _UP or own in _DOWN)


def _text(text: str) -> str:
    """Words without case and punctuation, parted by single blanks."""
    return _OTHERS.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


def _code(text: str) -> str:
    """Letters and digits without case: of a policy, a plate, an account."""
    return _OTHERS.sub("", unicodedata.normalize("NFKC", text).casefold())


def _email(text: str) -> str:
    """Without case and outer blanks; "" for what is no address."""
    found = unicodedata.normalize("NFKC", text).casefold().strip()
    name, at, host = found.rpartition("@")
    whole = name and at and "." in host and found.isprintable() and " " not in found
    return found if whole else ""


def _phone(country: str | None) -> Callable[[str], str]:
    def phone(text: str) -> str:
        """Digits with the code of the country, as far as it is known."""
        plain = unicodedata.normalize("NFKC", text)
        stated = _INTERNATIONAL.match(plain)
        if stated is not None:
            # In "+44 (0)20 …" the bracket is for those who call from inside the country.
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
        return _NO_DIGITS.sub("", text)
    return "".join(str(unicodedata.decimal(c)) for c in text if c.isdecimal())


_FORMS: Final[Mapping[NameForm, Callable[[str], str]]] = {
    "text": _text,
    "code": _code,
    "email": _email,
    "phone": _digits,
}
