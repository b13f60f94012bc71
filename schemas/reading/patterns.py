"""What a regular expression may cost: senders choose the texts that it is applied to.

Python's ``re`` tries one way after another, and holds the interpreter while it does: for a repeat
inside a repeat there are exponentially many ways to divide a text, and for several one after
another a power of its length.
"""

import re
from collections.abc import Iterable
from importlib import import_module
from typing import Any, Final, NamedTuple

# Not described to type checkers, as they are private; tests hold what is used of them.
names = import_module("re._constants")
parser = import_module("re._parser")

MOST_STEPS: Final = 10**8
"""About a second."""
_FEW: Final = 10
_REPEATS: Final = {names.MAX_REPEAT, names.MIN_REPEAT, names.POSSESSIVE_REPEAT}
_ANCHORS: Final = {names.AT_BEGINNING, names.AT_BEGINNING_STRING}
_UNSUPPORTED: Final = {
    names.GROUPREF: "a reference to a group",
    names.GROUPREF_EXISTS: "a condition on a group",
    names.ASSERT: "a look ahead or behind",
    names.ASSERT_NOT: "a look ahead or behind",
}


class PatternError(ValueError):
    """A pattern is not a regular expression, or may take too long; says why."""


def check_pattern(pattern: str, longest: int) -> None:
    """Refuse what is no regular expression, or could take long for some text.

    Args:
        pattern: as JSON Schema has it: it may be found anywhere in a text.
        longest: characters that a text may have.

    Raises:
        PatternError: it is none, or too expensive.
    """
    try:
        re.compile(pattern)
        parsed = parser.parse(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(f"is no regular expression: {error}") from None
    cost = _cost(parsed, inside=False)
    degree = cost.degree + (not _is_anchored(parsed))
    if longest**degree * cost.ways > MOST_STEPS:
        raise PatternError(
            f"may take too long for a text of {longest:,} characters: {degree} parts of it can be "
            f"of any length (one that may begin anywhere counts as well), and {cost.ways:,} "
            "combinations of its choices and short repeats may be tried"
        )


def _is_anchored(parsed: Iterable[Any]) -> bool:
    """True if it is only found at the beginning; conservative."""
    first = next(iter(parsed), None)
    return first is not None and first[0] is names.AT and first[1] in _ANCHORS


class _Cost(NamedTuple):
    """What is tried at most: `ways` times the text's length to the power of `degree`."""

    degree: int = 0
    """Repeats of many lengths that follow one another."""
    ways: int = 1
    """Combinations of choices and of repeats of few lengths; ten optional letters have 1,024."""


def _cost(parsed: Iterable[Any], *, inside: bool) -> _Cost:
    """What parts of a pattern that follow one another cost.

    Args:
        parsed: parts of the pattern.
        inside: they are repeated themselves.
    """
    degree, ways = 0, 1
    for what, value in parsed:
        part = _cost_of(what, value, inside=inside)
        degree, ways = degree + part.degree, ways * part.ways
    return _Cost(degree, ways)


def _cost_of(what: Any, value: Any, *, inside: bool) -> _Cost:
    if what in _UNSUPPORTED:
        raise PatternError(f"has {_UNSUPPORTED[what]}, which may take too long")
    if what in _REPEATS:
        return _cost_of_repeat(*value, inside=inside)
    if what is names.BRANCH:
        if inside:
            raise PatternError("has a choice inside a repeat, which may take too long")
        branches = [_cost(branch, inside=False) for branch in value[1]]
        return _Cost(max(one.degree for one in branches), sum(one.ways for one in branches))
    if what is names.SUBPATTERN:
        return _cost(value[-1], inside=inside)
    if what is names.ATOMIC_GROUP:
        return _cost(value, inside=inside)
    return _Cost()


def _cost_of_repeat(least: int, most: int, parts: Any, *, inside: bool) -> _Cost:
    if least != most and inside:
        raise PatternError("has a repeat inside a repeat, which may take too long")
    below = _cost(parts, inside=inside or most > 1)
    ways = below.ways
    if parts.getwidth()[0] == 0:  # the length of the text does not end it
        ways *= max(least, 1)
    if most - least > _FEW:
        return _Cost(max(below.degree, 1), ways)
    return _Cost(below.degree, ways * (most - least + 1))
