"""Artifacts: a folder with a model, its reference, its contract and its manifest."""

import contextlib
import hashlib
import io
import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from model.artifact.manifest import FORMAT_VERSION, FORMER_VERSION, WITHOUT_CONTRACT, Manifest
from model.artifact.reference import Reference
from model.files.permissions import open_to_all
from model.files.trusted import MOST_BYTES, FileError, decode, read
from model.files.writing import write
from schemas.contract.errors import ContractError
from schemas.contract.model import Contract
from schemas.contract.parse import from_bytes, shipped

MODEL_FILE: Final = "model.joblib"
PLAIN_FILE: Final = "model.json"
"""The same model as plain data, from which it is scored without scikit-learn."""
PICKLE: Final = pickle.PROTO
"""How every pickle of protocol 2 or later begins."""
REFERENCE_FILE: Final = "reference.json"
CONTRACT_FILE: Final = "contract.json"
MANIFEST_FILE: Final = "manifest.json"
FILES: Final = (MODEL_FILE, PLAIN_FILE, REFERENCE_FILE, CONTRACT_FILE, MANIFEST_FILE)
"""What loading reads."""
MOST_MODEL_BYTES: Final = 1_000_000_000
"""Of a model file; those of the three families have about a thousandth."""


Verify = Callable[[Path, bytes], None]
"""Checks an artifact's folder and manifest bytes; raises `ArtifactError` to reject it."""


def anything(folder: Path, manifest: bytes) -> None:
    """Accept every artifact."""


class ArtifactError(Exception):
    """An artifact cannot be used; the message says why and what to do."""


class Contents(NamedTuple):
    """Contents of the files that a manifest describes."""

    model: bytes
    reference: bytes
    contract: bytes
    plain: bytes | None = None
    """None of an artifact that has only the pickle."""

    def digests(self) -> "Digests":
        """The sha256 of each."""
        return Digests(
            _sha256(self.model),
            _sha256(self.reference),
            _sha256(self.contract),
            None if self.plain is None else _sha256(self.plain),
        )


class Digests(NamedTuple):
    """sha256, hex, of an artifact's files."""

    model: str
    reference: str
    contract: str
    plain: str | None


def dump(pipeline: Any, reference: Reference, contract: Contract, plain: bytes) -> Contents:
    """A fitted pipeline, its reference and its contract as bytes, beside it as plain data."""
    return Contents(pickled(pipeline), msgspec.json.encode(reference), contract.to_json(), plain)


def pickled(pipeline: Any) -> bytes:
    """A fitted pipeline as the content of a model file."""
    import joblib  # noqa: PLC0415 - serving a model that is plain data needs none of it

    buffer = io.BytesIO()
    joblib.dump(pipeline, buffer)
    return buffer.getvalue()


def unpickled(model: bytes) -> Any:
    """The pipeline in a model file; unpickling runs code, and may raise anything.

    Raises:
        ValueError: it is packed, so nothing says how large it would be; `pickled` packs nothing.
    """
    import joblib  # noqa: PLC0415 - as above

    if not model.startswith(PICKLE):
        raise ValueError(f"{MODEL_FILE} is packed, or no pickle")
    return joblib.load(io.BytesIO(model))


def save(
    folder: Path,
    contents: Contents,
    manifest: Manifest,
    documents: Mapping[str, bytes] | None = None,
) -> None:
    """Write an artifact: completely or not at all. An existing one is replaced.

    `documents` are files for people, by name; loading does not read them.

    Raises:
        ArtifactError: `folder` exists and is not an artifact, or the manifest does not match.
    """
    if contents.digests() != _digests(manifest):
        raise ArtifactError("the manifest's digests do not match what it describes")
    refuse_foreign(folder)
    with _written_aside(folder) as aside:
        write(aside / MODEL_FILE, contents.model)
        if contents.plain is not None:
            write(aside / PLAIN_FILE, contents.plain)
        write(aside / REFERENCE_FILE, contents.reference)
        write(aside / CONTRACT_FILE, contents.contract)
        for name, content in (documents or {}).items():
            write(aside / name, content)
        encoded = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
        write(aside / MANIFEST_FILE, encoded + b"\n")


def refuse_foreign(folder: Path) -> None:
    """Check that an artifact may be written there.

    Raises:
        ArtifactError: `folder` exists and is not an artifact, or is a link to one.
    """
    if folder.is_symlink():
        raise ArtifactError(
            f"{folder} is a link to {folder.readlink()}; saving a new model here would break the "
            "link: save it in its own folder and promote it"
        )
    if folder.exists() and not (folder / MANIFEST_FILE).is_file():
        raise ArtifactError(f"{folder} exists and is not an artifact: not overwriting it")


