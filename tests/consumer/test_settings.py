"""Settings from the environment: defaults, every variable, and refusals that name it."""

import os
import socket
from pathlib import Path
from typing import Any

import msgspec
import pytest

from consumer.errors import SettingsError
from consumer.intake.forwarding import WITHIN_S
from consumer.kafka.client import (
    RESPONSE_BYTES,
    TRANSACTION_TIMEOUT_MS,
    common_config,
    consumer_config,
    make_consumer,
)
from consumer.kafka.producing import make_producer
from consumer.settings.environment import LATEST, OWNED, SECRETS
from consumer.settings.properties import (
    BACKOFF,
    FORWARDED_MS,
    LEAST_RECEIVED,
    SESSION,
    TRANSACTION_MS,
)
from consumer.settings.settings import (
    AlertFormat,
    Delivery,
    Forward,
    Membership,
    Publish,
    Remember,
    Settings,
    Tracing,
    read_settings,
)
from model.files.permissions import HAS_MODES
from schemas.dead_letter import Form
from schemas.decoding.unknown import UnknownFields

EXAMPLES: dict[str, tuple[str, Any, Any]] = {
    # field: text of the variable, value it means, default
    "kafka_bootstrap_servers": ("a:1,b:2", "a:1,b:2", "localhost:9092"),
    "claims_topic": ("in.v1", "in.v1", "claims"),
    "alerts_topic": ("out_v1", "out_v1", "fraud-alerts"),
    "dead_letter_topic": ("dead", "dead", "claims-dead-letter"),
    "outcomes_topic": ("decided", "decided", "fraud-outcomes"),
    "outcomes_dead_letter_topic": ("bad", "bad", "outcomes-dead-letter"),
    "consumer_group": ("group", "group", "fraud-scorer"),
    "membership": ("dynamic", Membership.DYNAMIC, Membership.STATIC),
    "model_dir": ("/models/a", Path("/models/a"), Path("artifacts/current")),
    "unknown_fields": ("refuse", UnknownFields.REFUSE, UnknownFields.FLAG),
    "shadow_model_dir": ("/models/b", Path("/models/b"), None),
    "model_public_key_file": ("/keys/model.pem", Path("/keys/model.pem"), None),
    "rules_file": ("/rules/own.toml", Path("/rules/own.toml"), None),
    "memory": ("on", Remember.ON, Remember.OFF),
    "memory_topic": ("known", "known", "claims-memory"),
    "memory_store": ("/var/lib/known", Path("/var/lib/known"), Path("memory")),
    "memory_key_file": ("/keys/memory", Path("/keys/memory"), None),
    "memory_days": ("2000", 2_000, 1_095),
    "batch_size": ("77", 77, 1_000),
    "batch_wait_ms": ("40", 40, 0),
    "delivery": ("at-least-once", Delivery.AT_LEAST_ONCE, Delivery.EXACTLY_ONCE),
    "publish": ("actionable", Publish.ACTIONABLE, Publish.ALL),
    "control_share": ("0.02", 0.02, 0.0),
    "referral_capacity": ("40", 40, 0),
    "dead_letter_value": ("redacted", Form.REDACTED, Form.ORIGINAL),
    "dead_letter_key_file": ("/keys/dead", Path("/keys/dead"), None),
    "dead_letter_max_ratio": ("0.25", 0.25, 0.5),
    "dead_letter_window": ("50", 50, 1_000),
    "dead_letter_max_consecutive": ("9", 9, 500),
    "step_timeout_s": ("12.5", 12.5, 60.0),
    "metrics_port": ("0", 0, 8000),
    "metrics_tls_cert": ("/tls/cert.pem", Path("/tls/cert.pem"), None),
    "api_port": ("8081", 8081, 8080),
    "api_host": ("::1", "::1", "127.0.0.1"),
    "api_tls_cert": ("/tls/cert.pem", Path("/tls/cert.pem"), None),
    "api_max_connections": ("9", 9, 512),
    "api_forward": ("claims", Forward.CLAIMS, Forward.OFF),
    "api_request_timeout_s": ("2.5", 2.5, 10.0),
    "log_level": ("debug", "DEBUG", "INFO"),
    "schema_registry_url": ("https://r:8081/a", "https://r:8081/a", None),
    "schema_registry_tls_ca": ("/tls/ca.pem", Path("/tls/ca.pem"), None),
    "schema_registry_tls_cert": ("/tls/cert.pem", Path("/tls/cert.pem"), None),
    "schema_registry_register": ("no", False, True),
    "tracing": ("otlp", Tracing.OTLP, Tracing.OFF),
}


