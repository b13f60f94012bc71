"""The words of a column's name, and numbers that are names."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from schemas.drafting.columns import ColumnProfile
from schemas.printable import printable

NAMING: Final = frozenset({"id", "no", "nr", "num", "number", "ref", "reference", "code", "key"})
CODES: Final = frozenset({"zip", "zipcode", "postcode", "phone", "telephone", "mobile", "account"})
_PARTS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")
_SPELT: Final = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "ẞ": "SS",
     "æ": "ae", "Æ": "Ae", "ø": "oe", "Ø": "Oe", "œ": "oe", "Œ": "Oe", "ł": "l", "Ł": "L"}
)  # fmt: skip
"""Letters that German and others spell out where only ASCII is possible."""


def words_of(name: str) -> tuple[str, ...]:
    """The words of a name, however it is written; Latin letters without their marks."""
    spelt = unicodedata.normalize("NFD", unicodedata.normalize("NFC", name).translate(_SPELT))
    plain = "".join(letter for letter in spelt if not unicodedata.combining(letter))
    return tuple(part.casefold() for part in _PARTS.findall(unicodedata.normalize("NFC", plain)))


def on_a_line(texts: Iterable[str]) -> str:
    """Some values as a remark shows them: short, and on one line, whatever is in them."""
    return ", ".join(printable(" ".join(text.split())[:40]) for text in sorted(texts)[:10])


def is_code(column: ColumnProfile) -> bool:
    """True of whole numbers that name something, by the column's name or as all are different.

    Numbers that the file has as numbers may be amounts that are all different.
    """
    words = words_of(column.name)
    counted = any(pair in (("number", "of"), ("no", "of")) for pair in pairwise(words))
    named = bool(set(words) & NAMING) and (len(words) > 1 or column.is_unique) and not counted
    if not all(text.isdigit() for text in column.counts):
        return False
    if named or set(words) & CODES:
        return True
    alike = len(set(map(len, column.counts))) == 1
    return alike and column.is_unique and len(column.counts) > 50 and not column.native


def names_claims(words: Sequence[str]) -> bool:
    """True of words such as claim and id: those of a claim's own name, and no others."""
    others = {*words} - {"claim", "claims"}
    return "claim" in words and bool(others) and others <= NAMING - {"code"}
