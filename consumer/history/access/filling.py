"""Stores like a worker's, filled from the log up to a given state."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from consumer.errors import SettingsError
from consumer.history.access.gather import progress
from consumer.history.access.scan import LogScan, LogState
from consumer.history.asked import secret_of
from consumer.kafka.topics import READS, KeptLog, require_log, require_topics
from consumer.memory.assembly import current_store, store_path
from consumer.memory.facts.folder import OWNER
from consumer.memory.store import MemoryStore, open_store
from consumer.memory.view import View
from consumer.settings.settings import Settings
from consumer.stop import Stop
from consumer.waiting import aloud
from model.artifact.manifest import Manifest
from model.artifact.store import ArtifactError, read_contract, read_manifest
from model.history.keys import fingerprint
from model.history.plan import Bounds, EntityKind, bounds_of, kinds_in
from schemas.contract.errors import ContractError
from schemas.contract.model import Contract


class Kept(NamedTuple):
    """What a worker with these settings keeps of the log."""

    manifest: Manifest
    """Of the model in MODEL_DIR."""
    kinds: tuple[EntityKind, ...]
    bounds: Bounds
    fingerprint: str
    log: KeptLog

    def open(self, path: Path) -> MemoryStore:
        """The store in a folder; see `open_store`."""
        return open_store(path, self.kinds, self.bounds, self.fingerprint, self.log.topic_id)


def kept_by(settings: Settings) -> Kept:
    """What a worker with these settings keeps.

    Raises:
        SettingsError: no key, or no model.
        KafkaStoppedError: there is no log.
    """
    own = fingerprint(secret_of(settings))
    manifest, contract = model_in(settings)
    with aloud(settings):
        require_topics(settings, {settings.memory_topic: READS})
        found = require_log(settings)
    return Kept(manifest, kinds_in(contract), bounds_of(manifest.history), own, found)


def model_in(settings: Settings) -> tuple[Manifest, Contract]:
    """What the model in MODEL_DIR says about itself, and its contract.

    Raises:
        SettingsError: there is none.
    """
    folder = settings.model_dir.resolve()
    try:
        manifest = read_manifest(folder)
        return manifest, read_contract(folder, manifest)
    except (ArtifactError, ContractError, OSError) as error:
        raise SettingsError(f"MODEL_DIR={settings.model_dir}: {error}") from error


@contextmanager
def own_store(settings: Settings, kept: Kept) -> Iterator[MemoryStore]:
    """The store of this INSTANCE_ID, whose process must have ended.

    Raises:
        SettingsError: there is none, or a process has it.
    """
    path = store_path(settings)
    if not (path / OWNER).exists():
        raise SettingsError(
            f"there is no store in {path}, which MEMORY_STORE, CONSUMER_GROUP and INSTANCE_ID name"
        )
    store = current_store(path, kept.kinds, kept.bounds, kept.fingerprint, kept.log)
    with closing(store):
        yield store


@contextmanager
def new_store(kept: Kept, scan: LogScan, end: LogState) -> Iterator[MemoryStore]:
    """A store in a temporary folder, filled from the log up to a given state."""
    with TemporaryDirectory(prefix="memory-") as folder, closing(kept.open(Path(folder))) as store:
        fill(store, scan, end)
        yield store


def caught_up(store: View, scan: LogScan, end: LogState, at_s: float) -> None:
    """Bring a store up to the state of the log at a moment, in seconds since 1970.

    Raises:
        KafkaStoppedError, SettingsError, StoppedError: see `LogScan.read`.
    """
    fill(store, scan, end)
    store.complete(at_s)


def fill(store: View, scan: LogScan, end: LogState) -> None:
    """Bring a store up to a state of the log.

    Raises:
        KafkaStoppedError, SettingsError, StoppedError: see `LogScan.read`.
    """
    start = store.positions()
    # Records and the positions after them are taken in together; those in between are known for the
    # last records only, so a fill that is stopped is repeated from where it began.
    with progress() as tell:
        for records in scan.read(start, end, tell):
            store.apply([record.told for record in records], start)
    store.apply([], {**start, **end})


def scan_of(settings: Settings, kept: Kept, stop: Stop) -> LogScan:
    """A read of the log that checks that its hashes were made with the key."""
    stop.gracefully()
    return LogScan(settings, stop, kept.fingerprint)
