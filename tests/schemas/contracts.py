"""Contracts for tests: those that are shipped, and small ones of our own."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from schemas.contract.model import Contract
from schemas.contract.parse import FOLDER, parse, shipped
from schemas.decoding.decoder import ClaimDecoder
from schemas.decoding.refusal import RefusedError

__all__ = ["FOLDER", "decoder", "document", "outcome", "shipped", "small"]


@cache
def decoder(name: str) -> ClaimDecoder:
    """Its decoder."""
    return ClaimDecoder(shipped(name))


def small(properties: Mapping[str, Any], **more: Any) -> Contract:
    """A contract with an id and these properties."""
    return parse(document(properties, **more), "small.yaml")


def document(properties: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Its document; `x_event` stands for the keyword x-event, and so on."""
    named = {name.replace("x_", "x-", 1): value for name, value in more.items()}
    return {
        "title": "Small claim",
        "x-contract": {"name": "small", "version": 1, "line_of_business": "none"},
        "x-event": {"id": "claim_no"},
        "required": ["claim_no"],
        "properties": {"claim_no": {"type": "string", "x-role": "identifier"}, **properties},
        **named,
    }


def outcome(decode: Any, value: bytes) -> object:
    """What became of an event: its fields, or the reason, the message and the path."""
    try:
        return msgspec.structs.asdict(decode(value))
    except RefusedError as refused:
        return refused.reason, str(refused), refused.path
