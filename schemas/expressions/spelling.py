"""The spelling in which texts are compared."""

import math
import re
import unicodedata
from typing import Any, Final

SHORT: Final = 256
"""Characters of a text that is normalised at once."""
_PIECES: Final = re.compile(r"[\x00-\x7f]+(?![^\x00-\x7f])|[\x00-\x7f]?[^\x00-\x7f]{1,64}")
"""No character of ASCII is composed with what is before it."""


def compatible(text: str) -> str:
    """A text in Unicode form NFKC.

    Python sorts the marks on a letter in a time that is quadratic in their number, and a sender may
    put any number there. So a long text is normalised piece by piece; between pieces of more than
    64 characters that are not ASCII, nothing is composed.
    """
    if len(text) <= SHORT:
        return unicodedata.normalize("NFKC", text)
    return "".join(unicodedata.normalize("NFKC", piece) for piece in _PIECES.findall(text))


def clean(value: Any) -> str | None:
    """The normalised spelling of a category; blank, None and NaN are missing.

    Trimmed, case-folded, and in Unicode form NFKC: letters with combining accents and full-width
    letters are the same as plain ones.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    text = str(value)
    if text.isascii():
        return " ".join(text.casefold().split()) or None
    folded = compatible(text).casefold()  # which may decompose letters again
    return " ".join(compatible(folded).split()) or None
