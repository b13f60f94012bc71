"""Settings from the environment: the only reader of ``os.environ``."""

import enum
import socket
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, get_type_hints

from msgspec import NODEFAULT, Struct, structs

from consumer.errors import SettingsError
from consumer.settings.database import SCHEMES, Database
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
from consumer.settings.properties import check_properties
from schemas.dead_letter import Form
from schemas.decoding.unknown import UnknownFields

OWN_GROUPS: Final = ("-outcomes", "-redrive", "-memory")
"""Suffixes that these commands add to CONSUMER_GROUP."""


class Delivery(enum.StrEnum):
    """The delivery guarantee: how often an outcome may appear."""

    EXACTLY_ONCE = "exactly-once"
    AT_LEAST_ONCE = "at-least-once"


class Publish(enum.StrEnum):
    """Which scored claims become alerts."""

    ALL = "all"
    ACTIONABLE = "actionable"
    """Those that a person must act on: referred, due for review, or in the control sample."""
    REFERRALS = "referrals"


class AlertFormat(enum.StrEnum):
    """The form in which alerts are published."""

    JSON = "json"
    JSON_SCHEMA = "json-schema"
    """JSON in the frame of a Schema Registry."""
    AVRO = "avro"
    """Avro in the frame of a Schema Registry."""


class Tracing(enum.StrEnum):
    """Destination of traces."""

    OFF = "off"
    OTLP = "otlp"
    """To an OpenTelemetry collector, as OTEL_* variables say."""


class Forward(enum.StrEnum):
    """What becomes of claims that are posted to the HTTP endpoint."""

    OFF = "off"
    """They are scored, and not kept."""
    CLAIMS = "claims"
    """They are produced to CLAIMS_TOPIC before their scores are answered."""


class Remember(enum.StrEnum):
    """Whether earlier claims are remembered."""

    OFF = "off"
    ON = "on"
    """In MEMORY_TOPIC; models that were trained with ``--history`` can be served."""


class Membership(enum.StrEnum):
    """Static members are remembered by the group across a restart; dynamic ones are not."""

    STATIC = "static"
    DYNAMIC = "dynamic"


SettingReader = Callable[[Mapping[str, str], str, Any], Any]
"""Reads one variable: given the environment, its name and the default."""


def _number(low: float, high: float) -> SettingReader:
    def read(environ: Mapping[str, str], name: str, default: float) -> float:
        kind = type(default)
        return read_number(environ, name, kind, default, kind(low), kind(high))

    return read


def _one_of(kind: type[enum.StrEnum], never: Collection[enum.StrEnum] = ()) -> SettingReader:
    def read(environ: Mapping[str, str], name: str, default: enum.StrEnum) -> enum.StrEnum:
        return read_choice(environ, name, kind, default, never)

    return read


def _optional(read: Callable[[Mapping[str, str], str], Any]) -> SettingReader:
    return lambda environ, name, _: read(environ, name)


def _path(environ: Mapping[str, str], name: str, default: Path) -> Path:
    return Path(read_text(environ, name, str(default)))


def _store(environ: Mapping[str, str], name: str, default: Path | Database) -> Path | Database:
    value = read_text(environ, name, str(default))
    return Database(value) if value.startswith(SCHEMES) else Path(value)


def _yes_or_no(environ: Mapping[str, str], name: str, default: bool) -> bool:
    return read_yes_or_no(environ, name, default=default)


Text = Annotated[str, read_text]
BaseName = Annotated[str, read_name]
Topic = Annotated[str, read_topic]
Port = Annotated[int, _number(0, 65_535)]
OptionalPath = Annotated[Path | None, _optional(read_optional_path)]
OptionalFile = Annotated[Path | None, _optional(read_optional_file)]
AccessToken = Annotated[str | None, _optional(read_token)]
Credential = Annotated[str | None, _optional(read_credential)]