REGISTRY = {
    "schema_registry_username",
    "schema_registry_password",
    "schema_registry_tls_key",
    "alert_format",
}


@pytest.mark.parametrize("field", EXAMPLES)
def test_each_variable_and_its_default(field: str) -> None:
    text, value, default = EXAMPLES[field]
    others = {"MEMORY_KEY_FILE": "k"} if field == "memory" else {}
    assert getattr(read_settings({field.upper(): f" {text} ", **others}), field) == value
    assert getattr(read_settings({}), field) == default


def test_every_field_has_an_example_here() -> None:
    keys = {"api_token", "api_tls_key", *REGISTRY, "metrics_token", "metrics_tls_key"}
    elsewhere = {"instance_id", "librdkafka", *keys}
    assert {*Settings.__struct_fields__} == {*EXAMPLES, *elsewhere}


def test_the_defaults_of_the_type_are_those_of_the_environment() -> None:
    assert read_settings({"INSTANCE_ID": "w1"}) == Settings(instance_id="w1")


def test_the_instance_is_the_host_unless_named() -> None:
    assert read_settings({}).instance_id == socket.gethostname()
    assert read_settings({"INSTANCE_ID": "w1"}).instance_id == "w1"


NUMBERS = {
    "BATCH_SIZE": ("0", "10001", "1.5", "1_000", "\u0663"),
    "BATCH_WAIT_MS": ("-1", "10001", "a"),
    "MEMORY_DAYS": ("0", "36501", "a"),
    "CONTROL_SHARE": ("-0.1", "1.1", "nan", "2 %"),
    "REFERRAL_CAPACITY": ("-1", "1000001", "0.5"),
    "DEAD_LETTER_MAX_RATIO": ("-0.1", "1.1", "nan", "half"),
    "DEAD_LETTER_WINDOW": ("0", "1000001", "x"),
    "DEAD_LETTER_MAX_CONSECUTIVE": ("0", "1000001", "x"),
    "STEP_TIMEOUT_S": ("0", "3601", "inf", "nan"),
    "METRICS_PORT": ("-1", "65536", "http"),
    "API_PORT": ("-1", "65536", "http"),
    "API_MAX_CONNECTIONS": ("0", "65536", "x"),
    "API_REQUEST_TIMEOUT_S": ("0", "601", "x"),
}
TEXTS = {
    "DELIVERY": ("exactly", "exactly_once", ""),
    "PUBLISH": ("none", ""),
    "DEAD_LETTER_VALUE": ("hashed", "", "encrypted"),
    "MEMBERSHIP": ("Static", ""),
    "LOG_LEVEL": ("TRACE", ""),
    "TRACING": ("jaeger", "OTLP", ""),
    "SCHEMA_REGISTRY_URL": (
        "",
        "registry:8081",
        "ftp://r",
        "http://",
        "http://me:x@r",
        "http://[::1",
        "http://r:x",
    ),
    "SCHEMA_REGISTRY_REGISTER": ("true", ""),
    "SCHEMA_REGISTRY_TLS_KEY": ("/tls/key.pem",),
    "ALERT_FORMAT": ("protobuf", "", "avro", "json-schema"),
    "CLAIMS_TOPIC": ("a b", "", "..", "x" * 250, "sch\u00e4den", "a/b", "__consumer_offsets"),
    "ALERTS_TOPIC": ("a:b",),
    "DEAD_LETTER_TOPIC": (".",),
    "KAFKA_BOOTSTRAP_SERVERS": ("", "  ", "\udcff:9092"),
    "KAFKA_CLIENT_ID": ("\udcff",),
    "KAFKA_SASL_PASSWORD": ("\udcff",),
    "KAFKA_DEFAULT_TOPIC_CONFIG": ("x",),
    "CONSUMER_GROUP": ("", "g\nx", "\udcff", "x" * 201),
    "INSTANCE_ID": ("", "1\x07", "\udcff", "x" * 201),
    "MODEL_DIR": ("",),
    "API_HOST": ("",),
    "API_TOKEN": ("", "too short", "with a space in the middle", "\udcff" * 20),
    "METRICS_TOKEN": ("", "too short", "with a space in the middle"),
}
WRONG = [(name, text) for name, texts in (NUMBERS | TEXTS).items() for text in texts]


