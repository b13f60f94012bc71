"""One field of a contract, from its declaration."""

import msgspec

from schemas.contract.declared import Declared
from schemas.contract.errors import ContractError
from schemas.contract.model import MAX_NUMBER, MAX_TEXT, Field
from schemas.contract.places import path_of
from schemas.contract.rules import faults, kind_of, places_of


def field_of(name: str, said: Declared, *, required: bool, file: str) -> Field:
    """The field.

    Raises:
        ContractError: the declaration breaks a rule.
    """
    for below, what, fix in faults(name, said, required=required):
        raise ContractError(file, f"$.properties.{name}{below}", what, fix)
    if said.type == "integer" or "integer" in said.type:
        said = msgspec.structs.replace(said, multiple_of=said.multiple_of or 1)
    return Field(
        name=name,
        kind=kind_of(said),
        role=said.role,
        required=required,
        places=tuple(map(path_of, places_of(name, said))),
        said=_bounded(said),
        reading=said.reading,
    )


def _bounded(said: Declared) -> Declared:
    """The declaration with bounds: nothing that comes from outside is without."""
    kind = kind_of(said)
    if kind == "number":
        return msgspec.structs.replace(
            said,
            minimum=-MAX_NUMBER if said.minimum is None else said.minimum,
            maximum=MAX_NUMBER if said.maximum is None else said.maximum,
        )
    if kind == "text" and said.max_length is None:
        return msgspec.structs.replace(said, max_length=MAX_TEXT)
    return said
