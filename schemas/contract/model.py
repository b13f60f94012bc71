"""A contract that was checked: its fields, derived facts, label and event."""

from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

import msgspec
from msgspec import Struct

from schemas.claim import WITHHELD, Role
from schemas.contract.declared import About, Declared, DeclaredFact, DeclaredLabel, Event, Phrase
from schemas.entities.declared import Entity
from schemas.expressions.nodes import Kind, Node, facts_of
from schemas.reading.declared import Reading

MemberPath = tuple[str, ...]
"""Names of the members that lead to a value in an event; of a column, its name alone."""

MAX_TEXT: Final = 200
MAX_NUMBER: Final = 1e15
"""Bounds of texts and numbers whose field states none."""


class Field(Struct, frozen=True):
    """One field of the claim."""

    name: str
    kind: Kind
    role: Role
    required: bool
    places: tuple[MemberPath, ...]
    """Where it is found, the preferred place first."""
    said: Declared
    reading: Reading | None = None
    """How its texts are read; None: it comes as JSON has it."""


class Derived(Struct, frozen=True):
    """One fact that is computed from others."""

    name: str
    kind: Kind
    node: Node
    said: DeclaredFact


class Contract(Struct, frozen=True, dict=True):
    """What a claim is. Made by `schemas.contract.parse.parse`."""

    about: About
    id: str
    """Of its JSON Schema; "" for one that is made of its name and version."""
    title: str
    description: str
    fields: Mapping[str, Field]
    derived: Mapping[str, Derived]
    """In the order in which they can be computed."""
    event: Event
    label: DeclaredLabel | None
    label_path: MemberPath
    decided_path: MemberPath
    """Where files say when the label became known; () if they do not."""
    missing: tuple[str, ...]
    examples: tuple[Mapping[str, Any], ...]
    tree: Mapping[str, Any]
    """The document itself."""

    def to_json(self) -> bytes:
        """The document as JSON; the same for every spelling of the same contract."""
        return msgspec.json.encode(self.tree)

    def with_role(self, *roles: Role) -> tuple[str, ...]:
        """Names of the fields that have one of these roles."""
        return tuple(name for name, field in self.fields.items() if field.role in roles)

    def features(self) -> tuple[str, ...]:
        """Fields of role *feature* and derived facts that a model uses unless told otherwise."""
        stated = (
            n for n in self.with_role(Role.FEATURE) if self.fields[n].said.feature is not False
        )
        derived = (n for n, fact in self.derived.items() if fact.said.feature)
        return tuple(dict.fromkeys((*stated, *derived)))

    def kind_of(self, name: str) -> Kind:
        """Kind of a derived fact or a field.

        Raises:
            KeyError: there is none of that name.
        """
        return self.derived[name].kind if name in self.derived else self.fields[name].kind

    def is_category(self, name: str) -> bool:
        """True if models see a fact as one of several texts. An identifier is seen as a number.

        Raises:
            KeyError: there is none of that name.
        """
        if name in self.derived:
            return self.derived[name].kind == "text"
        return self.fields[name].kind == "text" and self.fields[name].role is not Role.IDENTIFIER

    @cached_property
    def entities(self) -> Mapping[str, Entity]:
        """What the fields name that history is remembered by, by the field's name."""
        found = {name: field.said.entity for name, field in self.fields.items()}
        return MappingProxyType({n: e for n, e in found.items() if isinstance(e, Entity)})

    def is_withheld(self, name: str) -> bool:
        """True of what no alert may say the value of: a personal or protected field, or a fact that
        is derived from one.
        """
        return name in self._withheld

    @cached_property
    def _withheld(self) -> frozenset[str]:
        found = set(self.with_role(*WITHHELD))
        for name, fact in self.derived.items():
            if any(used.name in found for used in facts_of(fact.node)):
                found.add(name)
        return frozenset(found)

    def words(self, name: str, value: object) -> str | None:
        """The words that the field's tables have for a value; None if they have none."""
        return self._words.get(name, {}).get(value)

    def band(self, name: str, value: object) -> str | None:
        """The words of the band that a number stands for; None if it stands for itself.

        Words without a digit, as none or yes, are not those of a band.
        """
        words = self.words(name, value)
        return words if words is not None and any(map(str.isdigit, words)) else None

    @cached_property
    def _words(self) -> Mapping[str, Mapping[object, str]]:
        found = {name: _words(field) for name, field in self.fields.items()}
        return {name: words for name, words in found.items() if words}

    def topic(self, name: str) -> str:
        """What a fact is about: facts of the same topic are one reason.

        That is what ``x-topic`` says, or else the fields that the fact is computed from: those that
        are computed from the very same fields say one thing, and a field is of its own.
        """
        said = self.derived[name].said if name in self.derived else self.fields[name].said
        return said.topic or f"fields {' '.join(sorted(self._sources(name)))}"

    def _sources(self, name: str) -> frozenset[str]:
        """Names of the fields that a derived fact is computed from, or of the field itself."""
        return self._all_sources.get(name, frozenset([name]))

    @cached_property
    def _all_sources(self) -> Mapping[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        for name, fact in self.derived.items():  # in its expression, a name is what is known before
            used = (found.get(fact_.name, frozenset([fact_.name])) for fact_ in facts_of(fact.node))
            found[name] = frozenset().union(*used)
        return found

    @cached_property
    def case_fields(self) -> tuple[str, ...]:
        """Names of the fields and derived facts that ``x-case`` marks, fields first."""
        facts = (name for name, fact in self.derived.items() if fact.said.case)
        stated = (name for name, field in self.fields.items() if field.said.case)
        return tuple(dict.fromkeys((*stated, *facts)))

    def unit(self, name: str) -> str | None:
        """The unit of a field or derived fact, if the contract says it."""
        return self.derived[name].said.unit if name in self.derived else self.fields[name].said.unit

    def called(self, name: str) -> str:
        """What a reason calls a field or derived fact: a field's title, or its name in words."""
        title = self.fields[name].said.title if name in self.fields else ""
        return title or name.replace("_", " ")

    def phrase(self, name: str) -> Phrase | None:
        """What a reason says of a field or derived fact, if the contract says it."""
        said = self.derived[name].said if name in self.derived else self.fields[name].said
        return said.phrase


def _words(field: Field) -> Mapping[object, str]:
    if field.kind != "number":
        return MappingProxyType({})
    found: dict[object, str] = {}
    read = field.reading.table if field.reading is not None else {}
    for word, value in (*field.said.words.items(), *read.items()):
        found.setdefault(value, word)
    return found
