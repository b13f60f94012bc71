"""From an artifact's folder to a model that is ready to score.

Unpickling runs code, so the model's bytes are read once, their digest is compared with the
manifest's, and only those very bytes are unpickled. The digest detects a damaged or mixed-up
file; it does not protect a folder that someone else may write to. So a world-writable folder
is rejected, and `model.releases.signing` can require a signature as well.
"""

import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from model.artifact.manifest import FORMAT_VERSION, Versions
from model.artifact.reference import GOLDEN_TOLERANCE, Reference
from model.artifact.store import (
    REFERENCE_FILE,
    ArtifactError,
    Verify,
    anything,
    contract_of,
    described,
    open_place,
    unpickled,
    verified,
)
from model.compiled.classifier import agrees, explains
from model.drift import Window
from model.files.trusted import FileError, decode
from model.history.features import ClaimHistory
from model.history.plan import HistoryPlan
from model.scoring.rules import RuleError, Rules, shipped_rules
from model.scoring.scorer import Scorer
from schemas.contract.model import Contract
from schemas.decoding.decoder import ClaimDecoder

_LONGEST_REASON: Final = 500
"""Maximum characters of an exception's message that are passed on."""


class Format(NamedTuple):
    """A form of artifacts."""

    version: int
    unpickle: Callable[[bytes], Any]
    """Returns the pipeline in a model file."""


PRESENT: Final = Format(FORMAT_VERSION, unpickled)


def load(
    path: str | Path,
    rules: Callable[[Contract], Rules] = shipped_rules,
    verify: Verify = anything,
    form: Format = PRESENT,
    *,
    remembers: bool = False,
) -> Scorer:
    """Read an artifact and make it ready to score.

    Args:
        path: its folder, or a link to it.
        rules: those to evaluate in addition to a model of that contract.
        verify: called before any other file is read.
        form: what it must have.
        remembers: histories are at hand for claims to be scored with; otherwise a model with
            history is refused.

    Raises:
        ArtifactError: it is missing, damaged, created for other versions, rejected by `verify`, or
            world-writable; nothing was unpickled before all of it was checked. Or
            it raised while it was unpickled and tried: a model may raise anything.
        RuleError: the rules cannot be evaluated on claims of its contract.
    """
    try:
        return _loaded(Path(path), rules, verify, form, remembers=remembers)
    except (ArtifactError, RuleError, KeyboardInterrupt):
        raise
    except BaseException as error:  # also SystemExit, which would end a thread silently
        raise ArtifactError(
            f"{path} cannot be loaded ({_in_words(error)}): it was created by another release or "
            "is damaged: retrain, or go back to the previous version"
        ) from error


def _loaded(
    path: Path,
    rules: Callable[[Contract], Rules],
    verify: Verify,
    form: Format,
    *,
    remembers: bool,
) -> Scorer:
    _refuse_open(path)
    folder = path.resolve()  # a link that is switched while we read must not mix two models
    said, manifest = described(folder, form.version)
    verify(folder, said)
    if not remembers:
        _refuse_history(folder, manifest.history)
    _refuse_other_versions(folder, manifest.versions)
    contents = verified(folder, manifest)
    reference = _reference(folder, contents.reference)
    decoder = ClaimDecoder(contract_of(folder, contents.contract))
    found = rules(decoder.contract)
    scorer = Scorer(form.unpickle(contents.model), manifest, reference, decoder, found)
    golden = _Golden(
        reference.golden_claims(decoder.contract),
        None if scorer.history is None else reference.golden_histories(scorer.history),
    )
    _refuse_other_scores(folder, scorer, golden)
    _try_out(scorer, golden)
    return scorer


class _Golden(NamedTuple):
    """Golden examples as they are scored."""

    claims: Sequence[Any]
    histories: Sequence[ClaimHistory] | None


def _in_words(error: BaseException) -> str:
    """One short line; the exception comes from the model and may not even be printable."""
    lines = traceback.format_exception_only(error)
    return " ".join(" ".join(lines).split())[:_LONGEST_REASON]


def _reference(folder: Path, content: bytes) -> Reference:
    try:
        reference = decode(content, Reference)
    except FileError as error:
        raise ArtifactError(f"{folder / REFERENCE_FILE} is not a reference: {error}") from error
    if not reference.scores or not reference.golden:
        raise ArtifactError(f"{folder / REFERENCE_FILE} contains no scores or no golden examples")
    if not all(0 <= score <= 1 for score in reference.scores):
        raise ArtifactError(f"{folder / REFERENCE_FILE} contains a score that is no probability")
    return reference


def _try_out(scorer: Scorer, golden: _Golden) -> None:
    """Do everything with the golden examples that is done with claims, so that errors occur now."""
    found = scorer.assess(*golden)
    window = Window(scorer.reference.columns)
    window.add(found.codes, scorer.features, found.probability)
    window.index()


def _refuse_open(path: Path) -> None:
    try:
        place = open_place(path)
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, before 3.13
        raise ArtifactError(f"cannot read {path}: {error}") from error
    if place is not None:
        raise ArtifactError(
            f"anyone on this machine can write to {place}, and loading a model runs code: "
            f"chmod o-w {place}"
        )


def _refuse_other_scores(folder: Path, scorer: Scorer, golden: _Golden) -> None:
    """Golden examples must score here as they did where the model was trained.

    And scikit-learn must agree with the compiled form that does the scoring.
    """
    codes = scorer.codes(*golden)
    if not agrees(scorer.compiled, scorer.pipeline["classify"], codes):
        raise ArtifactError(
            f"{folder}: the compiled model does not score its golden examples as scikit-learn does"
        )
    if not explains(scorer.compiled, codes):
        raise ArtifactError(
            f"{folder}: contributions to the scores of its golden examples do not add up to them, "
            "or differ from LightGBM's"
        )
    found = scorer.score(*golden)
    expected = np.array([example.probability for example in scorer.reference.golden])
    off = np.abs(found - expected)
    if not (off <= GOLDEN_TOLERANCE).all():
        worst = int(off.argmax())
        raise ArtifactError(
            f"{folder}: golden example {worst + 1} scores {found[worst]!r} here and "
            f"{expected[worst]!r} in training: this installation computes different scores"
        )


def _refuse_history(folder: Path, history: HistoryPlan | None) -> None:
    """A score without the history that the model learnt from would be the score of another model.

    Missing history must never be read as no earlier claims.
    """
    if history is not None:
        kinds = ", ".join(kind.kind for kind in history.kinds)
        raise ArtifactError(
            f"{folder} was trained with --history ({kinds}), and nothing is remembered here to "
            "score with: set MEMORY=on (docs/memory.md), or take a model without history"
        )


def _refuse_other_versions(folder: Path, made_with: Versions) -> None:
    """scikit-learn gives no guarantee for a model unpickled in another minor release."""
    here = Versions.current()
    if _minor(made_with.scikit_learn) != _minor(here.scikit_learn):
        raise ArtifactError(
            f"{folder} was created with scikit-learn {made_with.scikit_learn}, but "
            f"{here.scikit_learn} is installed: retrain, or install the former"
        )


def _minor(version: str) -> tuple[str, ...]:
    return tuple(version.split(".")[:2])
