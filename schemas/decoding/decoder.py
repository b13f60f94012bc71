"""Decoders: from an event's bytes to a claim, or to the reason why it is not one."""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from schemas.contract.model import Contract
from schemas.decoding.refusal import invalid, parse
from schemas.decoding.slots import Slots
from schemas.decoding.structs import claim_type, strict_type
from schemas.decoding.unknown import MOST_NAMES, known_fields, shown, unknown_fields
from schemas.decoding.wire import flattener, wire_type
from schemas.unreadable import UNREADABLE


class ClaimDecoder:
    """Decodes events of one contract.

    With a contract that names no other places and no ways to read, an event is decoded straight
    into the claim. Otherwise the event is decoded as it was sent, and its fields are then read.

    Attributes:
        contract: what the claims are.
        type: the Struct of the claims.
        wire: the Struct of the events; `type` where they are the same.
        is_plain: True if they are the same.
    """

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.type: type[Struct] = claim_type(contract)
        self._slots: Slots | None = None
        self.wire, strict = self.type, strict_type(self.type)
        self.is_plain = _is_plain(contract)
        if not self.is_plain:
            self._slots = Slots(contract, self.type, as_text=False)
            self.wire = wire_type(contract)
            strict = wire_type(contract, strict=True)
            self._flatten = flattener(contract, self._slots.paths)
        self._json: msgspec.json.Decoder[Any] = msgspec.json.Decoder(self.wire)
        self._strict: msgspec.json.Decoder[Any] = msgspec.json.Decoder(strict)
        self._sent = strict
        self._known = known_fields(contract)

    def decode(self, value: bytes, root: str = "$") -> Any:
        """The claim of an event in JSON.

        Args:
            value: the event.
            root: its path in what it arrived in, for refusals.

        Raises:
            RefusedError: with the reason and the JSON path of the fault.
        """
        event = parse(self._json, value, root)
        if self._slots is None:
            return event
        return self._slots.claim(self._flatten(event), root=root)

    def read(self, value: bytes, root: str = "$") -> tuple[Any, tuple[str, ...]]:
        """The claim of an event in JSON, and the names in it that the contract does not know.

        It accepts the same claims as `decode`. Only an event with unknown fields costs more:
        it is decoded again, and its names are looked at.

        Raises:
            RefusedError: as `decode`.
        """
        try:
            event = self._strict.decode(value)
        except UNREADABLE:  # for an unknown field, or for what `decode` refuses as well
            return self.decode(value, root), unknown_fields(value, self._known)
        if self._slots is None:
            return event, ()
        return self._slots.claim(self._flatten(event), root=root), ()

    def unknown_names(self, names: Iterable[str]) -> tuple[str, ...]:
        """The members of an event that the contract does not know, as far as they fit a flag."""
        return tuple(shown(name) for name in names if name not in self._known)[:MOST_NAMES]

    def convert(self, tree: Any, root: str = "$") -> Any:
        """The claim of an event that was decoded from another format, such as Avro.

        It must have no unknown members; see `unknown_names`.

        Raises:
            RefusedError: as `decode`.
        """
        try:
            event = msgspec.convert(tree, self._sent)
        except msgspec.ValidationError as error:
            raise invalid(error, root) from None
        if self._slots is None:
            return event
        return self._slots.claim(self._flatten(event), root=root)


def _is_plain(contract: Contract) -> bool:
    """True if events have the form of claims."""
    return not contract.missing and all(
        field.reading is None and field.places == ((field.name,),)
        for field in contract.fields.values()
    )