@contextlib.contextmanager
def _written_aside(folder: Path) -> Iterator[Path]:
    """A new folder next to `folder` that replaces it if the block succeeds.

    Raises:
        ArtifactError: neither could be put there; the message names where both are kept.
    """
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
        # Whatever interrupts this line leaves everything in `work`, and nothing is lost.
        _put_back(work, folder)
        shutil.rmtree(work)


def _put_back(work: Path, folder: Path) -> None:
    """Undo the first of two renames if the second did not happen."""
    old = work / "old"
    if not old.exists() or folder.exists():
        return
    try:
        old.rename(folder)
    except OSError as error:
        raise ArtifactError(
            f"{folder} could not be replaced ({error}): the former model is {old}, the new one is "
            f"{work / 'new'}: move one of them to {folder}"
        ) from error


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an artifact.

    Raises:
        ArtifactError: it is missing, unreadable, or in a format this release does not know.
    """
    return described(folder)[1]


def is_meant_as_one(folder: Path) -> bool:
    """True if a folder contains a file of an artifact, or may contain one but cannot be read."""
    try:
        names = {path.name for path in folder.iterdir()}
    except PermissionError:
        return True
    return bool(names & {*FILES})


def described(folder: Path, version: int = FORMAT_VERSION) -> tuple[bytes, Manifest]:
    """The manifest as bytes and decoded.

    Args:
        folder: the artifact.
        version: of the artifact format that it must have.

    Raises:
        ArtifactError: as `read_manifest`.
    """
    content, manifest = _manifest(folder)
    if manifest.format_version != version:
        raise ArtifactError(_another_format(folder, manifest.format_version, version))
    return content, manifest


def format_of(folder: Path) -> int:
    """The artifact format that a folder has.

    Raises:
        ArtifactError: its manifest is missing or unreadable.
    """
    return _manifest(folder)[1].format_version


def _manifest(folder: Path) -> tuple[bytes, Manifest]:
    content = _read(folder / MANIFEST_FILE)
    try:
        return content, decode(content, Manifest)
    except FileError as error:
        raise ArtifactError(f"{folder / MANIFEST_FILE} is not a manifest: {error}") from error


def _another_format(folder: Path, found: int, expected: int) -> str:
    ways = dict.fromkeys(
        range(FORMER_VERSION, FORMAT_VERSION),
        f"python -m model migrate --model {folder} --output DIR saves it in this format",
    ) | {FORMAT_VERSION: "it needs no migration"}
    return (
        f"{folder} has artifact format {found}, and format {expected} is expected: "
        f"{ways.get(found, 'it was created by another release: retrain it')}"
    )


def verified(folder: Path, manifest: Manifest) -> Contents:
    """The contents that the manifest describes.

    Raises:
        ArtifactError: a file is missing, or not the one the manifest was written for.
    """
    plain = manifest.plain_sha256
    return Contents(
        _verified(folder / MODEL_FILE, manifest.sha256, MOST_MODEL_BYTES),
        _verified(folder / REFERENCE_FILE, manifest.reference_sha256),
        _contract(folder, manifest),
        None if plain is None else _verified(folder / PLAIN_FILE, plain, MOST_MODEL_BYTES),
    )


def _contract(folder: Path, manifest: Manifest) -> bytes:
    if manifest.format_version <= WITHOUT_CONTRACT:
        return shipped("auto").to_json()
    return _verified(folder / CONTRACT_FILE, manifest.contract_sha256)


def read_contract(folder: Path, manifest: Manifest) -> Contract:
    """The contract that the manifest describes.

    Raises:
        ArtifactError: it is missing, or not the one the manifest was written for.
    """
    return contract_of(folder, _contract(folder, manifest))


def contract_of(folder: Path, content: bytes) -> Contract:
    """The contract in a file of an artifact.

    Raises:
        ArtifactError: it is none.
    """
    try:
        return from_bytes(content, CONTRACT_FILE)
    except ContractError as error:
        raise ArtifactError(f"{folder / CONTRACT_FILE} is not a contract: {error}") from error


def _digests(manifest: Manifest) -> Digests:
    return Digests(
        manifest.sha256,
        manifest.reference_sha256,
        manifest.contract_sha256,
        manifest.plain_sha256,
    )


def open_place(path: Path) -> Path | None:
    """The first world-writable path among those that determine what is loaded."""
    return open_to_all(path, FILES)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _verified(path: Path, expected: str, most: int = MOST_BYTES) -> bytes:
    content = _read(path, most)
    digest = _sha256(content)
    if digest != expected:
        raise ArtifactError(
            f"{path} has sha256 {digest}, its manifest says {expected}: "
            "the file is damaged or belongs to another model"
        )
    return content


def _read(path: Path, most: int = MOST_BYTES) -> bytes:
    try:
        return read(path, most)
    except FileError as error:
        raise ArtifactError(f"cannot read {path}: {error}") from error