@pytest.mark.parametrize(("name", "text"), WRONG)
def test_a_wrong_value_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{name}\b") as refused:
        read_settings({name: text})
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("name", ["CLAIMS_TOPIC", "ALERTS_TOPIC", "DEAD_LETTER_TOPIC"])
def test_one_topic_has_one_purpose(name: str) -> None:
    others = {"CLAIMS_TOPIC": "fraud-alerts", "ALERTS_TOPIC": "claims-dead-letter"}
    with pytest.raises(SettingsError, match=name):
        read_settings({name: others.get(name, "claims")})


def test_kafka_variables_become_properties_of_the_client() -> None:
    settings = read_settings(
        {
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SSL_CA_LOCATION": "/ca.pem",
            "KAFKA_FETCH_MIN_BYTES": "1",
            "KAFKA_BOOTSTRAP_SERVERS": "b:1",
            "PATH": "/bin",
        }
    )
    assert settings.librdkafka == {
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": "/ca.pem",
        "fetch.min.bytes": "1",
    }


@pytest.mark.parametrize("prop", sorted(OWNED))
def test_what_the_guarantee_rests_on_is_not_passed_through(prop: str) -> None:
    name = "KAFKA_" + prop.upper().replace(".", "_")
    with pytest.raises(SettingsError, match=f"^{name} cannot be set directly; it is {OWNED[prop]}"):
        read_settings({name: "x"})


PROPERTIES: list[tuple[str, str, dict[str, str]]] = [
    ("KAFKA_ACKS", "0", {}),
    ("KAFKA_ACKS", "1", {"DELIVERY": "at-least-once"}),
    ("KAFKA_ACKS", "all ", {}),
    ("KAFKA_REQUEST_REQUIRED_ACKS", "2", {}),
    ("KAFKA_RETRIES", "0", {}),
    ("KAFKA_RETRIES", "-1", {}),
    ("KAFKA_MESSAGE_SEND_MAX_RETRIES", "0", {}),
    ("KAFKA_COMPRESSION_TYPE", "zip", {}),
    ("KAFKA_DELIVERY_TIMEOUT_MS", "-1", {}),
    ("KAFKA_MAX_PARTITION_FETCH_BYTES", "0", {}),
    ("KAFKA_RECEIVE_MESSAGE_MAX_BYTES", "1000", {}),
    ("KAFKA_RECEIVE_MESSAGE_MAX_BYTES", "1000511", {}),
    ("KAFKA_RECONNECT_BACKOFF_MS", "3600000", {}),
    ("KAFKA_RECONNECT_BACKOFF_MS", "600", {"KAFKA_RECONNECT_BACKOFF_MAX_MS": "500"}),
    ("KAFKA_RECONNECT_BACKOFF_MAX_MS", "249", {}),
    ("KAFKA_SESSION_TIMEOUT_MS", "300001", {}),
    ("KAFKA_MAX_POLL_INTERVAL_MS", "14999", {}),
    ("KAFKA_LINGER_MS", "-1", {}),
    ("KAFKA_LINGER_MS", "x", {}),
    ("KAFKA_LINGER_MS", "900001", {"DELIVERY": "at-least-once"}),
    ("KAFKA_LINGER_MS", "15000", {}),
    ("KAFKA_LINGER_MS", "1000", {"KAFKA_TRANSACTION_TIMEOUT_MS": "1000"}),
    ("KAFKA_LINGER_MS", "4000", {"DELIVERY": "at-least-once", "API_FORWARD": "claims"}),
]


