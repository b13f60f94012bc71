"""The model in service: loaded at start, replaced between two batches when another is promoted."""

import contextlib
import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from consumer.background import in_background
from consumer.errors import ModelRefusedError, SettingsError
from consumer.settings.settings import Remember, Settings
from consumer.telemetry.metrics import ModelMetrics
from model.artifact import store as artifact
from model.artifact.store import (
    FILES,
    MANIFEST_FILE,
    ArtifactError,
    Verify,
    anything,
)
from model.history.plan import bounds_of
from model.releases.signing import SIGNATURE_FILE, KeyFileError, public_key, signed_by
from model.scoring.load import load as load_model
from model.scoring.rules import RuleError, Rules, parse, read_text, shipped_rules
from model.scoring.scorer import Scorer
from schemas.contract.model import Contract

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 2.0
GONE_S: Final = 30.0
"""A model that is being replaced is back by then."""
GONE_AGAIN_S: Final = 1_800.0
"""How often it is reported that there is none: the alert looks back an hour."""
WATCHED: Final = (MANIFEST_FILE, *(f for f in FILES if f != MANIFEST_FILE), SIGNATURE_FILE)
COLLECT_EVERY: Final = 100_000
"""Net number of new objects before the collector looks for cycles (the default is 700)."""

Stamp = tuple[int, int, int, int] | None
"""Inode number, size and times of a file; None if it does not exist."""
FolderIdentity = tuple[Path, int, tuple[Stamp, ...], Path | None]


def signature_check(settings: Settings) -> Verify:
    """The check of every model before it is loaded; without MODEL_PUBLIC_KEY_FILE there is none.

    Raises:
        SettingsError: the file is missing, or contains no such key.
    """
    file = settings.model_public_key_file
    if file is None:
        return anything
    try:
        return signed_by(public_key(file))
    except KeyFileError as error:
        raise SettingsError(f"MODEL_PUBLIC_KEY_FILE={file}: {error}") from error


def rules_of(settings: Settings) -> Callable[[Contract], Rules]:
    """The rules of RULES_FILE for claims of a contract, or else those shipped for it.

    Raises:
        SettingsError: the file is missing. Its rules can only be checked against a contract: the
            result raises `RuleError` if they are wrong.
    """
    file = settings.rules_file
    if file is None:
        return shipped_rules
    try:
        text = read_text(file)
    except RuleError as error:
        raise SettingsError(f"RULES_FILE={file}: {error}") from error
    return lambda contract: parse(text, contract, f"RULES_FILE={file}")


def models_of(settings: Settings, metrics: ModelMetrics) -> "Models":
    """The model that the settings ask for; see `Models`.

    Raises:
        ModelRefusedError, SettingsError: see `Models`, `rules_of` and `signature_check`.
    """
    verify = signature_check(settings)
    return Models(
        settings.model_dir,
        metrics,
        rules_of(settings),
        verify,
        settings.control_share,
        remembers=settings.memory is Remember.ON,
    )


