"""Values of environment variables: each is read, checked, and rejected by name."""

import enum
import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import SplitResult, urlsplit

from consumer.errors import SettingsError
from model.files.trusted import FileError, read_trusted, refuse_writable

Number = TypeVar("Number", int, float)
Choice = TypeVar("Choice", bound=enum.StrEnum)

SECRETS: Final = frozenset(
    {
        "sasl.username",
        "sasl.password",
        "ssl.key.password",
        "ssl.key.pem",
        "ssl.keystore.password",
        "sasl.oauthbearer.assertion.private.key.passphrase",
        "sasl.oauthbearer.assertion.private.key.pem",
        "sasl.oauthbearer.client.credentials.client.secret",
        "sasl.oauthbearer.client.secret",
    }
)
"""librdkafka properties that may come from a file (``KAFKA_SASL_PASSWORD_FILE``), never logged."""

FILES: Final = frozenset(
    {
        "https.ca.location",
        "sasl.kerberos.keytab",
        "sasl.oauthbearer.assertion.file",
        "sasl.oauthbearer.assertion.jwt.template.file",
        "sasl.oauthbearer.assertion.private.key.file",
        "ssl.ca.location",
        "ssl.certificate.location",
        "ssl.crl.location",
        "ssl.engine.location",
        "ssl.key.location",
        "ssl.keystore.location",
        "ssl.truststore.location",
    }
)
"""librdkafka properties that name a file (or a folder, for the CA) that decides whom to trust."""
LIBRARIES: Final = "plugin.library.paths"
"""The property that names code to load; the client adds a missing file extension."""

OWNED: Final = {
    "group.id": "derived from CONSUMER_GROUP",
    "group.instance.id": "derived from INSTANCE_ID and MEMBERSHIP",
    "transactional.id": "derived from CONSUMER_GROUP and INSTANCE_ID",
    "metadata.broker.list": "derived from KAFKA_BOOTSTRAP_SERVERS",
    "auto.commit.enable": "derived from DELIVERY",
    "enable.auto.commit": "derived from DELIVERY",
    "enable.auto.offset.store": "derived from DELIVERY",
    "enable.idempotence": "derived from DELIVERY",
    "enable.partition.eof": "set by the worker",
    "statistics.interval.ms": "set by the worker",
    "partition.assignment.strategy": "derived from KAFKA_GROUP_PROTOCOL",
    "default.topic.config": "replaced by one setting per topic property",
    "delivery.report.only.error": "set by the worker, which counts the reports of all records",
    "enable.gapless.guarantee": "replaced by transactions",
    "logger": "set by the worker",
    "offset.store.method": "set by the worker: offsets are kept by Kafka",
    "test.mock.num.brokers": "for tests of the client: it would write to no real broker",
}
"""librdkafka properties that the guarantee depends on, and where each value comes from."""


ILLEGAL_IN_TOPIC: Final = re.compile("[^A-Za-z0-9._-]")
LONGEST_TOPIC: Final = 249
"""Characters. These are Kafka's own limits (``org.apache.kafka.common.internals.Topic``)."""
LATEST: Final = frozenset({"latest", "end", "largest"})
WORDS: Final = frozenset({"auto.offset.reset", "group.protocol", "isolation.level"})
"""Properties whose values decide what is read; the client ignores case and surrounding blanks."""
_NO_LATEST: Final = (
    "it silently skips claims whenever a partition has no committed offset: a new partition, a "
    "worker that takes over from one that had committed nothing, or offsets that expired or were "
    "overtaken by retention. To score only claims that arrive from now on, set the group's offsets "
    "once, before the first start: kafka-consumer-groups.sh --bootstrap-server HOST:PORT --group "
    "GROUP --topic TOPIC --reset-offsets --to-latest --execute"
)

MIN_TOKEN: Final = 16
MOST_CHARACTERS: Final = 200
_VISIBLE: Final = re.compile(r"[!-~]+")