@pytest.mark.parametrize(("name", "value", "others"), PROPERTIES)
def test_a_property_that_breaks_an_assumption_is_refused_by_the_variable_that_was_set(
    name: str, value: str, others: dict[str, str]
) -> None:
    with pytest.raises(SettingsError, match=f"^{name}=") as refused:
        read_settings({name: value, **others})
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    "environ",
    [
        {"KAFKA_ACKS": "ALL", "KAFKA_RETRIES": "1", "KAFKA_LINGER_MS": "14999.5"},
        {
            "KAFKA_ACKS": "-1",
            "KAFKA_COMPRESSION_TYPE": "zstd",
            "KAFKA_DELIVERY_TIMEOUT_MS": "15000",
        },
        {"KAFKA_RECEIVE_MESSAGE_MAX_BYTES": "1000512", "KAFKA_RECONNECT_BACKOFF_MAX_MS": "250"},
        {"KAFKA_RECONNECT_BACKOFF_MS": "5000", "KAFKA_MAX_POLL_INTERVAL_MS": "15000"},
        {"KAFKA_SESSION_TIMEOUT_MS": "300000", "KAFKA_MAX_PARTITION_FETCH_BYTES": "1"},
        {"KAFKA_RECONNECT_BACKOFF_MS": "6000", "KAFKA_RECONNECT_BACKOFF_MAX_MS": "6000"},
    ],
)
def test_at_the_bounds_the_client_accepts_what_is_accepted_here(environ: dict[str, str]) -> None:
    found = read_settings(environ)
    make_consumer(consumer_config(found)).close()
    make_producer(found)


def test_the_bounds_are_those_of_the_modules_that_set_them() -> None:
    assert (TRANSACTION_MS, FORWARDED_MS) == (TRANSACTION_TIMEOUT_MS, WITHIN_S * 1_000)
    assert LEAST_RECEIVED == 1_000_000 + RESPONSE_BYTES
    assert common_config(read_settings({})).items() >= {
        (BACKOFF.lower, BACKOFF.lower_default),
        (BACKOFF.upper, BACKOFF.upper_default),
    }
    assert consumer_config(read_settings({}))[SESSION.lower] == SESSION.lower_default


@pytest.mark.skipif(not HAS_MODES, reason="modes say something on POSIX only")
def test_each_of_several_libraries_is_checked(tmp_path: Path) -> None:
    library = tmp_path / "b.so"
    library.write_bytes(b"")
    library.chmod(0o646)
    name = "KAFKA_PLUGIN_LIBRARY_PATHS"
    with pytest.raises(SettingsError, match=f"^{name}=.*anyone .* chmod o-w {library}$"):
        read_settings({name: f"/none/a;{tmp_path / 'b'}"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONSUMER_GROUP", "eu/scorer"),
        ("INSTANCE_ID", "eu/1"),
        ("CONSUMER_GROUP", "x-redrive"),
        ("CONSUMER_GROUP", "x-outcomes"),
        ("CONSUMER_GROUP", "x-memory"),
    ],
)
def test_names_that_could_be_those_of_another_group_are_refused(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}='{value}'"):
        read_settings({name: value})


def test_a_control_sample_that_is_not_published_is_refused() -> None:
    with pytest.raises(
        SettingsError, match=r"^CONTROL_SHARE=0\.02 needs PUBLISH=all or actionable"
    ):
        read_settings({"CONTROL_SHARE": "0.02", "PUBLISH": "referrals"})
    for publish in ("all", "actionable"):
        assert read_settings({"CONTROL_SHARE": "0.02", "PUBLISH": publish}).control_share == 0.02
    assert read_settings({"PUBLISH": "referrals"}).control_share == 0


@pytest.mark.parametrize("other", ["CLAIMS", "ALERTS", "DEAD_LETTER", "OUTCOMES"])
@pytest.mark.parametrize("name", ["OUTCOMES_DEAD_LETTER", "MEMORY"])
def test_bad_outcomes_and_what_is_remembered_have_topics_of_their_own(
    other: str, name: str
) -> None:
    same = {f"{other}_TOPIC": "same", f"{name}_TOPIC": "same"}
    with pytest.raises(SettingsError, match=r"and MEMORY_TOPIC must differ; got .*same"):
        read_settings(same)


def test_remembering_needs_a_key() -> None:
    with pytest.raises(SettingsError, match=r"MEMORY=on needs MEMORY_KEY_FILE.*openssl rand"):
        read_settings({"MEMORY": "on"})
    assert read_settings({"MEMORY": "on", "MEMORY_KEY_FILE": "k"}).memory is Remember.ON


