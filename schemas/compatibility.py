"""Checks whether a contract still keeps what its last release promised.

What we read (claims, outcomes) must go on accepting all it accepted. What we write (alerts, dead
letters) is kept for weeks and read by older and newer programs, so both ways count: an old
reader must understand what is written now, a new one what was written then. New optional fields
are always allowed; a field never goes away within a version.
"""

from collections.abc import Iterator
from typing import Any, Final

Schema = dict[str, Any]

LOWER: Final = ("minimum", "minLength")
UPPER: Final = ("maximum", "maxLength")
SAME: Final = ("format", "x-unit")
RULES: Final = ("pattern", "multipleOf")
"""Without one, everything is accepted."""


def breaking(released: Schema, current: Schema, *, written: bool) -> list[str]:
    """Changes that break programs written for the released document; [] if there are none.

    Args:
        released: JSON Schema as of the last release.
        current: JSON Schema as it is now.
        written: the contract is one we write, not only read.
    """
    found = [
        *_removed(_Node(released), _Node(current)),
        *_narrowed(_Node(released), _Node(current)),
    ]
    if written:
        found += [
            f"{text} (for old readers)" for text in _narrowed(_Node(current), _Node(released))
        ]
    return found


class _Node:
    """A place in a document."""

    def __init__(self, document: Schema, schema: Schema | None = None, where: str = "$") -> None:
        self._document = document
        self._schema = document if schema is None else schema
        self.where = where

    def branches(self) -> dict[str, Schema]:
        """The alternatives by type; a reference counts as what it refers to."""
        return {_kind(schema): schema for schema in self._flat(self._schema)}

    def _flat(self, schema: Schema) -> Iterator[Schema]:
        if "$ref" in schema:
            schema = self._document["$defs"][schema["$ref"].removeprefix("#/$defs/")]
        for branch in schema.get("anyOf", ()):
            yield from self._flat(branch)
        if "anyOf" not in schema:
            yield schema

    def fields(self) -> dict[str, "_Node"]:
        """The properties of an object, and the items of an array under ``[]``."""
        found = {}
        for branch in self.branches().values():
            for name, schema in branch.get("properties", {}).items():
                found[name] = _Node(self._document, schema, f"{self.where}.{name}")
            if "items" in branch:
                found["[]"] = _Node(self._document, branch["items"], f"{self.where}[]")
        return found

    def required(self) -> set[str]:
        return {name for branch in self.branches().values() for name in branch.get("required", ())}


def _kind(schema: Schema) -> str:
    kind: str = schema.get("type", "string")  # an enumeration has no type of its own
    return kind


def _removed(old: _Node, new: _Node) -> Iterator[str]:
    now = new.fields()
    for name, field in old.fields().items():
        if name not in now:
            yield f"{field.where}: removed"
        else:
            yield from _removed(field, now[name])


def _narrowed(wide: _Node, narrow: _Node) -> Iterator[str]:
    """Differences: what `wide` accepts and `narrow` refuses."""
    accepted = narrow.branches()
    for kind, schema in wide.branches().items():
        target = accepted.get(kind) or (accepted.get("number") if kind == "integer" else None)
        if target is None:
            yield f"{wide.where}: {kind} is refused"
        else:
            yield from (f"{wide.where}: {text}" for text in _limits(schema, target))
    for name in sorted(narrow.required() - wide.required()):
        yield f"{wide.where}.{name}: required"
    fields = narrow.fields()
    for name, field in wide.fields().items():
        if name in fields:
            yield from _narrowed(field, fields[name])


def _limits(wide: Schema, narrow: Schema) -> Iterator[str]:
    infinite = float("inf")
    for name in LOWER:
        if narrow.get(name, -infinite) > wide.get(name, -infinite):
            yield f"{name} is {narrow[name]}"
    for name in UPPER:
        if narrow.get(name, infinite) < wide.get(name, infinite):
            yield f"{name} is {narrow[name]}"
    for name in SAME:
        if narrow.get(name) != wide.get(name):
            yield f"{name} is {narrow.get(name)}"
    for name in RULES:
        if name in narrow and narrow[name] != wide.get(name):
            yield f"{name} is {narrow[name]}"
    if "enum" in narrow and set(wide.get("enum", [None])) - set(narrow["enum"]):
        yield f"only {', '.join(narrow['enum'])}"
