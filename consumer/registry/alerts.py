"""Alerts framed for a Schema Registry: ALERT_FORMAT=json-schema or avro."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any, Final

import msgspec
from confluent_kafka.schema_registry import topic_subject_name_strategy
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from consumer.batch.records import Record
from consumer.registry.client import FAILURES, Registry, stopped
from consumer.settings.settings import AlertFormat, Settings
from schemas import examples
from schemas.alert import FraudAlert
from schemas.avro import alert_avro
from schemas.documents import alert_schema
from schemas.record_headers import FRAMED

Serialize = Callable[[Any, SerializationContext], bytes | None]

_DATES: Final = (dt.date, dt.datetime)


def make_frame(settings: Settings, registry: Registry) -> Callable[[Record], Record]:
    """Return a function that frames alerts with the schema of subject ``ALERTS_TOPIC-value``.

    The schema is registered, or looked up with SCHEMA_REGISTRY_REGISTER=no, before the first alert:
    an example is framed here.

    Raises:
        RegistryStoppedError: the registry refuses the schema, or does not have it.
    """
    serialize = _serializer(settings, registry)
    context = SerializationContext(settings.alerts_topic, MessageField.VALUE)

    def frame(record: Record) -> Record:
        headers = [h for h in record.headers or () if h[0] != "content-type"]
        value = serialize(record.value, context)
        return Record(record.key, value, [("content-type", FRAMED), *headers])

    try:
        registry.ask(lambda: frame(Record(None, msgspec.json.encode(examples.REFERRED), [])))
    except FAILURES as error:
        doing = f"registering the alerts' schema as {settings.alerts_topic}-value"
        raise stopped(error, doing) from error
    return frame


def _serializer(settings: Settings, registry: Registry) -> Serialize:
    made: Serialize
    config = {
        "auto.register.schemas": settings.schema_registry_register,
        "subject.name.strategy": topic_subject_name_strategy,
    }
    if settings.alert_format is AlertFormat.AVRO:
        schema = json.dumps(alert_avro())
        made = AvroSerializer(registry.client, schema, lambda value, _: plain(value), config)
        return made
    # The alert is already JSON, generated from the same type as the schema, so it is framed
    # unchanged.
    made = JSONSerializer(
        json.dumps(alert_schema()),
        registry.client,
        conf={**config, "validate": False},
        json_encode=lambda value: value,
    )
    return made


def plain(value: bytes) -> dict[str, Any]:
    """An alert's JSON in the form the Avro writer expects: dates as dates, others as built-ins."""
    alert = msgspec.json.decode(value, type=FraudAlert)
    found: dict[str, Any] = msgspec.to_builtins(alert, builtin_types=_DATES)
    return found
