"""Settings from the environment: the only reader of ``os.environ``."""

import enum
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

from msgspec import Struct

from consumer.errors import SettingsError
from consumer.otel import check_otel
from schemas.dead_letter import Form

Number = TypeVar("Number", int, float)

SECRETS: Final = frozenset(
    {
        "sasl.username",
        "sasl.password",
        "ssl.key.password",
        "ssl.key.pem",
        "ssl.keystore.password",
        "sasl.oauthbearer.client.secret",
    }
)
"""librdkafka properties that may come from a file (``KAFKA_SASL_PASSWORD_FILE``), never logged."""

OWNED: Final = {
    "group.id": "CONSUMER_GROUP",
    "group.instance.id": "INSTANCE_ID and MEMBERSHIP",
    "transactional.id": "CONSUMER_GROUP and INSTANCE_ID",
    "enable.auto.commit": "DELIVERY",
    "enable.auto.offset.store": "DELIVERY",
    "enable.idempotence": "DELIVERY",
    "enable.partition.eof": "the worker",
    "partition.assignment.strategy": "KAFKA_GROUP_PROTOCOL",
}
"""librdkafka properties the guarantee rests on, and the setting that decides each."""


MIN_TOKEN: Final = 16
_VISIBLE: Final = re.compile(r"[!-~]+")


class Delivery(enum.StrEnum):
    """How often an outcome may appear."""

    EXACTLY_ONCE = "exactly-once"
    AT_LEAST_ONCE = "at-least-once"


class Publish(enum.StrEnum):
    """Which scored claims become alerts."""

    ALL = "all"
    REFERRALS = "referrals"


class AlertFormat(enum.StrEnum):
    """In what form alerts are published."""

    JSON = "json"
    JSON_SCHEMA = "json-schema"
    """JSON in the frame of a Schema Registry."""
    AVRO = "avro"
    """Avro in the frame of a Schema Registry."""


class Tracing(enum.StrEnum):
    """Where traces go."""

    OFF = "off"
    OTLP = "otlp"
    """To an OpenTelemetry collector, as OTEL_* variables say."""


class Membership(enum.StrEnum):
    """Whether the group remembers a worker across a restart."""

    STATIC = "static"
    DYNAMIC = "dynamic"


