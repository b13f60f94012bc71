"""Artifacts: a folder with ``model.joblib``, ``reference.json`` and ``manifest.json``.

Unpickling runs code, so the model's bytes are read once, their digest is compared with the
manifest's, and only those very bytes are unpickled. The digest finds a damaged or mixed-up
file; it does not vouch for a folder that somebody else may write to. So one that everybody may
write to is refused, and `model.signing` asks for a signature as well.
"""

import contextlib
import hashlib
import io
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import joblib
import msgspec
import numpy as np

from model.compiled import agrees
from model.drift import Window
from model.files import FileError, decode, read
from model.manifest import FORMAT_VERSION, Manifest, Versions
from model.reference import GOLDEN_TOLERANCE, Reference
from model.rules import Rules
from model.scorer import Scorer
from model.writable import open_to_all

MODEL_FILE: Final = "model.joblib"
REFERENCE_FILE: Final = "reference.json"
MANIFEST_FILE: Final = "manifest.json"
_LONGEST_REASON: Final = 500
"""Characters of an exception's message that are passed on."""

Verify = Callable[[Path, bytes], None]
"""Told an artifact's folder and the bytes of its manifest; raises `ArtifactError` to refuse it."""


def anything(folder: Path, manifest: bytes) -> None:
    """Refuses no artifact."""


class ArtifactError(Exception):
    """An artifact cannot be used; the message says why and what to do."""


class Contents(NamedTuple):
    """Bytes of the files that a manifest describes."""

    model: bytes
    reference: bytes

    def digests(self) -> tuple[str, str]:
        """sha256, hex, of the model and of the reference."""
        return _sha256(self.model), _sha256(self.reference)


def dump(pipeline: Any, reference: Reference) -> Contents:
    """A fitted pipeline and its reference as bytes."""
    buffer = io.BytesIO()
    joblib.dump(pipeline, buffer)
    return Contents(buffer.getvalue(), msgspec.json.encode(reference))


def save(
    folder: Path,
    contents: Contents,
    manifest: Manifest,
    documents: Mapping[str, bytes] | None = None,
) -> None:
    """Write an artifact: complete or not at all. One that is there already is replaced.

    `documents` are files for people, by name; loading does not read them.

    Raises:
        ArtifactError: `folder` exists and is no artifact, or the manifest is of other bytes.
    """
    if contents.digests() != (manifest.sha256, manifest.reference_sha256):
        raise ArtifactError("the manifest's digests are not those of the model and the reference")
    refuse_foreign(folder)
    with _written_aside(folder) as aside:
        (aside / MODEL_FILE).write_bytes(contents.model)
        (aside / REFERENCE_FILE).write_bytes(contents.reference)
        for name, content in (documents or {}).items():
            (aside / name).write_bytes(content)
        encoded = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
        (aside / MANIFEST_FILE).write_bytes(encoded + b"\n")


def refuse_foreign(folder: Path) -> None:
    """Check that an artifact may be written there.

    Raises:
        ArtifactError: `folder` exists and is no artifact, or is a link to one.
    """
    if folder.is_symlink():
        raise ArtifactError(
            f"{folder} is a link to {folder.readlink()}, which a new model would not replace but "
            "cut off: save it in a folder of its own and promote it"
        )
    if folder.exists() and not (folder / MANIFEST_FILE).is_file():
        raise ArtifactError(f"{folder} exists and is not an artifact: not overwriting it")