class Settings(Struct, frozen=True, kw_only=True):
    """Everything the environment may decide. A field's name is the variable's in lower case.

    A field's annotation says how it is read and within what bounds; its default is the variable's.
    """

    kafka_bootstrap_servers: Text = "localhost:9092"
    claims_topic: Topic = "claims"
    alerts_topic: Topic = "fraud-alerts"
    dead_letter_topic: Topic = "claims-dead-letter"
    outcomes_topic: Topic = "fraud-outcomes"
    outcomes_dead_letter_topic: Topic = "outcomes-dead-letter"
    consumer_group: BaseName = "fraud-scorer"
    instance_id: BaseName
    membership: Annotated[Membership, _one_of(Membership)] = Membership.STATIC
    model_dir: Annotated[Path, _path] = Path("artifacts/current")
    shadow_model_dir: OptionalPath = None
    model_public_key_file: OptionalPath = None
    rules_file: OptionalPath = None
    unknown_fields: Annotated[UnknownFields, _one_of(UnknownFields)] = UnknownFields.FLAG
    memory: Annotated[Remember, _one_of(Remember)] = Remember.OFF
    memory_topic: Topic = "claims-memory"
    memory_store: Annotated[Path | Database, _store] = Path("memory")
    memory_key_file: OptionalPath = None
    memory_days: Annotated[int, _number(1, 36_500)] = 1_095
    batch_size: Annotated[int, _number(1, 10_000)] = 1_000
    batch_wait_ms: Annotated[int, _number(0, 10_000)] = 0
    delivery: Annotated[Delivery, _one_of(Delivery)] = Delivery.EXACTLY_ONCE
    publish: Annotated[Publish, _one_of(Publish)] = Publish.ALL
    control_share: Annotated[float, _number(0, 1)] = 0.0
    referral_capacity: Annotated[int, _number(0, 1_000_000)] = 0
    dead_letter_value: Annotated[Form, _one_of(Form, never=(Form.CUT, Form.CLOSED))] = Form.ORIGINAL
    dead_letter_key_file: OptionalPath = None
    dead_letter_max_ratio: Annotated[float, _number(0, 1)] = 0.5
    dead_letter_window: Annotated[int, _number(1, 1_000_000)] = 1_000
    dead_letter_max_consecutive: Annotated[int, _number(1, 1_000_000)] = 500
    step_timeout_s: Annotated[float, _number(1, 3_600)] = 60.0
    metrics_port: Port = 8000
    metrics_token: AccessToken = None
    metrics_tls_cert: OptionalFile = None
    metrics_tls_key: OptionalFile = None
    api_port: Port = 8080
    api_host: Text = "127.0.0.1"
    api_token: AccessToken = None
    api_forward: Annotated[Forward, _one_of(Forward)] = Forward.OFF
    api_tls_cert: OptionalFile = None
    api_tls_key: OptionalFile = None
    api_max_connections: Annotated[int, _number(1, 65_535)] = 512
    api_request_timeout_s: Annotated[float, _number(0.1, 600)] = 10.0
    log_level: Annotated[str, _optional(lambda environ, _: read_level(environ))] = "INFO"
    tracing: Annotated[Tracing, _one_of(Tracing)] = Tracing.OFF
    schema_registry_url: Annotated[str | None, _optional(read_url)] = None
    schema_registry_username: Credential = None
    schema_registry_password: Credential = None
    schema_registry_tls_ca: OptionalFile = None
    schema_registry_tls_cert: OptionalFile = None
    schema_registry_tls_key: OptionalFile = None
    schema_registry_register: Annotated[bool, _yes_or_no] = True
    alert_format: Annotated[AlertFormat, _one_of(AlertFormat)] = AlertFormat.JSON
    librdkafka: Annotated[
        dict[str, str], _optional(lambda environ, _: read_librdkafka(environ))
    ] = {}

    @property
    def group_protocol(self) -> str:
        """``classic`` or ``consumer`` (KIP-848)."""
        return self.librdkafka.get("group.protocol", "classic")


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read and check every setting.

    Raises:
        SettingsError: naming the variable, what it holds and what it may hold.
    """
    defaults = _defaults(environ)
    values = {
        field: read(environ, field.upper(), defaults[field]) for field, read in _readers().items()
    }
    settings = Settings(**values)
    _check_names(settings)
    _check_together(settings)
    if settings.tracing is not Tracing.OFF:
        check_otel(environ)
    return settings


def _readers() -> dict[str, SettingReader]:
    """How each field is read, in the order of the fields."""
    hints = get_type_hints(Settings, include_extras=True)
    return {name: hints[name].__metadata__[0] for name in Settings.__struct_fields__}


def _defaults(environ: Mapping[str, str]) -> dict[str, Any]:
    """The default of each field, with those that depend on where the process runs."""
    declared = {field.name: field for field in structs.fields(Settings)}
    found = {
        name: field.default_factory() if field.default is NODEFAULT else field.default
        for name, field in declared.items()
        if not field.required
    }
    # Under the consumer protocol a static id is fatal until the old session ends.
    if environ.get("KAFKA_GROUP_PROTOCOL") == "consumer":
        found["membership"] = Membership.DYNAMIC
    return {**found, "instance_id": socket.gethostname()}


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
        settings.outcomes_dead_letter_topic,
        settings.memory_topic,
    )
    if len(set(topics)) < len(topics):
        raise SettingsError(
            "CLAIMS_TOPIC, ALERTS_TOPIC, DEAD_LETTER_TOPIC, OUTCOMES_TOPIC, "
            f"OUTCOMES_DEAD_LETTER_TOPIC and MEMORY_TOPIC must differ; got {', '.join(topics)}"
        )
    if settings.memory is Remember.ON and settings.memory_key_file is None:
        raise SettingsError(
            "MEMORY=on needs MEMORY_KEY_FILE, a file with 32 random bytes in base64: "
            "openssl rand -base64 32 > memory.key"
        )
    if settings.control_share and settings.publish is Publish.REFERRALS:
        raise SettingsError(
            f"CONTROL_SHARE={settings.control_share:g} needs PUBLISH=all or actionable: with "
            "PUBLISH=referrals nobody learns of the claims in the sample that passed"
        )
    if settings.dead_letter_value is Form.ENCRYPTED and settings.dead_letter_key_file is None:
        raise SettingsError("DEAD_LETTER_VALUE=encrypted needs DEAD_LETTER_KEY_FILE")
    check_properties(
        settings.librdkafka,
        exactly_once=settings.delivery is Delivery.EXACTLY_ONCE,
        forwards=settings.api_forward is Forward.CLAIMS,
    )
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
