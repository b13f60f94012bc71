"""The words of an expression: numbers, dates, texts in quotation marks, names and signs."""

import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from schemas.expressions.nodes import MAX_LENGTH, ExpressionError

Sort = Literal["date", "number", "text", "name", "sign", "end"]

_TOKEN: Final = re.compile(
    r"""(?P<date>\d{4}-\d\d-\d\d(?!\d))
      | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
      | (?P<text>"[^"]*"|'[^']*')
      | (?P<name>[A-Za-z_]\w*)
      | (?P<sign><=|>=|==|!=|[-+*/<>(),\[\]])
      | (?P<blank>\s+)""",
    re.VERBOSE | re.ASCII,
)
_MISTAKEN: Final = {
    "=": "== compares",
    "&": "write and",
    "|": "write or",
    "!": "write not",
    '"': "the text has no closing quotation mark",
    "'": "the text has no closing quotation mark",
}


class Token(NamedTuple):
    """A word and where it stands, counted from 1."""

    sort: Sort
    text: str
    column: int


def tokens(text: str) -> Iterator[Token]:
    """The words of an expression; the last is of sort *end*.

    Raises:
        ExpressionError: it is too long, or contains something that is no word of the language.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(MAX_LENGTH + 1, f"longer than {MAX_LENGTH:,} characters")
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise ExpressionError(position + 1, _mistake(text[position]))
        yield from _token(found)
        position = found.end()
    yield Token("end", "", len(text) + 1)


def _token(found: "re.Match[str]") -> Iterator[Token]:
    sorts: tuple[Sort, ...] = ("date", "number", "text", "name", "sign")
    for sort in sorts:
        if found[sort] is not None:
            yield Token(sort, found[sort], found.start() + 1)


def _mistake(sign: str) -> str:
    hint = _MISTAKEN.get(sign)
    return f"{sign} has no meaning here" + (f": {hint}" if hint else "")
