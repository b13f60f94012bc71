"""Headers of claims and alerts, as JSON Schema of a map from a header's name to its text.

Alerts are CloudEvents 1.0 in binary mode (section 3.1 of its Kafka protocol binding): the event's
attributes are headers that begin with ``ce_``, its content type is ``content-type``, its content
is the record's value. What follows the trace of a claim is named by W3C Trace Context. A record
may carry headers of others too.
"""

from typing import Final

from schemas.json_object import JsonObject

ALERT_TYPE: Final = "claims-fraud-scorer.fraud-alert.v1"
JSON: Final = "application/json"
FRAMED: Final = "application/octet-stream"
"""Content type of an alert in a schema registry's frame: not JSON until the frame is taken off."""
STRUCTURED: Final = "application/cloudevents+json"

TRACE: Final[JsonObject] = {
    "traceparent": {
        "description": "W3C trace context of the claim, passed on as it is.",
        "type": "string",
        "examples": ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
    },
    "tracestate": {
        "description": "Vendors' part of the trace context, passed on as it is.",
        "type": "string",
    },
}

CLAIM_HEADERS: Final[JsonObject] = {
    "title": "ClaimHeaders v1",
    "description": "What is read of a claim's headers; none is required.",
    "type": "object",
    "properties": {
        "content-type": {
            "description": f"{STRUCTURED}: the value is a structured-mode CloudEvent with the "
            "claim as its data. Anything else: the value is the claim.",
            "type": "string",
        },
        **TRACE,
        "scorer.revision": {
            "description": "Of a claim sent again: revision of the alert to be made.",
            "type": "string",
            "pattern": "^([2-9]|[1-9][0-9]{1,3})$",
        },
        "scorer.supersedes": {
            "description": "Of a claim sent again: alert_id of the alert to be replaced.",
            "type": "string",
            "minLength": 1,
            "maxLength": 400,
        },
        "scorer.previous_probability": {
            "description": "Of a claim sent again, if wanted: fraud_probability of that alert, a "
            "decimal number from 0 to 1.",
            "type": "string",
            "maxLength": 40,
        },
    },
    "dependentRequired": {
        "scorer.revision": ["scorer.supersedes"],
        "scorer.supersedes": ["scorer.revision"],
        "scorer.previous_probability": ["scorer.supersedes"],
    },
}

ALERT_HEADERS: Final[JsonObject] = {
    "title": "FraudAlertHeaders v1",
    "description": "The alert as a CloudEvent 1.0 in binary mode, and the trace of its claim.",
    "type": "object",
    "properties": {
        "content-type": {
            "description": f"{FRAMED} with ALERT_FORMAT=json-schema or avro.",
            "enum": [JSON, FRAMED],
        },
        "ce_specversion": {"description": "Version of CloudEvents.", "const": "1.0"},
        "ce_type": {"description": "What the event is.", "const": ALERT_TYPE},
        "ce_source": {
            "description": "Topic and partition of the claim's record.",
            "type": "string",
            "format": "uri-reference",
            "pattern": "^/[A-Za-z0-9._-]+/(0|[1-9][0-9]*)$",
        },
        "ce_id": {
            "description": "alert_id: with ce_source it makes the event unique.",
            "type": "string",
            "minLength": 1,
        },
        "ce_time": {
            "description": "When the claim was scored.",
            "type": "string",
            "format": "date-time",
        },
        **TRACE,
    },
    "required": ["content-type", "ce_specversion", "ce_type", "ce_source", "ce_id", "ce_time"],
}
