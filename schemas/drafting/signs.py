"""What is pointed out about a column: constant, empty, or telling the label alone."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from schemas.drafting.columns import ColumnProfile
from schemas.reading.words import alike

TELLING: Final = 0.95
"""Area under the ROC curve from which one column alone tells the label."""
FEW: Final = 20
"""Rows for each distinct value from which their frauds are compared."""
FRAUD: Final = frozenset(
    {"y", "yes", "1", "1.0", "true", "t", "fraud", "fraudulent", "j", "ja", "proven", "confirmed"}
)
LONGEST_WORD: Final = 200
"""Characters of a word in a contract."""
_BAND: Final = re.compile(
    r".*\d.* (?:to|bis|-|–) .*\d.*|(?:more|less|over|under|über|unter) .*\d.*"
)
HONEST: Final = frozenset(
    {"n", "no", "0", "0.0", "false", "f", "nein", "honest", "genuine", "legit"}
)


class LabelWords(NamedTuple):
    """Words of the label. Both are empty where the rows do not have words for both."""

    fraud: list[str]
    honest: list[str]
    are_certain: bool


def label_words(column: ColumnProfile) -> LabelWords:
    """Words of the label for fraud and for honest, as far as the column has any."""
    spellings: dict[str, list[str]] = {}
    for text, _ in column.counts.most_common():
        if len(text) <= LONGEST_WORD:
            spellings.setdefault(alike(text), []).append(text)
    fraud = [word for word in spellings if word in FRAUD]
    honest = [word for word in spellings if word in HONEST]
    are_certain = bool(fraud and honest)
    others = [word for word in spellings if word not in FRAUD | HONEST]
    if not fraud:
        fraud = others[-1:]  # frauds are rare
    if not honest:
        honest = [word for word in others if word not in fraud][:1]
    if not fraud or not honest:
        return LabelWords([], [], are_certain=False)
    return LabelWords(
        [text for word in fraud for text in spellings[word]],
        [text for word in honest for text in spellings[word]],
        are_certain,
    )


def _is_banded(column: ColumnProfile) -> bool:
    banded = sum(_BAND.fullmatch(text.casefold()) is not None for text in column.counts)
    return banded >= max(2, 0.4 * len(column.counts))


def signs(column: ColumnProfile, fraud: Sequence[bool | None]) -> Iterator[str]:
    """What to look at before the column is used; fraud is the label of each row."""
    if not column.counts:
        yield "no row has a value"
        return
    if len(column.counts) == 1:
        yield "the same in every row"
        return
    if _is_banded(column):
        yield "bands: x-read with a table can give each its number"
    if (area := _area(column, fraud)) is not None and area > TELLING:
        yield f"tells the label alone (ROC AUC {area:.2f}): is it known when a claim is reported?"


def _area(column: ColumnProfile, fraud: Sequence[bool | None]) -> float | None:
    """How well the column alone tells frauds, in either direction; None if that says nothing."""
    known = [
        (text, f)
        for text, f in zip(column.texts, fraud, strict=True)
        if f is not None and text in column.counts and not _is_endless(text)
    ]
    if not {False, True} <= {f for _, f in known}:
        return None
    try:
        values = [(float(text), f) for text, f in known]
    except ValueError:
        if len(column.counts) * FEW > len(known):
            return None
        values = _rates(known)
    area = _roc(values)
    return max(area, 1 - area)


def _is_endless(text: str) -> bool:
    """True of a number that has no rank: infinite, or none."""
    try:
        return not math.isfinite(float(text))
    except ValueError:
        return False


def _rates(known: Sequence[tuple[str, bool]]) -> list[tuple[float, bool]]:
    """Each text as its share of frauds."""
    total = Counter(text for text, _ in known)
    frauds = Counter(text for text, f in known if f)
    return [(frauds[text] / total[text], f) for text, f in known]


def _roc(values: list[tuple[float, bool]]) -> float:
    """Area under the ROC curve, by ranks; equal values count half."""
    values.sort(key=lambda pair: pair[0])
    frauds = sum(f for _, f in values)
    below = 0
    wins = 0.0
    at = 0
    while at < len(values):
        end = at
        while end < len(values) and values[end][0] == values[at][0]:
            end += 1
        tied = sum(f for _, f in values[at:end])
        honest = end - at - tied
        wins += tied * (below + honest / 2)
        below += honest
        at = end
    return wins / (frauds * (len(values) - frauds))
