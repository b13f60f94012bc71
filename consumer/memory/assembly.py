"""A worker's memory, assembled from the settings."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from consumer.errors import INSTALL_EXTRAS, SettingsError
from consumer.kafka.topics import COUNTS_AND_WRITES as READS_AND_WRITES
from consumer.kafka.topics import KeptLog, require_log
from consumer.memory.log import NoteTaker
from consumer.memory.pending import PendingClaims
from consumer.memory.recall import Memory
from consumer.memory.store import MemoryStore, open_store
from consumer.memory.tail import Tail
from consumer.memory.view import LogFollower, View
from consumer.settings.database import Database
from consumer.settings.settings import Remember, Settings
from consumer.stop import Stop
from consumer.telemetry.health import Loop
from consumer.telemetry.memory_metrics import MemoryMetrics
from consumer.telemetry.metrics import ProcessMetrics
from model.history.keys import SecretError, fingerprint, read_secret
from model.history.plan import Bounds, EntityKind, bounds_of, kinds_in, refuse_without_entities
from model.scoring.scorer import Scorer

log = logging.getLogger(__name__)

TELL_EVERY_S: Final = 5.0
DAY_S: Final = 86_400
PATIENCE_S: Final = 30.0


class Opened(NamedTuple):
    """What a memory is made of; nothing has been read from the log yet."""

    view: View
    tail: LogFollower
    notes: NoteTaker
    pending: PendingClaims
    counts: MemoryMetrics


def make_memory(
    settings: Settings, scorer: Scorer, metrics: ProcessMetrics, *, beside: bool = False
) -> Memory | None:
    """The memory of a worker, if MEMORY=on; nothing has been read from the log yet.

    Args:
        settings: topic, store and key.
        scorer: the model; it says what its history is computed from.
        metrics: where counts go.
        beside: a model beside that one uses histories as well.

    Raises:
        SettingsError, KafkaStoppedError, StoreStoppedError: see `opened`.
    """
    if settings.memory is Remember.OFF:
        return None
    return Memory(*opened(settings, scorer, metrics), beside=beside)


def opened(
    settings: Settings,
    scorer: Scorer,
    metrics: ProcessMetrics,
    suffix: str = "",
    kept_by: Callable[[Settings], KeptLog] = require_log,
    patience_s: float = PATIENCE_S,
) -> Opened:
    """The store of a process, and what follows the log into it.

    Args:
        settings: topic, store and key.
        scorer: the model; it says what its history is computed from.
        metrics: where counts go.
        suffix: of the store's name, for processes that are not workers.
        kept_by: checks how the topic keeps what is remembered, and returns what it found.
        patience_s: seconds to wait for a database that does not answer.

    Raises:
        SettingsError: the key cannot be read, the store has another key or is in use, the contract
            names nobody to remember, or the model looks back further than MEMORY_DAYS.
        KafkaStoppedError: there is no topic that keeps what is remembered, or no answer.
        StoreStoppedError: the database does not answer, or nobody fills it.
    """
    secret = memory_secret(settings)
    contract = scorer.decoder.contract
    try:
        refuse_without_entities(contract)
    except ValueError as error:
        raise SettingsError(f"MEMORY=on, but {error}; then train again") from error
    kinds, own = kinds_in(contract), fingerprint(secret)
    bounds = bounds_of(scorer.history)
    refuse_short_memory(settings, bounds)
    kept = kept_by(settings)
    counts = MemoryMetrics(metrics, [kind.kind for kind in kinds])
    notes = NoteTaker(contract, secret)
    if isinstance(settings.memory_store, Database):
        view, follower, committed = _in_database(
            settings, settings.memory_store, kinds, bounds, own, kept, patience_s
        )
        return Opened(view, follower, notes, committed, counts)
    pending = PendingClaims()
    store = current_store(store_path(settings, suffix), kinds, bounds, own, kept)
    tail = Tail(settings, store, own, kept.topic_id, counts, pending.returned)
    return Opened(store, tail, notes, pending, counts)


def _in_database(
    settings: Settings,
    database: Database,
    kinds: Sequence[EntityKind],
    bounds: Bounds,
    own: str,
    kept: KeptLog,
    patience_s: float,
) -> tuple[View, LogFollower, PendingClaims]:
    """A database that others fill, what tracks how far it is, and claims it may not have yet."""
    require_psycopg()
    # psycopg is optional
    from consumer.memory.postgres.applier import source_of  # noqa: PLC0415
    from consumer.memory.postgres.follower import CommittedClaims, Follower  # noqa: PLC0415
    from consumer.memory.postgres.store import open_view  # noqa: PLC0415

    source = source_of(settings, kept, kinds, bounds, own)
    view, committed = open_view(database, source, bounds, patience_s), CommittedClaims()
    return view, Follower(settings, view, committed), committed


def require_psycopg() -> None:
    """Check that the PostgreSQL client is installed.

    Raises:
        SettingsError: it is not, or its library is missing.
    """
    try:
        import psycopg  # noqa: F401, PLC0415 - optional
    except ImportError as error:
        raise SettingsError(
            "MEMORY_STORE=postgresql://… needs the package psycopg, the extra memory-postgres "
            f"({INSTALL_EXTRAS}): {error}"
        ) from None


def current_store(
    path: Path, kinds: Sequence[EntityKind], bounds: Bounds, fingerprint: str, kept: KeptLog
) -> MemoryStore:
    """The store in a folder; an empty one if the log may no longer say what it missed.

    Raises:
        SettingsError: see `open_store`.
    """
    store = open_store(path, kinds, bounds, fingerprint, kept.topic_id)
    away_s = time.time() - store.complete_s
    if away_s > kept.tombstones_s:
        log.warning(
            "MEMORY_STORE=%s last had everything %.0f days ago: the log may not tell any more what "
            "was forgotten since, so it is read again from its beginning",
            path,
            away_s / DAY_S,
        )
        store.empty()
    return store


def refuse_short_memory(settings: Settings, bounds: Bounds) -> None:
    """Refuse a model that sees what MEMORY_DAYS lets be forgotten: its scores would change.

    Raises:
        SettingsError: it does.
    """
    if settings.memory_days < bounds.days:
        raise SettingsError(
            f"MEMORY_DAYS={settings.memory_days}, but the model looks back {bounds.days:,} days: "
            f"set MEMORY_DAYS={bounds.days} or more, or its scores depend on what was forgotten"
        )


def logs_of(settings: Settings) -> dict[str, frozenset[str]]:
    """What a worker reads and writes besides claims and outcomes, with the rights it needs."""
    return {settings.memory_topic: READS_AND_WRITES} if settings.memory is Remember.ON else {}


@contextmanager
def loaded(memory: Memory | None, topic: str, loop: Loop, stop: Stop) -> Iterator[bool]:
    """Have the memory read the log before the body, and close it afterwards.

    Args:
        memory: None if nothing is remembered.
        topic: the log.
        loop: updated while the log is read.
        stop: obeyed while the log is read.

    Yields:
        False if it was asked to stop before it had read everything.
    """
    if memory is None:
        yield True
        return
    with closing(memory):
        yield read_first(memory, topic, stop, loop.turned)


class Loads(Protocol):
    """What reads the log; see `consumer.memory.tail.Tail.load`."""

    def load(  # noqa: D102
        self, going_on: Callable[[], bool], progress: Callable[[int, int], object]
    ) -> bool: ...


def read_first(
    reader: Loads, topic: str, stop: Stop, turned: Callable[[], object] = lambda: None
) -> bool:
    """Read the log and report progress; False if it was asked to stop before the end.

    Args:
        reader: of the log.
        topic: the log.
        stop: obeyed meanwhile.
        turned: called repeatedly, as a sign of life.
    """
    stop.gracefully()
    log.info("reading %s: no claim is scored before it has been read", topic)
    return reader.load(lambda: not stop.asked, _aloud(topic, turned))


def store_path(settings: Settings, suffix: str = "") -> Path:
    """The folder of this process's view: no two processes share one."""
    folder = settings.memory_store
    assert isinstance(folder, Path), "a database has no folder"
    return folder / f"{settings.consumer_group}-{settings.instance_id}{suffix}"


def _aloud(topic: str, turned: Callable[[], object]) -> Callable[[int, int], None]:
    """Logs progress every few seconds, and reports on each call that the process is alive."""
    due = time.monotonic() + TELL_EVERY_S

    def progress(done: int, all_of_it: int) -> None:
        nonlocal due
        turned()
        if time.monotonic() > due:
            due = time.monotonic() + TELL_EVERY_S
            log.info("reading %s: %d of about %d records", topic, done, all_of_it)

    return progress


def memory_secret(settings: Settings) -> bytes:
    """The key of the hashes.

    Raises:
        SettingsError: MEMORY_KEY_FILE cannot be used.
    """
    assert settings.memory_key_file is not None
    try:
        return read_secret(settings.memory_key_file)
    except SecretError as error:
        raise SettingsError(f"MEMORY_KEY_FILE={error}") from error
