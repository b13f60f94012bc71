"""YAML as people write it: short objects in one line, remarks above what they are about."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from schemas.printable import in_short, printable

WIDTH: Final = 100
LONGEST_REMARK: Final = 1_000
"""Characters: a remark may repeat names of any length."""
_PLAIN: Final = re.compile(r"[A-Za-z_%/][A-Za-z0-9_%/. -]*[A-Za-z0-9_%/.]|[A-Za-z]")
_SPECIAL: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan"})


def scalar(value: Any) -> str:
    """A plain value, in quotation marks where it could be mistaken."""
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    text = str(value)
    if _PLAIN.fullmatch(text) and text.casefold() not in _SPECIAL and not text.startswith("%"):
        return text
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(letter: str) -> str:
    """A letter inside quotation marks; YAML ends lines at some that are not printable."""
    if letter in '"\\':
        return f"\\{letter}"
    if letter.isprintable():
        return letter
    code = ord(letter)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def comment(text: str, indent: int = 0) -> str:
    """A comment of one line, whatever is in the text."""
    return f"{' ' * indent}# {printable(in_short(' '.join(text.split()), LONGEST_REMARK))}"


def remark(text: str, indent: int = 0) -> str:
    """A comment about a doubt."""
    return comment(f"? {text}", indent)


def flow(value: Any) -> str:
    """Any value in one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(k)}: {flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value)


def entry(name: str, value: Any, indent: int = 0) -> Iterator[str]:
    """A member of an object, in one line if it fits."""
    start = " " * indent + f"{scalar(name)}:"
    line = f"{start} {flow(value)}"
    if len(line) <= WIDTH or not isinstance(value, Mapping) or not value:
        yield line
        return
    yield start
    for inner, below in value.items():
        yield from entry(inner, below, indent + 2)
