"""AsyncAPI 3.0 of the topics: the worker receives claims and outcomes and sends the rest."""

from typing import Any, Final

from schemas import examples
from schemas.alert import FraudAlert
from schemas.claim_form import ClaimForm
from schemas.documents import AUTO, components, header_map
from schemas.json_object import JsonObject
from schemas.outcome import FraudOutcome
from schemas.record_headers import ALERT_HEADERS, CLAIM_HEADERS

VERSION: Final = "1.0.0"
KEY: Final = {
    "type": "string",
    "description": "Key of the record; outcomes of a claim keep its key.",
}
KAFKA: Final = "0.5.0"


def _message(
    name: str, summary: str, content_type: str, shown: list[JsonObject], **parts: Any
) -> JsonObject:
    return {
        "name": name,
        "title": f"{name} v1",
        "summary": summary,
        "contentType": content_type,
        **parts,
        "bindings": {"kafka": {"key": KEY, "bindingVersion": KAFKA}},
        "examples": shown,
    }


def _ref(section: str, name: str) -> JsonObject:
    return {"$ref": f"#/components/{section}/{name}"}


def _messages(form: ClaimForm) -> dict[str, JsonObject]:
    json, raw = "application/json", "application/octet-stream"
    return {
        "Claim": _message(
            "Claim",
            form.description.partition("\n")[0],
            json,
            [{"payload": claim} for claim in form.examples],
            headers=_ref("schemas", "ClaimHeaders"),
            payload=_ref("schemas", "Claim"),
        ),
        "FraudAlert": _message(
            "FraudAlert",
            "One scored claim.",
            json,
            [{"headers": headers, "payload": alert} for headers, alert in examples.EVENTS],
            headers=_ref("schemas", "FraudAlertHeaders"),
            payload=_ref("schemas", "FraudAlert"),
        ),
        "FraudOutcome": _message(
            "FraudOutcome",
            "What an investigation found.",
            json,
            [{"payload": outcome} for outcome in examples.OUTCOMES],
            payload=_ref("schemas", "FraudOutcome"),
        ),
        "DeadLetter": _message(
            "DeadLetter",
            "A refused record: key, value and headers as they were, and headers that say why.",
            raw,
            [{"headers": headers} for headers in examples.DEAD_LETTERS],
            headers=_ref("schemas", "DeadLetter"),
            payload=_ref("schemas", "RefusedValue"),
        ),
    }


TOPICS: Final = {
    "claims": ("claims", "Claims to score. The topic's name is the setting CLAIMS_TOPIC.", "Claim"),
    "alerts": (
        "fraud-alerts",
        "Scored claims, read with read_committed. The name is the setting ALERTS_TOPIC.",
        "FraudAlert",
    ),
    "deadLetters": (
        "claims-dead-letter",
        "Records that are no claim. The name is the setting DEAD_LETTER_TOPIC.",
        "DeadLetter",
    ),
    "outcomes": (
        "fraud-outcomes",
        "Findings on claims, for live precision. The name is the setting OUTCOMES_TOPIC.",
        "FraudOutcome",
    ),
    "outcomeDeadLetters": (
        "outcomes-dead-letter",
        "Records that are not valid outcomes. The name is the setting OUTCOMES_DEAD_LETTER_TOPIC.",
        "DeadLetter",
    ),
}
"""Channel: topic by default, description, message."""

OPERATIONS: Final = {
    "scoreClaim": ("receive", "claims", "Score a claim."),
    "compareOutcome": ("receive", "outcomes", "Compare a finding with the alert."),
    "publishAlert": ("send", "alerts", "Publish the score of a claim."),
    "publishDeadLetter": ("send", "deadLetters", "Set a refused record aside."),
    "publishOutcomeDeadLetter": ("send", "outcomeDeadLetters", "Set a refused outcome aside."),
}


def _channel(topic: str, description: str, message: str) -> JsonObject:
    return {
        "address": topic,
        "description": description,
        "messages": {message: _ref("messages", message)},
        "bindings": {"kafka": {"topic": topic, "bindingVersion": KAFKA}},
    }


def _operation(action: str, channel: str, summary: str) -> JsonObject:
    message = TOPICS[channel][2]
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
        "messages": [{"$ref": f"#/channels/{channel}/messages/{message}"}],
    }


def asyncapi(form: ClaimForm = AUTO) -> JsonObject:
    """The document, for claims of that form."""
    place = "#/components/schemas/"
    schemas = form.components(place) | components([FraudAlert, FraudOutcome], place)
    schemas["ClaimHeaders"], schemas["FraudAlertHeaders"] = CLAIM_HEADERS, ALERT_HEADERS
    schemas["DeadLetter"] = header_map()
    schemas["RefusedValue"] = {
        "description": "The bytes of the refused record, or what DEAD_LETTER_VALUE makes of them.",
        "type": "string",
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Claims fraud scorer",
            "version": VERSION,
            "description": "Insurance claims in, fraud alerts out, exactly once. An alert is "
            "advice to a person: none denies a claim.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "localhost:9092",
                "protocol": "kafka",
                "description": "The setting KAFKA_BOOTSTRAP_SERVERS.",
            }
        },
        "channels": {name: _channel(*channel) for name, channel in TOPICS.items()},
        "operations": {name: _operation(*operation) for name, operation in OPERATIONS.items()},
        "components": {"messages": _messages(form), "schemas": schemas},
    }