@pytest.mark.parametrize("value", [*sorted(LATEST), "LATEST", " latest", "End"])
def test_skipping_what_is_not_committed_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match=r"KAFKA_AUTO_OFFSET_RESET=.* --to-latest"):
        read_settings({"KAFKA_AUTO_OFFSET_RESET": value})
    for allowed in ("earliest", "error"):
        read_settings({"KAFKA_AUTO_OFFSET_RESET": allowed})


@pytest.mark.parametrize("prop", sorted(SECRETS))
def test_secrets_may_come_from_files(tmp_path: Path, prop: str) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b" with space \r\n")
    name = "KAFKA_" + prop.upper().replace(".", "_") + "_FILE"
    assert read_settings({name: str(file)}).librdkafka == {prop: " with space "}


def test_a_property_set_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("one")
    name = "KAFKA_SASL_PASSWORD_FILE"
    with pytest.raises(SettingsError, match=f"^{name}: sasl.password is set twice"):
        read_settings({"KAFKA_SASL_PASSWORD": "one", name: str(file)})


@pytest.mark.parametrize("name", ["KAFKA_BOOTSTRAP_SERVERs", "KAFKA_SASL_PASSWORd"])
def test_a_name_that_is_not_in_upper_case_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: write it in upper case, {name.upper()}"):
        read_settings({name: "elsewhere:9092"})


def test_a_byte_order_mark_is_not_part_of_a_secret(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"\xef\xbb\xbfpassword\r\n")
    found = read_settings({"KAFKA_SASL_PASSWORD_FILE": str(file)}).librdkafka
    assert found == {"sasl.password": "password"}


def test_a_secret_that_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    for content in (None, b"\xff\xfe"):
        file = tmp_path / "secret"
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(SettingsError, match=r"^KAFKA_SASL_PASSWORD_FILE=.*secret"):
            read_settings({"KAFKA_SASL_PASSWORD_FILE": str(file)})


@pytest.mark.parametrize("name", ["API_TOKEN", "METRICS_TOKEN"])
def test_the_token_of_an_endpoint_may_come_from_a_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / "token"
    file.write_text("a-token-of-16-or-more\n")
    field = name.lower()
    assert getattr(read_settings({}), field) is None
    assert getattr(read_settings({name: "another-token-of-16"}), field) == "another-token-of-16"
    found = read_settings({f"{name}_FILE": str(file)})
    assert getattr(found, field) == "a-token-of-16-or-more"
    assert {found.api_token, found.metrics_token} == {"a-token-of-16-or-more", None}
    with pytest.raises(SettingsError, match=f"{name} or {name}_FILE"):
        read_settings({f"{name}_FILE": str(file), name: "a-token-of-16-or-more"})


@pytest.mark.parametrize("name", ["API_TLS", "METRICS_TLS"])
def test_a_key_needs_its_certificate(name: str) -> None:
    key = {f"{name}_KEY": "/tls/key.pem"}
    found = read_settings({**key, f"{name}_CERT": "/tls/cert.pem"})
    assert getattr(found, f"{name}_key".lower()) == Path("/tls/key.pem")
    with pytest.raises(SettingsError, match=f"^{name}_KEY needs {name}_CERT"):
        read_settings(key)


