"""What a regular expression may cost: senders choose the texts that it is applied to.

Python's ``re`` tries one way after another, and holds the interpreter while it does: for a repeat
inside a repeat there are exponentially many ways to divide a text, and for several one after
another a power of its length.
"""

import re
from collections.abc import Iterable
from importlib import import_module
from typing import Any, Final

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
    degree = _degree(parsed, inside=False) + (not _is_anchored(parsed))
    if longest**degree > MOST_STEPS:
        raise PatternError(
            f"may take too long for a text of {longest:,} characters: {degree} parts of it can be "
            "of any length (one that may begin anywhere counts as well)"
        )


def _is_anchored(parsed: Iterable[Any]) -> bool:
    """True if it is only found at the beginning; conservative."""
    first = next(iter(parsed), None)
    return first is not None and first[0] is names.AT and first[1] in _ANCHORS


def _degree(parsed: Iterable[Any], *, inside: bool) -> int:
    """How many repeats of many lengths follow one another.

    Args:
        parsed: parts of the pattern.
        inside: they are repeated themselves.
    """
    found = 0
    for what, value in parsed:
        if what in _UNSUPPORTED:
            raise PatternError(f"has {_UNSUPPORTED[what]}, which may take too long")
        if what in _REPEATS:
            found += _repeated(*value, inside=inside)
        elif what is names.BRANCH:
            if inside:
                raise PatternError("has a choice inside a repeat, which may take too long")
            found += max(_degree(branch, inside=False) for branch in value[1])
        elif what is names.SUBPATTERN:
            found += _degree(value[-1], inside=inside)
        elif what is names.ATOMIC_GROUP:
            found += _degree(value, inside=inside)
    return found


def _repeated(least: int, most: int, parts: Iterable[Any], *, inside: bool) -> int:
    """The degree of a repeat."""
    if least != most and inside:
        raise PatternError("has a repeat inside a repeat, which may take too long")
    below = _degree(parts, inside=inside or most > 1)
    return max(below, int(most - least > _FEW))
