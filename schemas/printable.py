"""Names and texts from files, as they can be shown: printable, and no more than can be read."""

import json
from collections.abc import Collection
from itertools import islice
from typing import Final

MOST_LISTED: Final = 50
"""Names; a file may have any number of columns."""
LONGEST_NAME: Final = 80
LONGEST_MESSAGE: Final = 8_000
"""Characters; a message may repeat what a file says at any length."""


def printable(text: str) -> str:
    """One line without codes that a terminal obeys."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def printable_lines(text: str) -> str:
    """Lines without codes that a terminal obeys."""
    return "\n".join(map(printable, text.split("\n")))


def message_of(error: object) -> str:
    """What an error says, for a terminal: no codes, and no more than can be read."""
    return printable_lines(in_short(str(error)))


def in_short(text: str, most: int = LONGEST_MESSAGE) -> str:
    """The text; of a longer one its beginning and its end, where messages say what to do."""
    half = most // 2
    return text if len(text) <= most else f"{text[:half]} … {text[-half:]}"


def escaped(text: str) -> str:
    r"""JSON, or another text, for any terminal: what cannot be printed becomes ``\uXXXX``.

    That is what a terminal obeys, C1 control characters among them, and what turns the order of the
    letters around or ends a line for some readers only. JSON means the same with and without.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def listed(names: Collection[str]) -> str:
    """The names with commas between them; the first ones of many, and how many more there are."""
    shown = ", ".join(printable(_cut(name)) for name in islice(names, MOST_LISTED))
    more = len(names) - MOST_LISTED
    return f"{shown} and {more:,} more" if more > 0 else shown


def _cut(name: str) -> str:
    if len(name) <= LONGEST_NAME:
        return name
    return name[: LONGEST_NAME - 1] + "\N{HORIZONTAL ELLIPSIS}"
