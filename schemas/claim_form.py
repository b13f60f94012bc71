"""The form in which claims are sent, for documents: JSON Schema of the event, and its types."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from schemas.contract.model import Contract, Field, MemberPath
from schemas.contract.places import places_of
from schemas.decoding.decoder import ClaimDecoder
from schemas.json_object import JsonObject

NAME: Final = "Claim"
_AVRO_NAME: Final = re.compile("[A-Za-z_][A-Za-z0-9_]*")


class ClaimForm(Struct, frozen=True):
    """What documents say of claims."""

    sent: type[Struct]
    """An event, as senders send it."""
    decoded: type[Struct]
    """A claim, as models and rules see it."""
    id: str
    title: str
    description: str
    examples: Sequence[Mapping[str, Any]]
    either: Sequence[Sequence[MemberPath]] = ()
    """Places of which an event has at least one, for each required field with several."""
    nested: str = ""
    """A member that is an object, if there is one."""

    def components(self, prefix: str) -> dict[str, JsonObject]:
        """JSON Schemas of an event and of the objects in it; references start with prefix."""
        _, found = msgspec.json.schema_components([self.sent], ref_template=prefix + "{name}")
        if self.either:
            found[NAME]["allOf"] = [{"anyOf": list(map(_holds, paths))} for paths in self.either]
        return found

    def without_avro(self) -> str | None:
        """Why claims cannot be sent in Avro; None if they can."""
        for name in _names(self.sent):
            if not _AVRO_NAME.fullmatch(name):
                return f"Avro cannot have the name {name}; letters, digits, _ only"
        if self.nested:
            return f"a worker reads no record inside a claim in Avro, and {self.nested} is one"
        return None


def form_of(decoder: ClaimDecoder) -> ClaimForm:
    """The form of the claims that a decoder decodes."""
    contract = decoder.contract
    about = contract.about
    return ClaimForm(
        sent=decoder.wire,
        decoded=decoder.type,
        id=contract.id or f"urn:claims-fraud-scorer:claim-{about.name}:v{about.version}",
        title=contract.title,
        description=contract.description,
        examples=contract.examples,
        either=[field.places for field in _with_choices(contract)],
        nested=next((path[0] for path in _places(contract) if path[1:]), ""),
    )


def _places(contract: Contract) -> Iterator[MemberPath]:
    return (path for field in contract.fields.values() for path in places_of(field))


def _with_choices(contract: Contract) -> Iterator[Field]:
    return (f for f in contract.fields.values() if f.required and len(f.places) > 1)


def _holds(path: MemberPath) -> JsonObject:
    """JSON Schema of an event in which this place holds something."""
    name, *below = path
    inner = _holds(tuple(below)) if below else {"not": {"type": "null"}}
    return {"type": "object", "required": [name], "properties": {name: inner}}


def _names(kind: type[Struct]) -> Iterator[str]:
    for field in msgspec.structs.fields(kind):
        yield field.encode_name
        for part in getattr(field.type, "__args__", (field.type,)):
            if isinstance(part, type) and issubclass(part, Struct):
                yield from _names(part)
