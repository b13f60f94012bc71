"""A Schema Registry, accessed through confluent-kafka's own client: which schema has which id."""

import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

import httpx2
from confluent_kafka.schema_registry import (
    Schema,
    SchemaReference,
    SchemaRegistryClient,
    SchemaRegistryError,
)

from consumer.errors import RegistryStoppedError, SettingsError
from consumer.in_time import in_time
from consumer.registry.answers import OversizedError, bound
from consumer.registry.avro_bounds import SchemaError
from consumer.settings.settings import Settings
from schemas.printable import in_short

TIMEOUT_S: Final = 5.0
"""To connect, and between two pieces of an answer."""
RETRIES: Final = 3
LIMIT_S: Final = 30.0
"""For everything that one schema needs: its requests and their retries, and those it refers to.
A registry that is silent on each of four tries takes less."""
LONGEST_WAIT_MS: Final = 2_000
SCHEMA_NOT_FOUND: Final = 40403
"""Error code of the registry's API; any other 404 for an id means a wrong URL."""
REFERENCE_NOT_FOUND: Final = frozenset({40401, 40402, SCHEMA_NOT_FOUND})
"""Subject, version or schema: something that a schema refers to was deleted."""
TOO_LARGE: Final = "too large"
"""The kind of a schema that the registry has but nobody reads."""
FORGET_S: Final = 10.0
"""Seconds for which an id that the registry does not know is not requested again."""
MOST_UNKNOWN: Final = 1_000
AT_ONCE: Final = 8
"""Schemas of a batch that are requested at once."""
LEARN_S: Final = 20.0
"""For all schemas of a batch. Anyone who may produce can name as many unregistered ones as there
are records, and a worker whose loop stands still for longer is restarted: it would face the same
batch for ever."""
SILENT_S: Final = 10.0
"""A registry that has not answered for this long by then has stopped."""
MOST_REFERENCES: Final = 100
"""Schemas that one refers to, and those that they refer to: each is a request, and anyone who may
register schemas could otherwise name so many that no worker gets past a record of that schema."""
MOST_TEXT: Final = 500_000
"""Characters of a schema and of those that it refers to: its reader takes fifty times as much
memory, and half a second for a megabyte."""
KEPT_TEXT: Final = 4_000_000
"""Characters of answers that the client keeps, with all that they say besides the schema; it has no
bound of its own."""

LONGEST_MESSAGE: Final = 500
"""Characters of an error's message that are passed on."""

FAILURES: Final = (
    SchemaRegistryError, httpx2.HTTPError, TimeoutError, ValueError, TypeError, AttributeError,
    LookupError, RecursionError,
)  # fmt: skip
"""Of a request: if the answer is not a registry's, the client may raise any type of error."""

T = TypeVar("T")


