"""Artifacts: a folder with ``model.joblib`` and ``manifest.json``.

Unpickling runs code, so the model's bytes are read once, their digest is compared with the
manifest's, and only those very bytes are unpickled. The digest finds a damaged or mixed-up
file; it does not vouch for a folder that somebody else may write to: only load what you trust.
"""

import contextlib
import hashlib
import io
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import joblib
import msgspec

from model.manifest import FORMAT_VERSION, Manifest, Versions
from model.scorer import Scorer

MODEL_FILE: Final = "model.joblib"
MANIFEST_FILE: Final = "manifest.json"


class ArtifactError(Exception):
    """An artifact cannot be used; the message says why and what to do."""


def dump(pipeline: Any) -> tuple[bytes, str]:
    """The pipeline as bytes, and their sha256."""
    buffer = io.BytesIO()
    joblib.dump(pipeline, buffer)
    content = buffer.getvalue()
    return content, hashlib.sha256(content).hexdigest()


def save(folder: Path, model: bytes, manifest: Manifest) -> None:
    """Write an artifact: complete or not at all. One that is there already is replaced.

    Raises:
        ArtifactError: `folder` exists and is no artifact, or the manifest is of other bytes.
    """
    if hashlib.sha256(model).hexdigest() != manifest.sha256:
        raise ArtifactError("the manifest's sha256 is not that of the model")
    if folder.exists() and not (folder / MANIFEST_FILE).is_file():
        raise ArtifactError(f"{folder} exists and is not an artifact: not overwriting it")
    with _written_aside(folder) as aside:
        (aside / MODEL_FILE).write_bytes(model)
        encoded = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
        (aside / MANIFEST_FILE).write_bytes(encoded + b"\n")


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
    content = _read(folder / MANIFEST_FILE)
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except msgspec.DecodeError as error:
        raise ArtifactError(f"{folder / MANIFEST_FILE} is not a manifest: {error}") from error
    if manifest.format_version != FORMAT_VERSION:
        raise ArtifactError(
            f"{folder} has artifact format {manifest.format_version}, "
            f"this release reads {FORMAT_VERSION}: train again"
        )
    return manifest


def load(path: str | Path) -> Scorer:
    """Read an artifact and make it ready to score.

    Raises:
        ArtifactError: it is missing, damaged, or made for other versions; nothing was unpickled
            before the digest and the versions were found right.
    """
    folder = Path(path)
    manifest = read_manifest(folder)
    _refuse_other_versions(folder, manifest.versions)
    model = _read(folder / MODEL_FILE)
    digest = hashlib.sha256(model).hexdigest()
    if digest != manifest.sha256:
        raise ArtifactError(
            f"{folder / MODEL_FILE} has sha256 {digest}, its manifest says {manifest.sha256}: "
            "the file is damaged or belongs to another model"
        )
    return Scorer(
        joblib.load(io.BytesIO(model)),
        name=manifest.name,
        version=manifest.version,
        sha256=manifest.sha256,
        threshold=manifest.threshold,
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"cannot read {path}: {error.strerror}") from error


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