@contextlib.contextmanager
def _written_aside(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder` that takes its place when the block ends well."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        aside = work / "new"
        aside.mkdir()
        yield aside
        if folder.exists():
            folder.rename(work / "old")
        aside.rename(folder)
    finally:
        shutil.rmtree(work)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an artifact.

    Raises:
        ArtifactError: it is missing, unreadable, or of a form this release does not know.
    """
    return described(folder)[1]


def described(folder: Path) -> tuple[bytes, Manifest]:
    """The manifest's bytes, and what they say.

    Raises:
        ArtifactError: as `read_manifest`.
    """
    content = _read(folder / MANIFEST_FILE)
    try:
        manifest = decode(content, Manifest)
    except FileError as error:
        raise ArtifactError(f"{folder / MANIFEST_FILE} is not a manifest: {error}") from error
    if manifest.format_version != FORMAT_VERSION:
        raise ArtifactError(
            f"{folder} has artifact format {manifest.format_version}, "
            f"this release reads {FORMAT_VERSION}: train again"
        )
    return content, manifest


def load(path: str | Path, rules: Rules | None = None, verify: Verify = anything) -> Scorer:
    """Read an artifact and make it ready to score.

    Args:
        path: its folder, or a link to it.
        rules: to hold claims against in addition to the model; None for those that come with it.
        verify: asked before any other file is read.

    Raises:
        ArtifactError: it is missing, damaged, made for other versions, refused by `verify`, or
            anybody may write there; nothing was unpickled before all of it was found right. Or
            what it holds raised while it was unpickled and tried: a model may raise anything.
    """
    try:
        return _loaded(Path(path), rules, verify)
    except (ArtifactError, KeyboardInterrupt):
        raise
    except BaseException as error:  # also SystemExit, which would end a thread without a word
        raise ArtifactError(
            f"{path} cannot be loaded ({_in_words(error)}): it was made by another release, or "
            "is damaged: train again, or go back to the version before"
        ) from error


def _loaded(path: Path, rules: Rules | None, verify: Verify) -> Scorer:
    _refuse_open(path)
    folder = path.resolve()  # a link that is turned while we read must not mix two models
    said, manifest = described(folder)
    verify(folder, said)
    _refuse_other_versions(folder, manifest.versions)
    model, content = verified(folder, manifest)
    reference = _reference(folder, content)
    scorer = Scorer(joblib.load(io.BytesIO(model)), manifest, reference, rules)
    _refuse_other_scores(folder, scorer, reference)
    _try_out(scorer, reference)
    return scorer


def _in_words(error: BaseException) -> str:
    """One short line; the exception is of the model's own making and may not even print itself."""
    lines = traceback.format_exception_only(error)
    return " ".join(" ".join(lines).split())[:_LONGEST_REASON]


def _reference(folder: Path, content: bytes) -> Reference:
    try:
        reference = decode(content, Reference)
    except FileError as error:
        raise ArtifactError(f"{folder / REFERENCE_FILE} is not a reference: {error}") from error
    if not reference.scores or not reference.golden:
        raise ArtifactError(f"{folder / REFERENCE_FILE} holds no scores or no golden examples")
    return reference


def _try_out(scorer: Scorer, reference: Reference) -> None:
    """Do with the golden examples all that is done with claims: what raises shall raise now."""
    found = scorer.assess([golden.claim for golden in reference.golden])
    window = Window(reference.columns)
    window.add(found.codes, scorer.features, found.probability)
    window.index()
    scorer.compiled.contributions(found.codes)


def verified(folder: Path, manifest: Manifest) -> Contents:
    """The bytes the manifest describes.

    Raises:
        ArtifactError: a file is missing, or not the one the manifest was written for.
    """
    return Contents(
        _verified(folder / MODEL_FILE, manifest.sha256),
        _verified(folder / REFERENCE_FILE, manifest.reference_sha256),
    )


def open_place(path: Path) -> Path | None:
    """What anybody may write to of all that decides what is loaded; see `model.writable`."""
    return open_to_all(path, (MODEL_FILE, REFERENCE_FILE, MANIFEST_FILE))


def _refuse_open(path: Path) -> None:
    try:
        place = open_place(path)
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, before 3.13
        raise ArtifactError(f"cannot read {path}: {error}") from error
    if place is not None:
        raise ArtifactError(
            f"anybody on this machine may write to {place}, and loading a model runs code: "
            f"chmod o-w {place}"
        )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _verified(path: Path, expected: str) -> bytes:
    content = _read(path)
    digest = _sha256(content)
    if digest != expected:
        raise ArtifactError(
            f"{path} has sha256 {digest}, its manifest says {expected}: "
            "the file is damaged or belongs to another model"
        )
    return content


def _refuse_other_scores(folder: Path, scorer: Scorer, reference: Reference) -> None:
    """Golden examples must score here as they did where the model was trained.

    And scikit-learn must say the same of them as the compiled form that scores.
    """
    claims = [golden.claim for golden in reference.golden]
    if not agrees(scorer.compiled, scorer.pipeline["classify"], scorer.codes(claims)):
        raise ArtifactError(
            f"{folder}: the compiled model does not score its golden examples as scikit-learn does"
        )
    found = scorer.score(claims)
    expected = np.array([golden.probability for golden in reference.golden])
    off = np.abs(found - expected)
    if not (off <= GOLDEN_TOLERANCE).all():
        worst = int(off.argmax())
        raise ArtifactError(
            f"{folder}: {reference.golden[worst].claim.claim_id} scores {found[worst]!r} here and "
            f"{expected[worst]!r} in training: this installation computes something else"
        )


def _read(path: Path) -> bytes:
    try:
        return read(path)
    except FileError as error:
        raise ArtifactError(f"cannot read {path}: {error}") from error


def _refuse_other_versions(folder: Path, made_with: Versions) -> None:
    """scikit-learn promises nothing for a model unpickled in another minor release."""
    here = Versions.current()
    if _minor(made_with.scikit_learn) != _minor(here.scikit_learn):
        raise ArtifactError(
            f"{folder} was made with scikit-learn {made_with.scikit_learn}, "
            f"{here.scikit_learn} is installed: train again, or install the former"
        )
    if made_with.claim_schema != here.claim_schema:
        raise ArtifactError(
            f"{folder} was made for Claim version {made_with.claim_schema}, "
            f"this release has version {here.claim_schema}: train again"
        )


def _minor(version: str) -> tuple[str, ...]:
    return tuple(version.split(".")[:2])