def test_the_registry_s_credentials_may_come_from_files(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("secret with space \n")
    both = {"SCHEMA_REGISTRY_USERNAME": "scorer", "SCHEMA_REGISTRY_PASSWORD_FILE": str(file)}
    settings = read_settings(both)
    assert settings.schema_registry_username == "scorer"
    assert settings.schema_registry_password == "secret with space "
    for name, value in both.items():
        with pytest.raises(SettingsError, match=r"^SCHEMA_REGISTRY_USERNAME and"):
            read_settings({name: value})
    with pytest.raises(SettingsError, match="SCHEMA_REGISTRY_PASSWORD or SCHEMA_REGISTRY_PASSWORD"):
        read_settings({**both, "SCHEMA_REGISTRY_PASSWORD": "x"})


@pytest.mark.parametrize("text", ["http://me:s3cret@r:8081", "https://s3cret@r"])
def test_a_password_in_an_address_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(
        SettingsError, match=r"^SCHEMA_REGISTRY_URL contains credentials"
    ) as refused:
        read_settings({"SCHEMA_REGISTRY_URL": text})
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("form", list(AlertFormat))
def test_framed_alerts_need_a_registry(form: AlertFormat) -> None:
    registry = {"SCHEMA_REGISTRY_URL": "http://r:8081", "ALERT_FORMAT": form.value}
    assert read_settings(registry).alert_format is form


def test_other_properties_may_end_in_file() -> None:
    settings = read_settings({"KAFKA_SOME_FILE": "/f"})
    assert settings.librdkafka == {"some.file": "/f"}


def test_exactly_once_needs_read_committed() -> None:
    name = "KAFKA_ISOLATION_LEVEL"
    with pytest.raises(SettingsError, match=f"^{name}='read_uncommitted' breaks DELIVERY"):
        read_settings({name: "read_uncommitted"})
    assert read_settings({name: "read_committed"})
    assert read_settings({name: "read_uncommitted", "DELIVERY": "at-least-once"})


def test_the_group_protocol_decides_the_default_membership() -> None:
    assert read_settings({}).group_protocol == "classic"
    modern = read_settings({"KAFKA_GROUP_PROTOCOL": "consumer"})
    assert (modern.group_protocol, modern.membership) == ("consumer", Membership.DYNAMIC)
    with pytest.raises(SettingsError, match=r"^MEMBERSHIP=static cannot be combined with"):
        read_settings({"KAFKA_GROUP_PROTOCOL": "consumer", "MEMBERSHIP": "static"})
    with pytest.raises(SettingsError, match=r"^KAFKA_GROUP_PROTOCOL='share'"):
        read_settings({"KAFKA_GROUP_PROTOCOL": "share"})


def test_settings_do_not_change() -> None:
    settings = read_settings({})
    with pytest.raises(AttributeError):
        settings.batch_size = 1  # type: ignore[misc]
    assert msgspec.structs.replace(settings, batch_size=1) != settings


READ_FILES = (
    "KAFKA_SASL_PASSWORD_FILE",
    "KAFKA_SSL_CA_LOCATION",
    "KAFKA_SSL_KEY_LOCATION",
    "KAFKA_HTTPS_CA_LOCATION",
    "KAFKA_PLUGIN_LIBRARY_PATHS",
    "KAFKA_SASL_OAUTHBEARER_ASSERTION_FILE",
    "KAFKA_SASL_OAUTHBEARER_ASSERTION_JWT_TEMPLATE_FILE",
    "KAFKA_SASL_OAUTHBEARER_ASSERTION_PRIVATE_KEY_FILE",
    "API_TOKEN_FILE",
    "METRICS_TOKEN_FILE",
    "API_TLS_CERT",
    "METRICS_TLS_CERT",
    "SCHEMA_REGISTRY_TLS_CA",
)


@pytest.mark.skipif(not HAS_MODES, reason="modes say something on POSIX only")
@pytest.mark.parametrize("name", READ_FILES)
def test_a_file_that_anybody_may_replace_is_refused_by_name(tmp_path: Path, name: str) -> None:
    file = tmp_path / "folder" / "file"
    file.parent.mkdir()
    file.write_text("a-token-of-16-or-more\n")
    assert read_settings({name: str(file)})
    for place, mode in ((file, 0o646), (file, 0o1646), (file.parent, 0o757)):
        before = place.stat().st_mode
        place.chmod(mode)
        with pytest.raises(SettingsError, match=f"^{name}=.*anyone .* chmod o-w {place}$"):
            read_settings({name: str(file)})
        place.chmod(before)
    assert read_settings({name: str(file)})


@pytest.mark.skipif(not HAS_MODES, reason="named pipes are of POSIX")
@pytest.mark.parametrize("name", READ_FILES)
def test_a_named_pipe_is_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    end = os.open(tmp_path / "pipe", os.O_RDWR)  # what waits for a writer fails instead
    os.write(end, b"a-token-of-16-or-more")
    try:
        with pytest.raises(SettingsError, match=f"^{name}=.*(named pipe|not a regular file)"):
            read_settings({name: str(tmp_path / "pipe")})
    finally:
        os.close(end)
