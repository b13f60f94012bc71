"""JSON lines: one event a line; blank lines are left out."""

import json
import re
from collections.abc import Iterator
from typing import BinaryIO, Final

from schemas.tables.encoding import SAMPLE_BYTES, encoding_of
from schemas.tables.rows import Row, Table, table

_MARK: Final = b"\xef\xbb\xbf"
_GZIP: Final = b"\x1f\x8b\x08"
_UTF32: Final = (b"\xff\xfe\0\0", b"\0\0\xfe\xff")
_BLANKS: Final = re.compile(r"\s*")
_FEWEST: Final = 3
"""Lines of an array or an object that is written over several."""
MAX_LINE: Final = 8_000_000
"""Bytes; a claim has at most a million."""


def read_lines(name: str, source: BinaryIO) -> Table:
    """Read JSON lines."""
    return table(name, None, _rows(source))


def other_form(sample: bytes) -> str | None:
    """What a file is that has no JSON lines, and how to make some of it; None if it may have some.

    Only of files of which no line could be read as an object.

    Args:
        sample: its beginning, of `SAMPLE_BYTES`, or all of it if it is shorter.
    """
    if sample.startswith(_GZIP):
        return "is packed with gzip, and its name does not say so: unpack it"
    if b"\0" in sample[:6] and encoding_of(sample).startswith("utf-16"):
        wide = "UTF-32" if sample.startswith(_UTF32) else "UTF-16"
        return f"is {wide}, and JSON lines are UTF-8: convert it, as iconv -f {wide} -t UTF-8 does"
    first = _spread(sample.removeprefix(_MARK), whole=len(sample) < SAMPLE_BYTES)
    if first == "[":
        return "is one JSON array, and not one object per line: convert it, as jq -c '.[]' does"
    if first == "{":
        return "has JSON objects over several lines, not one per line: convert it, as jq -c . does"
    return None


def _spread(sample: bytes, *, whole: bool) -> str | None:
    """The first character of the array or object that a file begins with, if that is no line."""
    end = len(sample) if whole else sample.rfind(b"\n") + 1
    if not end:  # one line that is longer than the sample
        return "[" if sample.lstrip().startswith(b"[") else None
    text = sample[:end].decode("utf-8", "surrogateescape").strip()
    if not text.startswith(("[", "{")):
        return None
    try:
        lines = _has_lines(text, whole=whole)
    except json.JSONDecodeError as error:
        # At the end, nothing is wrong with what is there: it only goes on.
        lines = error.pos < len(text) or len(text.split("\n")) < _FEWEST
    except (ValueError, RecursionError):  # a number or a depth that Python does not read
        lines = True
    return None if lines else text[0]


def _has_lines(text: str, *, whole: bool) -> bool:
    """Whether the first of some JSON values is on a line of its own, or a later one is an object
    that is.

    Raises:
        ValueError, RecursionError: there is something else than values.
    """
    decoder = json.JSONDecoder()
    start = 0
    while start < len(text):
        value, end = decoder.raw_decode(text, start)
        is_line = "\n" not in text[start:end]
        if is_line and not start:
            return not (whole and isinstance(value, list) and end == len(text))
        if is_line and isinstance(value, dict):
            return True
        start = _BLANKS.match(text, end).end()  # type: ignore[union-attr]  # matches anything
    return False


def _rows(source: BinaryIO) -> Iterator[Row]:
    number = 0
    while line := source.readline(MAX_LINE):
        number += 1
        text = line.removeprefix(_MARK) if number == 1 else line
        if len(line) == MAX_LINE and not line.endswith(b"\n"):
            _skip(source)
            yield Row(number, b"", f"longer than {MAX_LINE:,} bytes")
        elif text.strip():
            yield Row(number, text, size=len(line))


def _skip(source: BinaryIO) -> None:
    """Read up to the end of the line."""
    while (rest := source.readline(MAX_LINE)) and not rest.endswith(b"\n"):
        pass
