"""Claims as producers of other programs frame them: with confluent-kafka's own serializers."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import msgspec
from confluent_kafka.schema_registry import SchemaRegistryClient, topic_subject_name_strategy
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from schemas.alert import FraudAlert
from schemas.claim import Claim
from schemas.export import FOLDER

Example = dict[str, Any]
Write = Callable[[Example], bytes]
CONFIG = {"subject.name.strategy": topic_subject_name_strategy}


def plain(claim: Example) -> bytes:
    return json.dumps(claim).encode()


def alert_of(found: Any) -> FraudAlert:
    """An alert as it was read, of its JSON.

    A record of Avro has all fields; JSON has those of memory only where a model has history.
    """
    without = found.get("memory") is None
    if without:
        assert not found.get("history")
        assert not found.get("links")
    left_out = {"history", "links", "memory"} if without else set()
    return msgspec.convert({n: v for n, v in found.items() if n not in left_out}, FraudAlert)


def json_schema(client: SchemaRegistryClient, topic: str = "claims") -> Write:
    """Frames claims under the checked-in JSON Schema."""
    schema = (FOLDER / "claim.json").read_text()
    write = JSONSerializer(schema, client, conf=CONFIG)
    context = SerializationContext(topic, MessageField.VALUE)
    return lambda claim: write(claim, context) or b""


def avro(
    client: SchemaRegistryClient, topic: str = "claims-in-avro", schema: str | None = None
) -> Write:
    """Frames claims under the checked-in Avro schema, or another."""
    text = schema or (FOLDER / "claim.avsc").read_text()
    write = AvroSerializer(client, text, conf=CONFIG)
    context = SerializationContext(topic, MessageField.VALUE)
    return lambda claim: write(_dated(claim) if schema is None else claim, context) or b""


def _dated(claim: Example) -> Any:
    """Days as dates, which is what the writer of Avro takes."""
    return msgspec.to_builtins(msgspec.convert(claim, Claim), builtin_types=(dt.date, dt.datetime))