def connect(settings: Settings, retries: int = RETRIES, limit_s: float = LIMIT_S) -> "Registry":
    """The registry that SCHEMA_REGISTRY_URL names.

    Args:
        settings: address and credentials.
        retries: how often a failed request is retried.
        limit_s: seconds until an answer must be complete, retries included.

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


class LateError(SchemaError):
    """There was no time for a schema in this batch; in the next one there may be."""

    def __init__(self) -> None:
        super().__init__(
            "too many schemas were new at once for the registry to be asked for each in time: "
            "redrive the record"
        )


class _Answered:
    """When the registry answered last, on the clock of `time.monotonic`."""

    def __init__(self) -> None:
        self.at = time.monotonic()

    def now(self) -> None:
        self.at = time.monotonic()

    @property
    def silent_s(self) -> float:
        """Seconds since then."""
        return time.monotonic() - self.at


class Registry:
    """Schema ids and the kind of each, requested once."""

    def __init__(
        self,
        client: SchemaRegistryClient,
        forget_s: float = FORGET_S,
        limit_s: float = LIMIT_S,
        learn_s: float = LEARN_S,
    ) -> None:
        self.client = client
        self.late: frozenset[int] = frozenset()
        """Ids of the present batch that there was no time to ask for."""
        self._limit_s = limit_s
        self._learn_s = learn_s
        self._not_there: set[int] = set()
        """Unregistered ids of the present batch; no more than it has records."""
        self._forget_s = forget_s
        self._kinds: dict[int, str] = {}
        self._unknown: dict[int, float] = {}
        self._until = math.inf
        self._kept = 0
        self._keeping = threading.Lock()

    def in_time(self) -> None:
        """Check that there is time for another new schema in this batch.

        Raises:
            LateError: there is none.
        """
        if time.monotonic() > self._until:
            raise LateError

    def ask(self, question: Callable[[], T]) -> T:
        """The result of a call to the client, which limits only each read of an answer.

        Raises:
            TimeoutError: the answer is not complete within the limit.
        """
        return in_time(self._limit_s, question)

    def texts(self, schema_id: int) -> list[str]:
        """A known schema, preceded by those it refers to.

        Raises:
            SchemaError: one that it refers to is missing, it refers to too many, or they are too
                long; `LateError` if they could not be read in the time of the batch.
            RegistryStoppedError: the registry does not answer.
        """
        self.in_time()
        answered = _Answered()
        limit_s = min(self._limit_s, self._until - time.monotonic())
        try:
            return in_time(limit_s, lambda: self._texts(schema_id, answered))
        except SchemaError:
            raise
        except FAILURES as error:
            if isinstance(error, TimeoutError) and answered.silent_s < min(SILENT_S, limit_s):
                raise LateError from error
            if isinstance(error, OversizedError):
                raise SchemaError(f"one that it refers to: {error}") from error
            if getattr(error, "error_code", None) in REFERENCE_NOT_FOUND:
                raise SchemaError("a schema it refers to is not in the registry") from error
            raise stopped(error, f"asking for schema {schema_id}") from error

    def _texts(self, schema_id: int, answered: _Answered) -> list[str]:
        found: dict[tuple[str, int], str] = {}
        schema = self._schema(schema_id)
        answered.now()
        text = schema.schema_str or ""
        self._collect(schema.references or (), found, answered, len(text))
        return [*found.values(), text]

    def _collect(
        self,
        references: Iterable[SchemaReference],
        found: dict[tuple[str, int], str],
        answered: _Answered,
        others: int,
    ) -> None:
        """Add the referenced schemas, each once, dependencies first.

        Args:
            references: to them.
            found: where they go.
            answered: notified of each answer.
            others: characters of the schemas that refer to these.
        """
        if sum(map(len, found.values())) + others > MOST_TEXT:
            raise SchemaError(f"with those that it refers to, it has over {MOST_TEXT:,} characters")
        for reference in references:
            place = reference.subject or "", reference.version or 0
            if place not in found:
                if len(found) >= MOST_REFERENCES:
                    raise SchemaError(f"it refers to more than {MOST_REFERENCES} others")
                found[place] = ""  # so that circular references end
                schema = self.client.get_version(*place).schema
                answered.now()
                text = schema.schema_str or ""
                self._keep(schema)
                self._collect(schema.references or (), found, answered, others + len(text))
                del found[place]
                found[place] = text

    def _schema(self, schema_id: int) -> Schema:
        schema = self.client.get_schema(schema_id)
        self._keep(schema)
        return schema

    def _keep(self, schema: Schema) -> None:
        """Count what the client keeps, and make it forget everything when that is too much."""
        size = len(schema.schema_str or "")
        size += sum(
            len(repr(e)) for e in (schema.references, schema.metadata, schema.rule_set) if e
        )
        with self._keeping:
            self._kept += size
            if self._kept > KEPT_TEXT:
                self.client.clear_caches()  # type: ignore[no-untyped-call]
                self._kept = 0

    def kind(self, schema_id: int) -> str | None:
        """``JSON``, ``AVRO``, …; None for an id that is not registered, `TOO_LARGE` for a schema
        that is not read.

        Raises:
            RegistryStoppedError: the registry does not answer.
        """
        known = self._kinds.get(schema_id)
        if known is not None:
            return known
        if schema_id in self._not_there or time.monotonic() < self._unknown.get(schema_id, 0.0):
            return None
        try:
            found = self.ask(lambda: self._schema(schema_id)).schema_type or "AVRO"
        except FAILURES as error:
            self._learnt(schema_id, error)
            return self._kinds.get(schema_id)
        self._kinds[schema_id] = found
        return found

    def learn(self, ids: Iterable[int]) -> None:
        """Ask for the schemas of a batch, many at once; the next batch forgets which were late.

        Raises:
            RegistryStoppedError: the registry does not answer.
        """
        self.late, self._not_there = frozenset(), set()
        now = time.monotonic()
        self._until = now + self._learn_s
        new = [i for i in ids if i not in self._kinds and now >= self._unknown.get(i, 0.0)]
        if len(new) < 2:
            return
        answers, left = _answers(self._schema, new)
        last = now
        waiting = set(new)
        try:
            while waiting:
                schema_id, answer = answers.get(timeout=max(0.0, self._until - time.monotonic()))
                last = time.monotonic()
                waiting.discard(schema_id)
                self._learnt(schema_id, answer)
        except queue.Empty:
            if time.monotonic() - last >= min(SILENT_S, self._learn_s):
                late = TimeoutError(f"no answer for {time.monotonic() - last:.0f} s")
                raise stopped(late, f"asking for {len(waiting)} schemas") from None
            self.late = frozenset(waiting)
        finally:
            left.clear()

    def _learnt(self, schema_id: int, answer: str | Exception) -> None:
        if isinstance(answer, str):
            self._kinds[schema_id] = answer
        elif isinstance(answer, OversizedError):
            self._kinds[schema_id] = TOO_LARGE
        elif getattr(answer, "error_code", None) == SCHEMA_NOT_FOUND:
            self._is_not_there(schema_id)
        else:
            raise stopped(answer, f"asking for schema {schema_id}") from answer

    def _is_not_there(self, schema_id: int) -> None:
        self._not_there.add(schema_id)
        if len(self._unknown) >= MOST_UNKNOWN:
            self._unknown.clear()
        self._unknown[schema_id] = time.monotonic() + self._forget_s


Answers = queue.SimpleQueue[tuple[int, str | Exception]]


def _answers(schema: Callable[[int], Schema], ids: Iterable[int]) -> tuple[Answers, deque[int]]:
    """Kinds of schemas, or what the client raised, as they come; and the ids not requested yet."""
    answers, left = Answers(), deque(ids)

    def ask() -> None:
        while True:
            try:
                schema_id = left.popleft()
            except IndexError:
                return
            try:
                answers.put((schema_id, schema(schema_id).schema_type or "AVRO"))
            except FAILURES as error:
                answers.put((schema_id, error))

    for _ in range(min(AT_ONCE, len(left))):
        threading.Thread(target=ask, name="schemas", daemon=True).start()
    return answers, left


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