class Settings(Struct, frozen=True, kw_only=True):
    """Everything the environment may decide. Field NAME is the variable's name in lower case."""

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
        SettingsError: naming the variable, what it holds and what it may hold.
    """
    instance = _text(environ, "INSTANCE_ID", socket.gethostname())
    settings = Settings(
        kafka_bootstrap_servers=_text(environ, "KAFKA_BOOTSTRAP_SERVERS", "localhost:9092"),
        claims_topic=_topic(environ, "CLAIMS_TOPIC", "claims"),
        alerts_topic=_topic(environ, "ALERTS_TOPIC", "fraud-alerts"),
        dead_letter_topic=_topic(environ, "DEAD_LETTER_TOPIC", "claims-dead-letter"),
        outcomes_topic=_topic(environ, "OUTCOMES_TOPIC", "fraud-outcomes"),
        consumer_group=_text(environ, "CONSUMER_GROUP", "fraud-scorer"),
        instance_id=instance,
        membership=_choice(environ, "MEMBERSHIP", Membership, _default_membership(environ)),
        model_dir=Path(_text(environ, "MODEL_DIR", "artifacts/current")),
        rules_file=_optional_path(environ, "RULES_FILE"),
        shadow_model_dir=_optional_path(environ, "SHADOW_MODEL_DIR"),
        model_public_key_file=_optional_path(environ, "MODEL_PUBLIC_KEY_FILE"),
        batch_size=_number(environ, "BATCH_SIZE", int, 1_000, 1, 10_000),
        batch_wait_ms=_number(environ, "BATCH_WAIT_MS", int, 0, 0, 10_000),
        delivery=_choice(environ, "DELIVERY", Delivery, Delivery.EXACTLY_ONCE),
        publish=_choice(environ, "PUBLISH", Publish, Publish.ALL),
        dead_letter_value=_choice(environ, "DEAD_LETTER_VALUE", Form, Form.ORIGINAL),
        dead_letter_key_file=_optional_path(environ, "DEAD_LETTER_KEY_FILE"),
        dead_letter_max_ratio=_number(environ, "DEAD_LETTER_MAX_RATIO", float, 0.5, 0.0, 1.0),
        dead_letter_window=_number(environ, "DEAD_LETTER_WINDOW", int, 1_000, 1, 1_000_000),
        dead_letter_max_consecutive=_number(
            environ, "DEAD_LETTER_MAX_CONSECUTIVE", int, 500, 1, 1_000_000
        ),
        step_timeout_s=_number(environ, "STEP_TIMEOUT_S", float, 60.0, 1.0, 3_600.0),
        metrics_port=_number(environ, "METRICS_PORT", int, 8000, 0, 65_535),
        metrics_token=_token(environ, "METRICS_TOKEN"),
        metrics_tls_cert=_optional_path(environ, "METRICS_TLS_CERT"),
        metrics_tls_key=_optional_path(environ, "METRICS_TLS_KEY"),
        api_port=_number(environ, "API_PORT", int, 8080, 0, 65_535),
        api_host=_text(environ, "API_HOST", "127.0.0.1"),
        api_token=_token(environ, "API_TOKEN"),
        api_tls_cert=_optional_path(environ, "API_TLS_CERT"),
        api_tls_key=_optional_path(environ, "API_TLS_KEY"),
        api_max_connections=_number(environ, "API_MAX_CONNECTIONS", int, 512, 1, 65_535),
        api_request_timeout_s=_number(environ, "API_REQUEST_TIMEOUT_S", float, 10.0, 0.1, 600.0),
        log_level=_level(environ),
        tracing=_choice(environ, "TRACING", Tracing, Tracing.OFF),
        schema_registry_url=_url(environ, "SCHEMA_REGISTRY_URL"),
        schema_registry_username=_credential(environ, "SCHEMA_REGISTRY_USERNAME"),
        schema_registry_password=_credential(environ, "SCHEMA_REGISTRY_PASSWORD"),
        schema_registry_tls_ca=_optional_path(environ, "SCHEMA_REGISTRY_TLS_CA"),
        schema_registry_tls_cert=_optional_path(environ, "SCHEMA_REGISTRY_TLS_CERT"),
        schema_registry_tls_key=_optional_path(environ, "SCHEMA_REGISTRY_TLS_KEY"),
        schema_registry_register=_yes_or_no(environ, "SCHEMA_REGISTRY_REGISTER", default=True),
        alert_format=_choice(environ, "ALERT_FORMAT", AlertFormat, AlertFormat.JSON),
        librdkafka=_librdkafka(environ),
    )
    _check_together(settings)
    if settings.tracing is not Tracing.OFF:
        check_otel(environ)
    return settings


def _default_membership(environ: Mapping[str, str]) -> Membership:
    # A static id is fatal under the consumer protocol until the old session ends.
    modern = environ.get("KAFKA_GROUP_PROTOCOL") == "consumer"
    return Membership.DYNAMIC if modern else Membership.STATIC


def _text(environ: Mapping[str, str], name: str, default: str) -> str:
    value = environ.get(name, default).strip()
    if not value:
        raise SettingsError(f"{name} is empty; leave it out for the default {default!r}")
    return value


def _optional_path(environ: Mapping[str, str], name: str) -> Path | None:
    return Path(_text(environ, name, "")) if name in environ else None


def _url(environ: Mapping[str, str], name: str) -> str | None:
    """An address with http:// or https://, and without a password: those come from files."""
    if name not in environ:
        return None
    value = _text(environ, name, "")
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SettingsError(f"{name} is no URL with http:// or https://")
    if parts.username is not None:
        raise SettingsError(f"{name} has credentials in it; give them as settings of their own")
    return value


def _credential(environ: Mapping[str, str], name: str) -> str | None:
    """The variable, or the content of the file that NAME_FILE names."""
    file = f"{name}_FILE"
    if name in environ and file in environ:
        raise SettingsError(f"set {name} or {file}, not both")
    if file in environ:
        return _secret(file, environ[file])
    return environ.get(name)


def _yes_or_no(environ: Mapping[str, str], name: str, *, default: bool) -> bool:
    value = _text(environ, name, "yes" if default else "no")
    if value not in {"yes", "no"}:
        raise SettingsError(f"{name}={value!r} is neither yes nor no")
    return value == "yes"


