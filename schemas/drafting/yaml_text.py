"""YAML as people write it: short objects in one line, remarks above what they are about."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

WIDTH: Final = 100
_PLAIN: Final = re.compile(r"[A-Za-z_%/][A-Za-z0-9_%/. -]*[A-Za-z0-9_%/.]|[A-Za-z]")
_SPECIAL: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan"})


def scalar(value: Any) -> str:
    """A plain value, in quotation marks where it could be mistaken."""
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    text = str(value)
    if _PLAIN.fullmatch(text) and text.casefold() not in _SPECIAL and not text.startswith("%"):
        return text
    return json.dumps(text, ensure_ascii=False)


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
