"""The encoding and the delimiter of a text file, from its beginning."""

import codecs
import csv
import io
import re
from collections.abc import Sequence
from itertools import islice
from typing import Final

SAMPLE_BYTES: Final = 256_000
DELIMITERS: Final = (",", ";", "\t", "|")
NAMES: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_OUTSIDE_ASCII: Final = re.compile(r"[^\x00-\x7f]")
_UTF8: Final = codecs.getincrementaldecoder("utf-8")
_MARKS: Final = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}


def encoding_of(sample: bytes, *, whole: bool = False) -> str:
    """The encoding of a text that begins like this.

    Args:
        sample: its beginning, which may end inside a character.
        whole: true if it is all of the text.

    A byte order mark decides. Without one it is UTF-8, unless more bytes outside ASCII contradict
    that than agree with it: then it is Windows-1252, which agrees with Latin-1 on all letters.
    """
    for mark, name in _MARKS.items():
        if sample.startswith(mark):
            return name
    if _is_bare_utf16(sample):
        return "utf-16-le" if sample[1:2] == b"\0" else "utf-16-be"
    text = _UTF8("surrogateescape").decode(sample, final=whole)
    outside = _OUTSIDE_ASCII.findall(text)
    wrong = sum("\udc80" <= c <= "\udcff" for c in outside)
    right = len(outside) - wrong
    if wrong <= right:
        return "utf-8"
    try:
        sample.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1"
    return "cp1252"


def _is_bare_utf16(sample: bytes) -> bool:
    """True of UTF-16 without a mark: every other byte of its ASCII characters is 0."""
    return len(sample) >= 4 and sample[:4].count(0) == 2 and sample.count(0) > len(sample) // 4


def delimiter_of(text: str) -> str:
    """The delimiter with which the most rows have as many cells as the first, and more than one."""
    return max(DELIMITERS, key=lambda d: _agreement(text, d))


def _agreement(text: str, delimiter: str) -> tuple[int, int]:
    try:
        rows = list(islice(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), 200))
    except csv.Error:  # a cell that is too large, as when a quotation mark is not closed
        return 0, 0
    widths: Sequence[int] = [len(row) for row in rows if row]
    if not widths or widths[0] < 2:
        return 0, 0
    return widths.count(widths[0]), widths[0]