class Models:
    """Hands out the model for the next batch."""

    def __init__(
        self,
        folder: Path,
        metrics: ModelMetrics,
        rules: Callable[[Contract], Rules] = shipped_rules,
        verify: Verify = anything,
        control_share: float = 0.0,
        *,
        remembers: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Load the model.

        Args:
            folder: the artifact, or a link to it.
            metrics: where the model in service is recorded.
            rules: those to evaluate in addition to a model of that contract.
            verify: may reject a model, now or when promoted later; see `signature_check`.
            control_share: share of all claims in the random control sample, 0 to 1.
            remembers: claims are scored with their histories if the model has history features;
                otherwise such a model is rejected.
            clock: in seconds; a model that is gone for long is reported.

        Raises:
            ModelRefusedError: it is missing, altered, created by other versions, or rejected.
            SettingsError: the rules cannot be evaluated on claims of its contract.
        """
        self._folder = folder
        self._metrics = metrics
        self._rules = rules
        self._verify = verify
        self._control_share = control_share
        self._remembers = remembers
        self._clock = clock
        self._gone_at: float | None = None
        """When it is reported next that there is no model; None while there is one."""
        self._seen = self._identity()
        try:
            self._current = self._loaded()
        except ArtifactError as error:
            raise ModelRefusedError(f"MODEL_DIR={folder}: {error}") from error
        except RuleError as error:
            raise SettingsError(str(error)) from error
        self._report()
        keep_out_of_collections()
        self._stopped = threading.Event()

    def current(self) -> Scorer:
        """The model to score the next batch with."""
        return self._current

    @contextlib.contextmanager
    def watched(self, every_s: float = LOOK_EVERY_S) -> Iterator[None]:
        """Watch for another model while the body runs, looking every `every_s` seconds."""
        with in_background(partial(self._watch, every_s), "models", self._stopped):
            yield

    def look(self) -> None:
        """Load the model that is in the folder now, unless it is the one seen last.

        A rejected model is reported, and the current one keeps serving; so is a folder that has had
        none for `GONE_S`. One whose contract has another name is rejected: see
        `refuse_another_line`.
        """
        found = self._identity()
        if found is None:
            self._gone()
            return
        self._gone_at = None
        if found == self._seen:
            return
        self._seen = found
        try:
            loaded = self._loaded()
            refuse_another_line(self._current.contract, loaded.contract, BACK)
            if self._remembers:
                refuse_another_memory(self._current, loaded)
        except (ArtifactError, RuleError) as error:
            self._refused(error)
            return
        self._current = loaded
        self._report()
        keep_out_of_collections()
        log.info("model in service: %s %s", self._current.name, self._current.version)

    def _loaded(self) -> Scorer:
        scorer = load_model(self._folder, self._rules, self._verify, remembers=self._remembers)
        scorer.control_share = self._control_share
        return scorer

    def _gone(self) -> None:
        """There is no model, or it is being replaced: see `GONE_S`."""
        now = self._clock()
        if self._gone_at is None:
            self._gone_at = now + GONE_S
        elif now >= self._gone_at:
            self._gone_at = now + GONE_AGAIN_S
            self._metrics.models_refused.inc()
            log.error(
                "MODEL_DIR=%s: there is no model any more. %s %s stays in service, but no process "
                "can start with this folder: put a model there, or promote one",
                self._folder,
                self._current.name,
                self._current.version,
            )

    def _watch(self, every_s: float) -> None:
        while not self._stopped.wait(every_s):
            try:
                self.look()
            except BaseException as error:  # noqa: BLE001 - nobody notices a thread that ends
                self._refused(error)

    def _refused(self, error: BaseException) -> None:
        self._metrics.models_refused.inc()
        log.error(
            "the new model in %s is refused, %s %s stays in service: %s",
            self._folder,
            self._current.name,
            self._current.version,
            error,
            # For a rejection the message says everything; a traceback adds nothing.
            exc_info=None if isinstance(error, ArtifactError | RuleError) else error,
        )

    def _identity(self) -> FolderIdentity | None:
        """A value that changes when another model is put there; None in the middle of the change.

        A rejected model is checked again whenever its files change: when it has been signed, is
        no longer world-writable, or has been copied completely.
        """
        try:
            folder = self._folder.resolve()
            stamps = tuple(_stamp(folder / name) for name in WATCHED)
            if stamps[0] is None:
                return None
            return folder, folder.stat().st_ctime_ns, stamps, artifact.open_place(self._folder)
        except PermissionError:  # loading reports what cannot be read
            return self._folder, 0, (), None
        except (OSError, RuntimeError):  # RuntimeError: a loop of links, before Python 3.13
            return None

    def _report(self) -> None:
        scorer = self._current
        self._metrics.model.info(
            {
                "name": scorer.name,
                "version": scorer.version,
                "sha256": scorer.sha256,
                "threshold": f"{scorer.threshold:g}",
            }
        )
        self._metrics.model_loaded_at.set_to_current_time()
        self._metrics.model_created_at.set(scorer.manifest.created_at.timestamp())


BACK: Final = (
    "put back a model of that contract, or restart this process to score claims of the other"
)


def refuse_another_line(present: Contract, other: Contract, remedy: str) -> None:
    """Check that another model is for the claims that arrive here.

    Args:
        present: of the model in service.
        other: of a new one, or one that scores beside it.
        remedy: what to do if it is not.

    Raises:
        ArtifactError: its contract has another name, so it might refuse every claim.
    """
    own, its = present.about.name, other.about.name
    if its != own:
        raise ArtifactError(
            f"its contract is {its!r}, and claims of {own!r} are scored here: {remedy}"
        )


RESTART: Final = "restart it with this model, and it is built again from MEMORY_TOPIC"


def refuse_another_memory(present: Scorer, other: Scorer, remedy: str = RESTART) -> None:
    """Check that another model needs the same things remembered as the present one.

    Args:
        present: the model in service.
        other: a new one, or one that scores beside it.
        remedy: what to do if it does not.

    Raises:
        ArtifactError: it does not, and what this process stores is for the present one.
    """
    own, its = present.decoder.contract, other.decoder.contract
    before, after = bounds_of(present.history), bounds_of(other.history)
    if (own.entities, own.event) != (its.entities, its.event) or before != after:
        raise ArtifactError(
            "its contract names other entities, or its history is computed within other bounds, "
            f"than what this process remembers for {present.name} {present.version}: {remedy}"
        )


def _stamp(file: Path) -> Stamp:
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def keep_out_of_collections() -> None:
    """Make the garbage collector ignore the model and the libraries.

    They live as long as the process; walking them repeatedly, together with a collection
    every few hundred claims, costs a fifth of the time it takes to score a claim.
    """
    gc.unfreeze()  # what an earlier model left behind
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY)
