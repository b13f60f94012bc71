"""The type of a claim, made from a contract."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from schemas.contract.model import Contract, Field
from schemas.expressions.nodes import Kind

TYPES: Final[Mapping[Kind, type]] = {
    "number": float,
    "flag": bool,
    "date": dt.date,
    "text": str,
}


def claim_type(contract: Contract) -> type[Struct]:
    """The Struct of a claim: the contract's fields in its order, missing ones None."""
    return msgspec.defstruct(
        "Claim",
        [_member(field) for field in contract.fields.values()],
        namespace={"__doc__": contract.description},
        module=__name__,
        frozen=True,
        kw_only=True,
        omit_defaults=True,
        gc=False,
    )


def strict_type(claim: type[Struct]) -> type[Struct]:
    """A variant of these claims that only an event without unknown fields is decoded to."""
    return msgspec.defstruct(
        "Claim", [], bases=(claim,), module=__name__, forbid_unknown_fields=True, gc=False
    )


def partial_type(contract: Contract) -> type[Struct]:
    """The Struct of a part of a claim: every field may be missing, the required ones too."""
    members: list[tuple[str, Any, Any]] = [
        (field.name, value_type(field) | None, None) for field in contract.fields.values()
    ]
    return msgspec.defstruct(
        "Part", members, module=__name__, frozen=True, kw_only=True, omit_defaults=True, gc=False
    )


def _member(field: Field) -> tuple[str, Any] | tuple[str, Any, None]:
    kind = value_type(field)
    return (field.name, kind) if field.required else (field.name, kind | None, None)


def value_type(field: Field) -> Any:
    """The type of a field's values, with its bounds and annotations."""
    return Annotated[TYPES[field.kind], bounds(field), annotations(field), described(field)]


def bounds(field: Field) -> Meta:
    """The bounds of a field's values."""
    said = field.said
    if field.kind == "number":
        return Meta(ge=said.minimum, le=said.maximum, multiple_of=said.multiple_of)
    return Meta(min_length=said.min_length, max_length=said.max_length, pattern=said.pattern)


def described(field: Field) -> Meta:
    """The description of a field."""
    return Meta(description=field.said.description or None)


def annotations(field: Field) -> Meta:
    """What else documents say about a field: its role, its unit, what it names, how it is read."""
    said = field.said
    extra = {
        "x-role": said.role.value,
        "x-unit": said.unit,
        "x-entity": None if said.entity is None else msgspec.to_builtins(said.entity),
        "x-read": None if said.reading is None else msgspec.to_builtins(said.reading),
    }
    return Meta(extra_json_schema={name: v for name, v in extra.items() if v is not None})