def _topic(environ: Mapping[str, str], name: str, default: str) -> str:
    value = _text(environ, name, default)
    legal = all(c.isascii() and (c.isalnum() or c in "._-") for c in value)
    if not legal or len(value) > 249 or value in {".", ".."}:
        raise SettingsError(f"{name}={value!r} is no legal topic name")
    return value


Choice = TypeVar("Choice", bound=enum.StrEnum)


def _choice(environ: Mapping[str, str], name: str, kind: type[Choice], default: Choice) -> Choice:
    value = _text(environ, name, default.value)
    if value not in {member.value for member in kind}:
        allowed = ", ".join(kind)
        raise SettingsError(f"{name}={value!r} is none of {allowed}")
    return kind(value)


def _number(
    environ: Mapping[str, str],
    name: str,
    kind: type[Number],
    default: Number,
    low: Number,
    high: Number,
) -> Number:
    text = _text(environ, name, str(default))
    try:
        value = kind(text)
    except ValueError:
        raise SettingsError(f"{name}={text!r} is not a number") from None
    if not low <= value <= high:
        raise SettingsError(f"{name}={text} is outside {low} to {high}")
    return value


def _token(environ: Mapping[str, str], name: str) -> str | None:
    """The variable, or the content of the file that ``NAME_FILE`` names."""
    file = f"{name}_FILE"
    if name in environ and file in environ:
        raise SettingsError(f"set {name} or {file}, not both")
    token = environ.get(name)
    if file in environ:
        token = _secret(file, environ[file])
    if token is not None and (len(token) < MIN_TOKEN or not _VISIBLE.fullmatch(token)):
        raise SettingsError(
            f"{name} must be at least {MIN_TOKEN} visible ASCII characters without a space"
        )
    return token


def _level(environ: Mapping[str, str]) -> str:
    value = _text(environ, "LOG_LEVEL", "INFO").upper()
    if value not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise SettingsError(f"LOG_LEVEL={value!r} is none of DEBUG, INFO, WARNING, ERROR")
    return value


def _librdkafka(environ: Mapping[str, str]) -> dict[str, str]:
    """``KAFKA_FOO_BAR`` as ``foo.bar``, secrets also from ``KAFKA_FOO_BAR_FILE``."""
    found = {}
    for name, value in environ.items():
        if not name.startswith("KAFKA_") or name == "KAFKA_BOOTSTRAP_SERVERS":
            continue
        prop = name.removeprefix("KAFKA_").lower().replace("_", ".")
        if prop.endswith(".file") and prop.removesuffix(".file") in SECRETS:
            prop, value = prop.removesuffix(".file"), _secret(name, value)  # noqa: PLW2901
        if prop in OWNED:
            raise SettingsError(f"{name} is not yours to set: {OWNED[prop]} decides it")
        found[prop] = value
    return found


def _secret(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}={path!r} cannot be read: {error}") from error


def _check_together(settings: Settings) -> None:
    topics = (
        settings.claims_topic,
        settings.alerts_topic,
        settings.dead_letter_topic,
        settings.outcomes_topic,
    )
    if len(set(topics)) < len(topics):
        raise SettingsError(
            "CLAIMS_TOPIC, ALERTS_TOPIC, DEAD_LETTER_TOPIC and OUTCOMES_TOPIC must differ, "
            f"not {', '.join(topics)}"
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
            "MEMBERSHIP=static does not go with KAFKA_GROUP_PROTOCOL=consumer: after a crash the "
            "broker refuses the id until the old session ends; leave MEMBERSHIP out, or use classic"
        )


def _check_registry(settings: Settings) -> None:
    name, password = settings.schema_registry_username, settings.schema_registry_password
    if (name is None) != (password is None):
        raise SettingsError("SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD go together")
    if settings.schema_registry_tls_key is not None and settings.schema_registry_tls_cert is None:
        raise SettingsError("SCHEMA_REGISTRY_TLS_KEY needs SCHEMA_REGISTRY_TLS_CERT")
    if settings.schema_registry_url is None and settings.alert_format is not AlertFormat.JSON:
        raise SettingsError(f"ALERT_FORMAT={settings.alert_format.value} needs SCHEMA_REGISTRY_URL")
