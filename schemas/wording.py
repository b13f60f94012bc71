"""What is wrong with something sent, in the product's words instead of msgspec's.

No text made here contains a value that was sent: it may be a person's name.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
from msgspec import inspect

_PATH_MARK: Final = " - at `"
_KINDS: Final = {
    "float": "a number", "int": "a whole number", "str": "a text", "bool": "true or false",
    "object": "an object", "array": "an array", "null": "null", "date": "a date",
    "datetime": "a time", "bytes": "a text in base64",
}  # fmt: skip
_SIZES: Final = {"str": "characters", "array": "items", "object": "members", "bytes": "bytes"}
_BOUNDS: Final = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}


def broken_rule(error: msgspec.ValidationError, kind: Any = None) -> tuple[str, str]:
    """The rule that is broken, and the path of the fault without its $.

    Args:
        error: what msgspec says.
        kind: what was to be decoded; its enums are listed where one is broken.
    """
    # A value that is quoted may contain the mark; the path, which follows it, cannot.
    message, mark, path = str(error).rpartition(_PATH_MARK)
    if not mark or not path.endswith("`"):
        message, path = str(error), ""
    path = path.rstrip("`").removeprefix("$")
    if message.startswith("Invalid enum value"):
        return f"is not one of {_choices(kind, path) or 'the values it may have'}", path
    return in_words(message), path


def in_words(message: str) -> str:
    """A message of msgspec's without its path, in plain words."""
    for form, said in _FORMS:
        found = form.fullmatch(message)
        if found is not None:
            return said(found)
    # What is not listed may quote what was sent.
    return "is not what it should be"


def _number(text: str) -> str:
    return text.removesuffix(".0")


def _of_kind(found: re.Match[str]) -> str:
    wanted = " or ".join(_KINDS.get(n, n) for n in found[1].split(" | ") if n != "null")
    got = "a number" if found[2] == "int" else _KINDS.get(found[2], found[2])
    return f"is not {wanted}" + (f", but {got}" if got else "")


def _bounded(found: re.Match[str]) -> str:
    return f"must be {_BOUNDS[found[1]]} {_number(found[2])}"


def _sized(found: re.Match[str]) -> str:
    what = _SIZES[found[1]]
    bound, count = _BOUNDS[found[2]], found[3]
    return f"must have {bound} {count} {what.removesuffix('s') if count == '1' else what}"


_FORMS: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...]] = tuple(
    (re.compile(form, re.DOTALL), said)
    for form, said in (
        (r"Expected `(?:float|int)` (>=|<=|>|<) (\S+)", _bounded),
        (
            r"Expected `(?:float|int)` that's a multiple of (\S+)",
            lambda found: f"must be a multiple of {_number(found[1])}",
        ),
        (r"Expected `(str|array|object|bytes)` of length (>=|<=) (\d+)", _sized),
        (
            r"Expected `array` of (at (?:least|most) )?length (\d+(?: to \d+)?).*",
            lambda found: f"must have {found[1] or ''}{found[2]} items",
        ),
        (r"Expected `str` matching regex (.*)", lambda found: f"must match the pattern {found[1]}"),
        (
            r"Expected `datetime` with (a|no) timezone component",
            lambda found: f"must be a time with {found[1]} time zone",
        ),
        (r"Expected `([^`]+)`(?:, got `([^`]+)`)?", _of_kind),
        (
            r"Object missing required field `([^`]+)`",
            lambda found: f"lacks {found[1]}, which is required",
        ),
        (r"Object contains unknown field .*", lambda _: "contains an unknown field"),
        (r"Invalid RFC3339 encoded date", lambda _: "is not a date such as 2026-03-31"),
        (
            r"Invalid RFC3339 encoded datetime",
            lambda _: "is not a time such as 2026-03-31T12:00:00Z",
        ),
        (
            r"(?:Integer value|Number|Timestamp|Duration) (?:is )?out of range ?",
            lambda _: "is too large or too small a number",
        ),
        (r"Invalid (?:enum )?value .*", lambda _: "is not one of the values it may have"),
        (r"Invalid base64 encoded string", lambda _: "is not a text in base64"),
    )
)  # fmt: skip
"""Forms of msgspec's messages, the first that fits, with what is said in their place."""


def _choices(kind: Any, path: str) -> str:
    """The values of the enum in a place; "" if that is not known."""
    if kind is None:
        return ""
    found = inspect.type_info(kind)
    for name in path.split(".")[1:]:
        members = {field.encode_name: field.type for field in _fields(found)}
        if name not in members:
            return ""
        found = members[name]
    return ", ".join(str(value) for one in _alternatives(found) for value in _values(one))


def _alternatives(kind: inspect.Type) -> Iterator[inspect.Type]:
    if isinstance(kind, inspect.Metadata):
        yield from _alternatives(kind.type)
    elif isinstance(kind, inspect.UnionType):
        for one in kind.types:
            yield from _alternatives(one)
    else:
        yield kind


def _fields(kind: inspect.Type) -> Iterator[inspect.Field]:
    for one in _alternatives(kind):
        if isinstance(one, inspect.StructType):
            yield from one.fields


def _values(kind: inspect.Type) -> Iterator[object]:
    if isinstance(kind, inspect.EnumType):
        yield from (member.value for member in kind.cls)
    elif isinstance(kind, inspect.LiteralType):
        yield from kind.values
