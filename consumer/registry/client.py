"""A Schema Registry, accessed through confluent-kafka's own client: which schema has which id."""

import time
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

import httpx2
from confluent_kafka.schema_registry import (
    SchemaReference,
    SchemaRegistryClient,
    SchemaRegistryError,
)

from consumer.errors import RegistryStoppedError, SettingsError
from consumer.in_time import in_time
from consumer.registry.answers import bound
from consumer.registry.avro_bounds import SchemaError
from consumer.settings.settings import Settings
from schemas.printable import in_short

TIMEOUT_S: Final = 5.0
"""To connect, and between two pieces of an answer."""
RETRIES: Final = 3
LIMIT_S: Final = 30.0
"""For everything that one schema takes: its requests and their repetitions, and those it refers
to. A registry that is silent at each of four tries takes less."""
LONGEST_WAIT_MS: Final = 2_000
SCHEMA_NOT_FOUND: Final = 40403
"""Error code of the registry's API; any other 404 for an id means a wrong URL."""
REFERENCE_NOT_FOUND: Final = frozenset({40401, 40402, SCHEMA_NOT_FOUND})
"""Subject, version or schema: something that a schema refers to was deleted."""
FORGET_S: Final = 10.0
"""Seconds for which an id that the registry does not know is not requested again."""
MOST_UNKNOWN: Final = 1_000
MOST_REFERENCES: Final = 100
"""Schemas that one refers to, and those that they refer to: each is a request, and who may register
schemas could otherwise name so many that none of the workers gets past a record of that schema."""

LONGEST_MESSAGE: Final = 500
"""Characters of an error's message that are passed on."""

FAILURES: Final = (
    SchemaRegistryError, httpx2.HTTPError, TimeoutError, ValueError, TypeError, AttributeError,
    LookupError, RecursionError,
)  # fmt: skip
"""Of a request: what the client raises where the answer is not a registry's is of any type."""

T = TypeVar("T")


def connect(settings: Settings, retries: int = RETRIES, limit_s: float = LIMIT_S) -> "Registry":
    """The registry that SCHEMA_REGISTRY_URL names.

    Args:
        settings: address and credentials.
        retries: how often a request that fails is repeated.
        limit_s: seconds until an answer must be complete, repetitions included.

    Raises:
        SettingsError: the client rejects a SCHEMA_REGISTRY_* setting.
        RegistryStoppedError: no registry answers.
    """
    try:
        client = SchemaRegistryClient({**client_config(settings), "max.retries": retries})
    except (ValueError, OSError) as error:
        raise SettingsError(f"the client rejects a SCHEMA_REGISTRY_* setting: {error}") from error
    bound(client)
    registry = Registry(client, limit_s=limit_s)
    try:
        registry.ask(client.get_schema_types)
    except FAILURES as error:
        raise stopped(error, "connecting") from error
    return registry


class Registry:
    """Schema ids and the kind of each, requested once."""

    def __init__(
        self,
        client: SchemaRegistryClient,
        forget_s: float = FORGET_S,
        limit_s: float = LIMIT_S,
    ) -> None:
        self.client = client
        self._limit_s = limit_s
        self._forget_s = forget_s
        self._kinds: dict[int, str] = {}
        self._unknown: dict[int, float] = {}

    def ask(self, question: Callable[[], T]) -> T:
        """The result of a call of the client, which limits only each read of an answer.

        Raises:
            TimeoutError: the answer is not complete within the limit.
        """
        return in_time(self._limit_s, question)

    def texts(self, schema_id: int) -> list[str]:
        """A known schema, preceded by those it refers to.

        Raises:
            SchemaError: one that it refers to is missing, or it refers to too many.
            RegistryStoppedError: the registry does not answer.
        """
        try:
            return self.ask(lambda: self._texts(schema_id))
        except SchemaError:
            raise
        except FAILURES as error:
            if getattr(error, "error_code", None) in REFERENCE_NOT_FOUND:
                raise SchemaError("a schema it refers to is not in the registry") from error
            raise stopped(error, f"asking for schema {schema_id}") from error

    def _texts(self, schema_id: int) -> list[str]:
        found: dict[tuple[str, int], str] = {}
        schema = self.client.get_schema(schema_id)
        self._collect(schema.references or (), found)
        return [*found.values(), schema.schema_str or ""]

    def _collect(
        self, references: Iterable[SchemaReference], found: dict[tuple[str, int], str]
    ) -> None:
        """Add the referenced schemas, each once, dependencies first."""
        for reference in references:
            place = reference.subject or "", reference.version or 0
            if place not in found:
                if len(found) >= MOST_REFERENCES:
                    raise SchemaError(f"it refers to more than {MOST_REFERENCES} others")
                found[place] = ""  # so that circular references end
                schema = self.client.get_version(*place).schema
                self._collect(schema.references or (), found)
                del found[place]
                found[place] = schema.schema_str or ""

    def kind(self, schema_id: int) -> str | None:
        """``JSON``, ``AVRO``, …; None for an id that is not registered.

        Raises:
            RegistryStoppedError: the registry does not answer.
        """
        known = self._kinds.get(schema_id)
        if known is not None:
            return known
        if time.monotonic() < self._unknown.get(schema_id, 0.0):
            return None
        try:
            found = self.ask(lambda: self.client.get_schema(schema_id)).schema_type or "AVRO"
        except FAILURES as error:
            if getattr(error, "error_code", None) != SCHEMA_NOT_FOUND:
                raise stopped(error, f"asking for schema {schema_id}") from error
            if len(self._unknown) >= MOST_UNKNOWN:
                self._unknown.clear()
            self._unknown[schema_id] = time.monotonic() + self._forget_s
            return None
        self._kinds[schema_id] = found
        return found


def client_config(settings: Settings) -> dict[str, object]:
    """The client's configuration."""
    wanted: dict[str, object] = {
        "url": settings.schema_registry_url,
        "timeout": TIMEOUT_S,
        "retries.wait.ms": 200,
        "retries.max.wait.ms": LONGEST_WAIT_MS,
    }
    if settings.schema_registry_username is not None:
        user, password = settings.schema_registry_username, settings.schema_registry_password
        wanted["basic.auth.user.info"] = f"{user}:{password}"
    files = {
        "ssl.ca.location": settings.schema_registry_tls_ca,
        "ssl.certificate.location": settings.schema_registry_tls_cert,
        "ssl.key.location": settings.schema_registry_tls_key,
    }
    return wanted | {name: str(path) for name, path in files.items() if path is not None}


def stopped(error: Exception, doing: str) -> RegistryStoppedError:
    """The operator's message for a failing registry, which may answer at any length."""
    said = in_short(str(error), LONGEST_MESSAGE)
    return RegistryStoppedError(
        f"schema registry: {doing}: {type(error).__name__}: {said}; nothing of the batch was "
        "published; a restart is safe"
    )
