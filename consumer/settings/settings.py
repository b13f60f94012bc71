"""Settings from the environment: the only reader of ``os.environ``."""

import enum
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from consumer.errors import SettingsError
from consumer.settings.environment import (
    read_choice,
    read_credential,
    read_level,
    read_librdkafka,
    read_name,
    read_number,
    read_optional_file,
    read_optional_path,
    read_text,
    read_token,
    read_topic,
    read_url,
    read_yes_or_no,
)
from consumer.settings.otel import check_otel
from schemas.dead_letter import Form

OWN_GROUPS: Final = ("-outcomes", "-redrive")
"""Suffixes that these commands add to CONSUMER_GROUP."""


class Delivery(enum.StrEnum):
    """The delivery guarantee: how often an outcome may appear."""

    EXACTLY_ONCE = "exactly-once"
    AT_LEAST_ONCE = "at-least-once"


class Publish(enum.StrEnum):
    """Which scored claims become alerts."""

    ALL = "all"
    REFERRALS = "referrals"


class AlertFormat(enum.StrEnum):
    """The form in which alerts are published."""

    JSON = "json"
    JSON_SCHEMA = "json-schema"
    """JSON framed for a Schema Registry."""
    AVRO = "avro"
    """Avro framed for a Schema Registry."""


class Tracing(enum.StrEnum):
    """Destination of traces."""

    OFF = "off"
    OTLP = "otlp"
    """To an OpenTelemetry collector, as configured by OTEL_* variables."""


class Membership(enum.StrEnum):
    """Static members are remembered by the group across a restart, dynamic ones are not."""

    STATIC = "static"
    DYNAMIC = "dynamic"


