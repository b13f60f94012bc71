"""JSON Schema 2020-12 of the contracts, from the types."""

from collections.abc import Sequence
from typing import Final

import msgspec

from schemas import examples
from schemas.alert import FraudAlert
from schemas.claim import Claim
from schemas.claim_form import NAME, ClaimForm
from schemas.dead_letter import HEADER_OF, OPTIONAL, DeadLetter
from schemas.json_object import JsonObject
from schemas.outcome import FraudOutcome

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
DECIMAL: Final = "^(0|[1-9][0-9]*)$"
POSITIVE: Final = "^[1-9][0-9]*$"


def components(types: Sequence[type], prefix: str) -> dict[str, JsonObject]:
    """Schemas of the types and of what they are made of, by name; references start with prefix."""
    _, found = msgspec.json.schema_components(types, ref_template=prefix + "{name}")
    return found


def _contract(name: str, version: int, root: JsonObject, shown: Sequence[JsonObject]) -> JsonObject:
    return {
        "$schema": DIALECT,
        "$id": f"urn:claims-fraud-scorer:{name}:v{version}",
        **root,
        "examples": list(shown),
    }


def _of_struct(kind: type, name: str, shown: Sequence[JsonObject]) -> JsonObject:
    """A contract of ours, version 1."""
    parts = components([kind], "#/$defs/")
    root = parts.pop(kind.__name__) | {"title": f"{kind.__name__} v1"}
    document = _contract(name, 1, root, shown)
    return document | {"$defs": parts} if parts else document


AUTO: Final = ClaimForm(
    sent=Claim,
    decoded=Claim,
    id="urn:claims-fraud-scorer:claim:v1",
    title="Claim v1",
    description=Claim.__doc__ or "",
    examples=examples.CLAIMS,
)
"""Claims of a model without a contract of its own."""


def claim_schema(form: ClaimForm = AUTO) -> JsonObject:
    """Value of a record of the claims topic, and body of ``POST /fraud-detection``."""
    parts = form.components("#/$defs/")
    root = parts.pop(NAME) | {"title": form.title}
    found = {"$schema": DIALECT, "$id": form.id, **root, "examples": list(form.examples)}
    return found | {"$defs": parts} if parts else found


def decoded_schema(form: ClaimForm) -> JsonObject:
    """A claim as models and rules see it."""
    parts = components([form.decoded], "#/$defs/")
    root = parts.pop(NAME) | {"title": form.title}
    return {"$schema": DIALECT, "$id": f"{form.id}:decoded", **root}


def alert_schema() -> JsonObject:
    """Value of a record of the alerts topic."""
    return _of_struct(FraudAlert, "fraud-alert", examples.ALERTS)


def outcome_schema() -> JsonObject:
    """Value of a record of the outcomes topic."""
    return _of_struct(FraudOutcome, "fraud-outcome", examples.OUTCOMES)


def header_map() -> JsonObject:
    """The headers of a dead letter: every field of `DeadLetter` as text under its header's name.

    A record carries headers of others too: those are allowed.
    """
    parts = components([DeadLetter], "")
    fields: dict[str, JsonObject] = parts["DeadLetter"]["properties"]
    return {
        "title": "DeadLetter v1",
        "description": "Why and where a record was refused, as headers added to that record.",
        "type": "object",
        "properties": {
            header: _as_text(fields[field], parts) for field, header in HEADER_OF.items()
        },
        "required": [header for field, header in HEADER_OF.items() if field not in OPTIONAL],
    }


def _as_text(schema: JsonObject, parts: dict[str, JsonObject]) -> JsonObject:
    """Schema of a field as a header holds it: text."""
    if "$ref" in schema:
        return parts[schema["$ref"]] | {"description": schema["description"]}
    if schema["type"] == "integer":
        pattern = POSITIVE if schema["minimum"] == 1 else DECIMAL
        return {"description": schema["description"], "type": "string", "pattern": pattern}
    return schema


def dead_letter_schema() -> JsonObject:
    """Headers of a record of the dead-letter topic; its value is the refused bytes."""
    return _contract("dead-letter", 1, header_map(), examples.DEAD_LETTERS)
