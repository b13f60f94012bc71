"""From the text of an expression to a typed tree.

    expression  = conjunction {"or" conjunction}
    conjunction = negation {"and" negation}
    negation    = "not" negation | comparison
    comparison  = sum {("<" | "<=" | ">" | ">=" | "==" | "!=") sum}
                | sum ["not"] "in" "(" expression {"," expression} ")"
    sum         = product {("+" | "-") product}
    product     = factor {("*" | "/") factor}
    factor      = "-" factor | number | date | text | "true" | "false" | name
                | function "(" expression {"," expression} ")" | "(" expression ")"

A chain `a < b < c` means `a < b and b < c`. Names are those of fields and derived facts.
"""

import datetime as dt
import difflib
import math
from collections.abc import Callable, Collection, Mapping
from typing import Final

from schemas.expressions.nodes import (
    MAX_DEPTH,
    MAX_NODES,
    Constant,
    ExpressionError,
    Fact,
    Kind,
    Node,
)
from schemas.expressions.operations import COMPARISONS, FUNCTIONS, operation
from schemas.expressions.tokens import Token, tokens

_FLAGS: Final = {"true": 1.0, "false": 0.0}
RESERVED: Final = frozenset({"and", "or", "not", "in", *_FLAGS, *FUNCTIONS})
"""Words of the language, which no field can be called by."""
_CLOSING: Final = {"(": ")", "[": "]"}


def parse(text: str, kinds: Mapping[str, Kind], time: str | None = None) -> Node:
    """Read an expression.

    Args:
        text: the expression.
        kinds: of the facts it may use, by name.
        time: name of the claim's own time, which `days_since` counts to.

    Raises:
        ExpressionError: it is malformed, uses a name that is unknown or a value of the wrong kind,
            or is too large; says where.
    """
    return _Parser(text, kinds, time).whole()


def closest(name: str, known: Collection[str]) -> str:
    """A hint at the name that was meant, or nothing."""
    found = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {found[0]}?" if found else ""


class _Parser:
    """Reads one expression, word by word."""

    def __init__(self, text: str, kinds: Mapping[str, Kind], time: str | None) -> None:
        self._tokens = list(tokens(text))
        self._next = 0
        self._kinds = kinds
        self._time = time
        self._depth = 0

    def whole(self) -> Node:
        if len(self._tokens) > MAX_NODES:
            raise ExpressionError(self._tokens[MAX_NODES].column, f"more than {MAX_NODES} words")
        found = self._expression()
        if self._word.sort != "end":
            raise self._unexpected("the end, and, or, or an operator")
        return found

    @property
    def _word(self) -> Token:
        return self._tokens[self._next]

    def _take(self, *texts: str) -> Token | None:
        """The next word if it is one of these, else None; words in quotation marks never are."""
        word = self._word
        if word.sort not in ("name", "sign") or word.text not in texts:
            return None
        self._next += 1
        return word

    def _unexpected(self, wanted: str) -> ExpressionError:
        found = self._word.text or "the end"
        return ExpressionError(self._word.column, f"expected {wanted}, found {found}")

    def _expression(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionError(self._word.column, f"nested more than {MAX_DEPTH} deep")
        found = self._joined(self._conjunction, "or")
        self._depth -= 1
        return found

    def _conjunction(self) -> Node:
        return self._joined(self._negation, "and")

    def _joined(self, part: Callable[[], Node], *names: str) -> Node:
        found = part()
        while word := self._take(*names):
            found = operation(word.text, (found, part()), word.column)
        return found

    def _negation(self) -> Node:
        words = []
        while word := self._take("not"):
            words.append(word)
        return self._prefixed("not", words, self._comparison())

    def _prefixed(self, name: str, words: list[Token], found: Node) -> Node:
        for word in reversed(words[-(len(words) % 2 or 2) :]):  # two of them cancel out
            found = operation(name, (found,), word.column)
        return found

    def _comparison(self) -> Node:
        left = self._sum()
        if self._word.text in ("in", "not") and self._word.sort == "name":
            return self._membership(left)
        found: Node | None = None
        while word := self._take(*COMPARISONS):
            right = self._sum()
            link = operation(word.text, (left, right), word.column)
            found = link if found is None else operation("and", (found, link), word.column)
            left = right
        return left if found is None else found

    def _membership(self, item: Node) -> Node:
        negated = self._take("not")
        word = self._take("in")
        if word is None:
            raise self._unexpected("in")
        found = operation("in", (item, *self._list("([")), word.column)
        return operation("not", (found,), negated.column) if negated else found

    def _sum(self) -> Node:
        return self._joined(self._product, "+", "-")

    def _product(self) -> Node:
        return self._joined(self._factor, "*", "/")

    def _factor(self) -> Node:
        words = []
        while word := self._take("-"):
            words.append(word)
        return self._prefixed("negative", words, self._primary())

    def _primary(self) -> Node:
        if self._word.sort == "name":
            return self._named()
        if self._word.sort in ("number", "date", "text"):
            return self._constant()
        if self._take("("):
            found = self._expression()
            self._close(")")
            return found
        raise self._unexpected("a value, a name or (")

    def _constant(self) -> Node:
        word = self._word
        self._next += 1
        if word.sort == "number":
            return Constant(_number(word), "number", word.column)
        if word.sort == "date":
            return Constant(_day(word), "date", word.column)
        if not word.text[1:-1].strip():
            raise ExpressionError(word.column, "no claim contains an empty text: use missing()")
        return Constant(word.text[1:-1], "text", word.column)

    def _named(self) -> Node:
        word = self._word
        self._next += 1
        if word.text in FUNCTIONS and self._word.text == "(":
            return self._call(word)
        if word.text in _FLAGS:
            return Constant(_FLAGS[word.text], "flag", word.column)
        if word.text not in self._kinds:
            hint = closest(word.text, {*self._kinds, *FUNCTIONS})
            raise ExpressionError(word.column, f"there is no field {word.text}{hint}")
        return Fact(word.text, self._kinds[word.text], word.column)

    def _call(self, word: Token) -> Node:
        operands = self._list("(")
        if word.text != "days_since":
            return operation(word.text, operands, word.column)
        if self._time is None:
            raise ExpressionError(
                word.column, "days_since counts to the claim's time, and x-event names none"
            )
        time = Fact(self._time, "date", word.column)
        return operation("days_between", (time, *operands), word.column)

    def _list(self, opening: str) -> list[Node]:
        opened = self._take(*opening)
        if opened is None:
            raise self._unexpected(" or ".join(opening))
        found = [self._expression()]
        while self._take(","):
            found.append(self._expression())
        self._close(_CLOSING[opened.text])
        return found

    def _close(self, sign: str) -> None:
        if self._take(sign) is None:
            raise self._unexpected(sign)


def _number(word: Token) -> float:
    value = float(word.text)
    if not math.isfinite(value):
        raise ExpressionError(word.column, f"{word.text} is too large")
    return value


def _day(word: Token) -> float:
    try:
        return float(dt.date.fromisoformat(word.text).toordinal())
    except ValueError:
        raise ExpressionError(word.column, f"{word.text} is not a day of the calendar") from None