class Settings(Struct, frozen=True, kw_only=True):
    """Everything the environment can set. Field names are the variables' names in lower case."""

    kafka_bootstrap_servers: str = "localhost:9092"
    claims_topic: str = "claims"
    alerts_topic: str = "fraud-alerts"
    dead_letter_topic: str = "claims-dead-letter"
    outcomes_topic: str = "fraud-outcomes"
    consumer_group: str = "fraud-scorer"
    instance_id: str
    membership: Membership = Membership.STATIC
    model_dir: Path = Path("artifacts/current")
    shadow_model_dir: Path | None = None
    model_public_key_file: Path | None = None
    rules_file: Path | None = None
    batch_size: int = 1_000
    batch_wait_ms: int = 0
    delivery: Delivery = Delivery.EXACTLY_ONCE
    publish: Publish = Publish.ALL
    dead_letter_value: Form = Form.ORIGINAL
    dead_letter_key_file: Path | None = None
    dead_letter_max_ratio: float = 0.5
    dead_letter_window: int = 1_000
    dead_letter_max_consecutive: int = 500
    step_timeout_s: float = 60.0
    metrics_port: int = 8000
    metrics_token: str | None = None
    metrics_tls_cert: Path | None = None
    metrics_tls_key: Path | None = None
    api_port: int = 8080
    api_host: str = "127.0.0.1"
    api_token: str | None = None
    api_tls_cert: Path | None = None
    api_tls_key: Path | None = None
    api_max_connections: int = 512
    api_request_timeout_s: float = 10.0
    log_level: str = "INFO"
    tracing: Tracing = Tracing.OFF
    schema_registry_url: str | None = None
    schema_registry_username: str | None = None
    schema_registry_password: str | None = None
    schema_registry_tls_ca: Path | None = None
    schema_registry_tls_cert: Path | None = None
    schema_registry_tls_key: Path | None = None
    schema_registry_register: bool = True
    alert_format: AlertFormat = AlertFormat.JSON
    librdkafka: dict[str, str] = {}

    @property
    def group_protocol(self) -> str:
        """``classic`` or ``consumer`` (KIP-848)."""
        return self.librdkafka.get("group.protocol", "classic")


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read and check every setting.

    Raises:
        SettingsError: naming the variable, its value and the allowed values.
    """
    instance = read_name(environ, "INSTANCE_ID", socket.gethostname())
    settings = Settings(
        kafka_bootstrap_servers=read_text(environ, "KAFKA_BOOTSTRAP_SERVERS", "localhost:9092"),
        claims_topic=read_topic(environ, "CLAIMS_TOPIC", "claims"),
        alerts_topic=read_topic(environ, "ALERTS_TOPIC", "fraud-alerts"),
        dead_letter_topic=read_topic(environ, "DEAD_LETTER_TOPIC", "claims-dead-letter"),
        outcomes_topic=read_topic(environ, "OUTCOMES_TOPIC", "fraud-outcomes"),
        consumer_group=read_name(environ, "CONSUMER_GROUP", "fraud-scorer"),
        instance_id=instance,
        membership=read_choice(environ, "MEMBERSHIP", Membership, _default_membership(environ)),
        model_dir=Path(read_text(environ, "MODEL_DIR", "artifacts/current")),
        rules_file=read_optional_path(environ, "RULES_FILE"),
        shadow_model_dir=read_optional_path(environ, "SHADOW_MODEL_DIR"),
        model_public_key_file=read_optional_path(environ, "MODEL_PUBLIC_KEY_FILE"),
        batch_size=read_number(environ, "BATCH_SIZE", int, 1_000, 1, 10_000),
        batch_wait_ms=read_number(environ, "BATCH_WAIT_MS", int, 0, 0, 10_000),
        delivery=read_choice(environ, "DELIVERY", Delivery, Delivery.EXACTLY_ONCE),
        publish=read_choice(environ, "PUBLISH", Publish, Publish.ALL),
        dead_letter_value=read_choice(
            environ, "DEAD_LETTER_VALUE", Form, Form.ORIGINAL, never=(Form.CUT,)
        ),
        dead_letter_key_file=read_optional_path(environ, "DEAD_LETTER_KEY_FILE"),
        dead_letter_max_ratio=read_number(environ, "DEAD_LETTER_MAX_RATIO", float, 0.5, 0.0, 1.0),
        dead_letter_window=read_number(environ, "DEAD_LETTER_WINDOW", int, 1_000, 1, 1_000_000),
        dead_letter_max_consecutive=read_number(
            environ, "DEAD_LETTER_MAX_CONSECUTIVE", int, 500, 1, 1_000_000
        ),
        step_timeout_s=read_number(environ, "STEP_TIMEOUT_S", float, 60.0, 1.0, 3_600.0),
        metrics_port=read_number(environ, "METRICS_PORT", int, 8000, 0, 65_535),
        metrics_token=read_token(environ, "METRICS_TOKEN"),
        metrics_tls_cert=read_optional_file(environ, "METRICS_TLS_CERT"),
        metrics_tls_key=read_optional_file(environ, "METRICS_TLS_KEY"),
        api_port=read_number(environ, "API_PORT", int, 8080, 0, 65_535),
        api_host=read_text(environ, "API_HOST", "127.0.0.1"),
        api_token=read_token(environ, "API_TOKEN"),
        api_tls_cert=read_optional_file(environ, "API_TLS_CERT"),
        api_tls_key=read_optional_file(environ, "API_TLS_KEY"),
        api_max_connections=read_number(environ, "API_MAX_CONNECTIONS", int, 512, 1, 65_535),
        api_request_timeout_s=read_number(
            environ, "API_REQUEST_TIMEOUT_S", float, 10.0, 0.1, 600.0
        ),
        log_level=read_level(environ),
        tracing=read_choice(environ, "TRACING", Tracing, Tracing.OFF),
        schema_registry_url=read_url(environ, "SCHEMA_REGISTRY_URL"),
        schema_registry_username=read_credential(environ, "SCHEMA_REGISTRY_USERNAME"),
        schema_registry_password=read_credential(environ, "SCHEMA_REGISTRY_PASSWORD"),
        schema_registry_tls_ca=read_optional_file(environ, "SCHEMA_REGISTRY_TLS_CA"),
        schema_registry_tls_cert=read_optional_file(environ, "SCHEMA_REGISTRY_TLS_CERT"),
        schema_registry_tls_key=read_optional_file(environ, "SCHEMA_REGISTRY_TLS_KEY"),
        schema_registry_register=read_yes_or_no(environ, "SCHEMA_REGISTRY_REGISTER", default=True),
        alert_format=read_choice(environ, "ALERT_FORMAT", AlertFormat, AlertFormat.JSON),
        librdkafka=read_librdkafka(environ),
    )
    _check_names(settings)
    _check_together(settings)
    if settings.tracing is not Tracing.OFF:
        check_otel(environ)
    return settings


def _default_membership(environ: Mapping[str, str]) -> Membership:
    # Under the consumer protocol a static id is fatal until the old session ends.
    modern = environ.get("KAFKA_GROUP_PROTOCOL") == "consumer"
    return Membership.DYNAMIC if modern else Membership.STATIC


def _check_names(settings: Settings) -> None:
    """Group names and transactional ids are derived from these two, and must not collide."""
    for name, value in (
        ("CONSUMER_GROUP", settings.consumer_group),
        ("INSTANCE_ID", settings.instance_id),
    ):
        if "/" in value:
            raise SettingsError(f"{name}={value!r} contains a slash, which separates the two names")
    if settings.consumer_group.endswith(OWN_GROUPS):
        raise SettingsError(
            f"CONSUMER_GROUP={settings.consumer_group!r} would be the group of a command that runs "
            f"for another group: choose a name that does not end in {' or '.join(OWN_GROUPS)}"
        )


def _check_together(settings: Settings) -> None:
    topics = (
        settings.claims_topic,
        settings.alerts_topic,
        settings.dead_letter_topic,
        settings.outcomes_topic,
    )
    if len(set(topics)) < len(topics):
        raise SettingsError(
            "CLAIMS_TOPIC, ALERTS_TOPIC, DEAD_LETTER_TOPIC and OUTCOMES_TOPIC must differ; "
            f"got {', '.join(topics)}"
        )
    if settings.dead_letter_value is Form.ENCRYPTED and settings.dead_letter_key_file is None:
        raise SettingsError("DEAD_LETTER_VALUE=encrypted needs DEAD_LETTER_KEY_FILE")
    _check_registry(settings)
    if settings.api_tls_key is not None and settings.api_tls_cert is None:
        raise SettingsError("API_TLS_KEY needs API_TLS_CERT")
    if settings.metrics_tls_key is not None and settings.metrics_tls_cert is None:
        raise SettingsError("METRICS_TLS_KEY needs METRICS_TLS_CERT")
    isolation = settings.librdkafka.get("isolation.level", "read_committed")
    if settings.delivery is Delivery.EXACTLY_ONCE and isolation != "read_committed":
        raise SettingsError(
            f"KAFKA_ISOLATION_LEVEL={isolation!r} breaks DELIVERY=exactly-once, which needs "
            "read_committed: without it a restarted worker reads offsets of open transactions"
        )
    if settings.group_protocol not in {"classic", "consumer"}:
        raise SettingsError(
            f"KAFKA_GROUP_PROTOCOL={settings.group_protocol!r} is neither classic nor consumer"
        )
    if settings.group_protocol == "consumer" and settings.membership is Membership.STATIC:
        raise SettingsError(
            "MEMBERSHIP=static cannot be combined with KAFKA_GROUP_PROTOCOL=consumer: after a "
            "crash the broker rejects the id until the old session ends; omit MEMBERSHIP, or use "
            "classic"
        )


def _check_registry(settings: Settings) -> None:
    name, password = settings.schema_registry_username, settings.schema_registry_password
    if (name is None) != (password is None):
        raise SettingsError(
            "SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD must be set together"
        )
    if settings.schema_registry_tls_key is not None and settings.schema_registry_tls_cert is None:
        raise SettingsError("SCHEMA_REGISTRY_TLS_KEY needs SCHEMA_REGISTRY_TLS_CERT")
    if settings.schema_registry_url is None and settings.alert_format is not AlertFormat.JSON:
        raise SettingsError(f"ALERT_FORMAT={settings.alert_format.value} needs SCHEMA_REGISTRY_URL")