def read_text(environ: Mapping[str, str], name: str, default: str) -> str:
    """A text without surrounding blanks.

    Raises:
        SettingsError: it is empty.
    """
    value = _utf8(name, environ.get(name, default).strip())
    if not value:
        raise SettingsError(f"{name} is empty; omit it to use the default {default!r}")
    return value


def read_optional_path(environ: Mapping[str, str], name: str) -> Path | None:
    """A path, None if the variable is not set."""
    return Path(read_text(environ, name, "")) if name in environ else None


def read_optional_file(environ: Mapping[str, str], name: str) -> Path | None:
    """A file that a library opens, None if the variable is not set.

    Raises:
        SettingsError: see `check_file`.
    """
    path = read_optional_path(environ, name)
    if path is not None:
        check_file(name, path)
    return path


def read_url(environ: Mapping[str, str], name: str) -> str | None:
    """A URL with http:// or https:// and without a password: passwords come from files."""
    if name not in environ:
        return None
    value = read_text(environ, name, "")
    parts = split_url(name, value)
    if not parts.hostname:
        raise SettingsError(f"{name} is not a URL with a host")
    if parts.username is not None:
        raise SettingsError(f"{name} contains credentials; pass them in their own settings")
    return value


def split_url(name: str, value: str) -> SplitResult:
    """The parts of a URL with http:// or https://.

    Raises:
        SettingsError: it is not one.
    """
    try:
        parts = urlsplit(value)
        _ = parts.port  # validated on access
    except ValueError as error:
        raise SettingsError(f"{name} is not a URL: {error}") from None
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise SettingsError(f"{name} is not a URL that starts with http:// or https://")
    return parts


def read_name(environ: Mapping[str, str], name: str, default: str) -> str:
    """A name from which Kafka and this product derive other names.

    Raises:
        SettingsError: it is empty, too long, or contains unprintable characters.
    """
    value = read_text(environ, name, default)
    if not value.isprintable():
        raise SettingsError(f"{name}={value!r} contains unprintable characters")
    if len(value) > MOST_CHARACTERS:
        raise SettingsError(
            f"{name} has {len(value)} characters; at most {MOST_CHARACTERS} are allowed"
        )
    return value


