"""The words of a column's name, and numbers that are names."""

import re
from itertools import pairwise
from typing import Final

from schemas.drafting.columns import Column

NAMING: Final = frozenset({"id", "no", "nr", "num", "number", "ref", "reference", "code", "key"})
CODES: Final = frozenset({"zip", "zipcode", "postcode", "phone", "telephone", "mobile", "account"})
_PARTS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")


def words_of(name: str) -> tuple[str, ...]:
    """The words of a name, however it is written."""
    return tuple(part.casefold() for part in _PARTS.findall(name))


def is_code(column: Column) -> bool:
    """True of whole numbers that name something, by the column's name or as all are different."""
    words = words_of(column.name)
    counted = any(pair in (("number", "of"), ("no", "of")) for pair in pairwise(words))
    named = bool(set(words) & NAMING) and len(words) > 1 and not counted
    if not all(text.isdigit() for text in column.counts):
        return False
    alike = column.is_unique and len(column.counts) > 50 and len(set(map(len, column.counts))) == 1
    return named or bool(set(words) & CODES) or alike
