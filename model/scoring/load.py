"""From an artifact's folder to a model that is ready to score.

Each file is read once, its digest is compared with the manifest's, and only those very bytes are
used. The digest detects a damaged or mixed-up file; it does not protect a folder that someone else
may write to. So a world-writable folder is rejected, and `model.releases.signing` can require a
signature as well.

A model is built from plain data, which runs no code. Unpickling does run code: it is done only for
an artifact without plain data, and to prove one, which compares both.
"""

import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from model.arrays import Matrix
from model.artifact.manifest import FORMAT_VERSION, Versions
from model.artifact.reference import GOLDEN_TOLERANCE, Reference
from model.artifact.store import (
    MODEL_FILE,
    PLAIN_FILE,
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
from model.compiled.classifier import adds_up
from model.compiled.plain import PlainPipeline
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
    """An artifact format."""

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
    prove: bool = False,
) -> Scorer:
    """Read an artifact and make it ready to score.

    Args:
        path: its folder, or a link to it.
        rules: those to evaluate in addition to a model of that contract.
        verify: called before any other file is read.
        form: the format that it must have.
        remembers: claims can be scored with their histories; otherwise a model with history is
            refused.
        prove: unpickle the model as well, and check that it is the one that scores; see
            `model.compiled.fitted`. For where a model is put into service, not where it serves.

    Raises:
        ArtifactError: it is missing, damaged, rejected by `verify`, or world-writable; nothing was
            unpickled before all of it was checked. Or it had to be unpickled, and was created
            with other versions, or raised while unpickled or tried out: a model may raise anything.
        RuleError: the rules cannot be evaluated on claims of its contract.
    """
    try:
        return _loaded(Path(path), rules, verify, form, remembers=remembers, prove=prove)
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
    prove: bool,
) -> Scorer:
    _refuse_open(path)
    folder = path.resolve()  # a link that is switched while we read must not mix two models
    said, manifest = described(folder, form.version)
    verify(folder, said)
    if not remembers:
        _refuse_history(folder, manifest.history)
    unpickles = prove or manifest.plain_sha256 is None
    if unpickles:
        _refuse_other_versions(folder, manifest.versions)
    contents = verified(folder, manifest)
    reference = _reference(folder, contents.reference)
    decoder = ClaimDecoder(contract_of(folder, contents.contract))
    found = rules(decoder.contract)
    fitted = _fitted(form.unpickle(contents.model)) if unpickles else None
    plain = _plain(folder, contents.plain, fitted)
    scorer = Scorer(plain, manifest, reference, decoder, found)
    golden = _golden(scorer)
    if fitted is not None:
        _refuse_difference(folder, scorer, fitted, golden)
    _refuse_other_scores(folder, scorer, golden)
    _try_out(scorer, golden)
    return scorer


def golden_codes(scorer: Scorer) -> Matrix:
    """The golden examples encoded for trees, shape (n_claims, n_features)."""
    return scorer.codes(*_golden(scorer))


class _Golden(NamedTuple):
    """Golden examples as they are scored."""

    claims: Sequence[Any]
    histories: Sequence[ClaimHistory] | None


def _golden(scorer: Scorer) -> _Golden:
    plan, reference = scorer.history, scorer.reference
    return _Golden(
        reference.golden_claims(scorer.decoder.contract),
        None if plan is None else reference.golden_histories(plan),
    )


class _Fitted(NamedTuple):
    """What was unpickled."""

    plain: PlainPipeline
    classifier: Any


def _fitted(pipeline: Any) -> _Fitted:
    # Imports scikit-learn and all that comes with it.
    from model.compiled.fitted import plain_pipeline  # noqa: PLC0415

    return _Fitted(plain_pipeline(pipeline), pipeline["classify"])


def _plain(folder: Path, content: bytes | None, fitted: _Fitted | None) -> PlainPipeline:
    """The model as plain data: from the file, or made from what was unpickled."""
    if content is None:
        assert fitted is not None, "it has nothing else"
        return fitted.plain
    try:
        found = decode(content, PlainPipeline)
    except FileError as error:
        raise ArtifactError(f"{folder / PLAIN_FILE} is not a model: {error}") from error
    if fitted is not None and found != fitted.plain:
        raise ArtifactError(
            f"{folder / PLAIN_FILE} is not the model in {MODEL_FILE}: retrain, or migrate it again"
        )
    return found


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
            f"anyone on this machine can write to {place}, and so replace the model: "
            f"chmod o-w {place}"
        )


def _refuse_other_scores(folder: Path, scorer: Scorer, golden: _Golden) -> None:
    """Golden examples must score here as they did where the model was trained."""
    if not adds_up(scorer.compiled, scorer.codes(*golden)):
        raise ArtifactError(
            f"{folder}: contributions to the scores of its golden examples do not add up to them"
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


def _refuse_difference(folder: Path, scorer: Scorer, fitted: _Fitted, golden: _Golden) -> None:
    """The compiled model must agree with scikit-learn, and explain as LightGBM does."""
    from model.compiled.fitted import difference  # noqa: PLC0415 - as above

    found = difference(scorer.compiled, fitted.classifier, scorer.codes(*golden))
    if found is not None:
        raise ArtifactError(f"{folder}: {found}")


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