def _utf8(name: str, value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise SettingsError(f"{name} is not UTF-8") from None
    return value


def read_credential(environ: Mapping[str, str], name: str) -> str | None:
    """The variable, or the content of the file named by NAME_FILE."""
    file = f"{name}_FILE"
    if name in environ and file in environ:
        raise SettingsError(f"set {name} or {file}, not both")
    if file in environ:
        return read_secret(file, environ[file])
    return _utf8(name, environ[name]) if name in environ else None


def read_yes_or_no(environ: Mapping[str, str], name: str, *, default: bool) -> bool:
    """``yes`` or ``no``.

    Raises:
        SettingsError: it is neither.
    """
    value = read_text(environ, name, "yes" if default else "no")
    if value not in {"yes", "no"}:
        raise SettingsError(f"{name}={value!r} is neither yes nor no")
    return value == "yes"


def read_topic(environ: Mapping[str, str], name: str, default: str) -> str:
    """The name of a topic.

    Raises:
        SettingsError: Kafka does not allow such a name.
    """
    value = read_text(environ, name, default)
    if ILLEGAL_IN_TOPIC.search(value) or len(value) > LONGEST_TOPIC or value in {".", ".."}:
        raise SettingsError(f"{name}={value!r} is not a valid topic name")
    if value.startswith("__"):
        raise SettingsError(
            f"{name}={value!r}: topic names with this prefix are reserved for Kafka"
        )
    return value


def read_choice(
    environ: Mapping[str, str],
    name: str,
    kind: type[Choice],
    default: Choice,
    never: Collection[Choice] = (),
) -> Choice:
    """One of the allowed values of `kind`.

    Raises:
        SettingsError: it is not one of them.
    """
    value = read_text(environ, name, default.value)
    allowed = [member.value for member in kind if member not in never]
    if value not in allowed:
        raise SettingsError(f"{name} must be one of {', '.join(allowed)}; got {value!r}")
    return kind(value)


def read_number(
    environ: Mapping[str, str],
    name: str,
    kind: type[Number],
    default: Number,
    low: Number,
    high: Number,
) -> Number:
    """A number from `low` to `high`.

    Raises:
        SettingsError: it is not a number, or out of range.
    """
    text = read_text(environ, name, str(default))
    try:
        value = kind(text)
    except ValueError:
        raise SettingsError(f"{name}={text!r} is not a number") from None
    if "_" in text or not text.isascii():  # spellings that only Python accepts
        raise SettingsError(f"{name}={text!r} is not a number in plain digits")
    if not low <= value <= high:
        raise SettingsError(f"{name}={text} is outside the range {low} to {high}")
    return value


def read_token(environ: Mapping[str, str], name: str) -> str | None:
    """A credential that HTTP can carry and that is hard to guess.

    Raises:
        SettingsError: it is too short, or contains what a header cannot.
    """
    token = read_credential(environ, name)
    if token is not None and (len(token) < MIN_TOKEN or not _VISIBLE.fullmatch(token)):
        raise SettingsError(
            f"{name} must be at least {MIN_TOKEN} visible ASCII characters without spaces"
        )
    return token


def read_level(environ: Mapping[str, str]) -> str:
    """LOG_LEVEL.

    Raises:
        SettingsError: there is no such level.
    """
    value = read_text(environ, "LOG_LEVEL", "INFO").upper()
    if value not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise SettingsError(f"LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR; got {value!r}")
    return value


def read_librdkafka(environ: Mapping[str, str]) -> dict[str, str]:
    """``KAFKA_FOO_BAR`` as ``foo.bar``, secrets also from ``KAFKA_FOO_BAR_FILE``."""
    found = {}
    for name, value in environ.items():
        if not name.startswith("KAFKA_") or name == "KAFKA_BOOTSTRAP_SERVERS":
            continue
        if name != name.upper():
            # `KAFKA_BOOTSTRAP_SERVERs` would be the same property as the setting, and replace it.
            raise SettingsError(f"{name}: write it in upper case, {name.upper()}")
        prop = name.removeprefix("KAFKA_").lower().replace("_", ".")
        if prop.endswith(".file") and prop.removesuffix(".file") in SECRETS:
            prop, value = prop.removesuffix(".file"), read_secret(name, value)  # noqa: PLW2901
        if prop in OWNED:
            raise SettingsError(f"{name} cannot be set directly; it is {OWNED[prop]}")
        if prop in WORDS:
            value = value.strip().lower()  # noqa: PLW2901
        if prop == "auto.offset.reset" and value in LATEST:
            raise SettingsError(f"{name}={value} is not supported: {_NO_LATEST}")
        if prop in found:
            raise SettingsError(f"{name}: {prop} is set twice; remove one of the variables")
        for path in _files(prop, value):
            check_file(name, path)
        found[prop] = _utf8(name, value)
    return found


def _files(prop: str, value: str) -> list[Path]:
    """Files that the client opens because of a property."""
    if prop == LIBRARIES:
        return [Path(f"{path}{end}") for path in value.split(";") if path for end in ("", ".so")]
    return [Path(value)] if prop in FILES else []


def read_secret(name: str, path: str) -> str:
    """The content of the file that the variable names, without the trailing newline.

    Raises:
        SettingsError: it cannot be read, or anyone can replace it.
    """
    try:
        return read_trusted(Path(path)).decode("utf-8-sig").rstrip("\r\n")
    except FileError as error:
        raise SettingsError(f"{name}={path!r} cannot be used: {error}") from error
    except UnicodeDecodeError:
        raise SettingsError(f"{name}={path!r} cannot be used: not UTF-8") from None


def check_file(name: str, path: Path) -> None:
    """Check a file that a library will open; a missing file is left to the library.

    Raises:
        SettingsError: anyone can replace it, or opening it would block forever.
    """
    if not os.access(path, os.R_OK):
        return
    try:
        refuse_writable(path)
    except FileError as error:
        raise SettingsError(f"{name}={path}: {error}") from error
    if path.is_fifo():
        raise SettingsError(f"{name}={path} is a named pipe, not a file")
