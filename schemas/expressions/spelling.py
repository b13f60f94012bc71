"""The spelling in which texts are compared."""

import math
import unicodedata
from typing import Any


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
    folded = unicodedata.normalize("NFKC", text).casefold()  # which may decompose letters again
    return " ".join(unicodedata.normalize("NFKC", folded).split()) or None
