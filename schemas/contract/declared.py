"""The form of a contract document: its keywords, and the type of each.

Those without ``x-`` are JSON Schema's own.
"""

from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from schemas.claim import Role
from schemas.entities.declared import Entity
from schemas.expressions.nodes import MAX_LENGTH
from schemas.reading.declared import MAX_TABLE, Reading, Word, Words

MAX_FIELDS: Final = 1_000
MAX_DERIVED: Final = 300
MAX_PLACES: Final = 20
NAME_FORM: Final = "^[A-Za-z_][A-Za-z0-9_]{0,63}\\Z"

FieldName = Annotated[str, Meta(pattern=NAME_FORM)]
NameOrPointer = Annotated[str, Meta(min_length=1, max_length=300)]
Places = Annotated[tuple[NameOrPointer, ...], Meta(min_length=1, max_length=MAX_PLACES)]
Label = Annotated[str, Meta(min_length=1, max_length=100)]
Prose = Annotated[str, Meta(max_length=2_000)]
Primitive = Literal["string", "number", "integer", "boolean"]


class Declared(Struct, frozen=True, forbid_unknown_fields=True, rename={
    "role": "x-role", "unit": "x-unit", "entity": "x-entity", "places": "x-from",
    "reading": "x-read", "phrase": "x-text", "row": "x-row",
    "min_length": "minLength", "max_length": "maxLength", "multiple_of": "multipleOf",
    "feature": "x-feature", "comment": "$comment",
    "words": "x-words", "topic": "x-topic", "case": "x-case",
}):  # fmt: skip
    """One field under ``properties``."""

    type: Primitive | tuple[Primitive | Literal["null"], ...]
    role: Role
    description: Prose = ""
    title: Prose = ""
    format: Literal["date"] | None = None
    minimum: int | float | None = None
    maximum: int | float | None = None
    multiple_of: Annotated[int, Meta(gt=0)] | Annotated[float, Meta(gt=0)] | None = None
    min_length: Annotated[int, Meta(ge=0)] | None = None
    max_length: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    pattern: Annotated[str, Meta(max_length=500)] | None = None
    unit: Label | None = None
    entity: Entity | Label | None = None
    """What the field names. A name alone is for people; history remembers an `Entity`."""
    places: Places | NameOrPointer | None = None
    reading: Reading | None = None
    phrase: "Phrase | None" = None
    feature: bool | None = None
    """False: of role *feature*, and still none unless somebody asks for it by name."""
    words: Annotated[dict[Label, int | float], Meta(max_length=MAX_TABLE)] = {}
    """Numbers by the words of the band that they stand for, besides those of ``x-read``."""
    topic: Label | None = None
    """Facts of the same topic are one reason."""
    case: bool = False
    """True: the alert of a claim that a person is to look at carries it."""
    row: Annotated[str, Meta(max_length=100)] | None = None
    """Text of the field for rows of files that lack it; `{}` is the number of the row."""
    default: None = None
    examples: tuple[Any, ...] = ()
    comment: str = ""


class Cases(Struct, frozen=True, forbid_unknown_fields=True):
    """What a reason says of a flag that is true or false, or of a number by its sign."""

    true: Prose | None = None
    false: Prose | None = None
    negative: Prose | None = None
    zero: Prose | None = None
    positive: Prose | None = None


Phrase = Prose | Cases
"""What a reason says of a value; see `schemas.contract.phrases`."""


class DeclaredFact(Struct, frozen=True, forbid_unknown_fields=True, rename={
    "unit": "x-unit", "phrase": "x-text", "feature": "x-feature",
    "topic": "x-topic", "case": "x-case",
}):  # fmt: skip
    """One derived fact under ``x-derived``."""

    expression: Annotated[str, Meta(max_length=MAX_LENGTH)]
    description: Prose = ""
    unit: Label | None = None
    phrase: Phrase | None = None
    feature: bool = True
    """False: for rules, and for whoever asks for it by name."""
    topic: Label | None = None
    case: bool = False


class About(Struct, frozen=True, forbid_unknown_fields=True):
    """``x-contract``: which contract this is."""

    name: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9._-]{0,63}\\Z")]
    version: Annotated[int, Meta(ge=1, le=1_000_000)]
    line_of_business: Label
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}\\Z")] | None = None
    """Of every amount, as ISO 4217 has it."""


class Event(Struct, frozen=True, forbid_unknown_fields=True):
    """``x-event``: which fields say what every claim event has."""

    id: FieldName
    key: FieldName | None = None
    """What the claim is made under: the policy, the member."""
    time: FieldName | None = None
    """When it was reported."""
    occurred: FieldName | None = None
    """When it happened."""
    amount: FieldName | None = None
    """How much is claimed."""


class DeclaredLabel(Struct, frozen=True, forbid_unknown_fields=True):
    """``x-label``: where training files say what was found.

    With any other word a claim is unlabelled.
    """

    field: NameOrPointer
    fraud: Annotated[Words, Meta(min_length=1)]
    honest: Annotated[Words, Meta(min_length=1)]
    decided: NameOrPointer | None = None
    """Where it says on which day that was found; before it, nobody knew."""
    date: Words | Word = "%Y-%m-%d"
    """Form of that day, or several, as in ``x-read``."""


class Document(Struct, frozen=True, forbid_unknown_fields=True, rename={
    "about": "x-contract", "event": "x-event", "label": "x-label", "missing": "x-missing",
    "derived": "x-derived", "dialect": "$schema", "id": "$id", "comment": "$comment",
}):  # fmt: skip
    """The whole document."""

    title: Label
    about: About
    event: Event
    properties: Annotated[dict[str, Any], Meta(min_length=1, max_length=MAX_FIELDS)]
    """Each a `Declared`, by name."""
    description: Prose = ""
    required: tuple[FieldName, ...] = ()
    label: DeclaredLabel | None = None
    missing: Words = ()
    """Words that stand for no value in any field."""
    derived: Annotated[dict[str, Any], Meta(max_length=MAX_DERIVED)] = {}
    """Each a `DeclaredFact`, or only its expression, by name."""
    examples: Annotated[tuple[dict[str, Any], ...], Meta(max_length=20)] = ()
    type: Literal["object"] = "object"
    dialect: str = ""
    id: str = ""
    comment: str = ""
