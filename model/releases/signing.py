"""A detached signature of an artifact's manifest, which contains the digests of what is loaded.

``manifest.sig`` next to ``manifest.json``: 64 bytes, Ed25519 (RFC 8032) over the manifest's bytes
as they are, so that OpenSSL can create and verify it too. It shows who vouches for a model, not
that the model is the newest: an older signed one may be put back.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from model.artifact.store import MANIFEST_FILE, ArtifactError, Verify, described, verified
from model.files.trusted import FileError, read, read_trusted
from model.files.writing import write

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

SIGNATURE_FILE: Final = "manifest.sig"
INSTALL: Final = "pip install --require-hashes -r requirements/runtime.lock"
Key = TypeVar("Key")


class KeyFileError(Exception):
    """A key cannot be used; the message names its file."""


def private_key(file: Path) -> "Ed25519PrivateKey":
    """The key to sign with, from a PEM file without a password.

    Raises:
        KeyFileError: it cannot be read, or is not an Ed25519 private key.
    """
    ed25519, serialization = _cryptography()
    kind: type[Ed25519PrivateKey] = ed25519.Ed25519PrivateKey
    return _key(file, lambda pem: serialization.load_pem_private_key(pem, None), kind, "private")


def public_key(file: Path) -> "Ed25519PublicKey":
    """The key to check signatures with, from a PEM file.

    Raises:
        KeyFileError: it cannot be read, or is not an Ed25519 public key.
    """
    ed25519, serialization = _cryptography()
    kind: type[Ed25519PublicKey] = ed25519.Ed25519PublicKey
    return _key(file, serialization.load_pem_public_key, kind, "public")


def sign(folder: Path, key: "Ed25519PrivateKey") -> Path:
    """Write an artifact's signature; an existing one is replaced.

    Returns:
        The file written.

    Raises:
        ArtifactError: the artifact is incomplete or damaged. Nothing of it is unpickled.
    """
    content, manifest = described(folder)
    verified(folder, manifest)
    written = folder / SIGNATURE_FILE
    aside = written.with_suffix(".new")
    write(aside, key.sign(content))
    aside.replace(written)
    return written


def signed_by(key: "Ed25519PublicKey") -> Verify:
    """The check that accepts only models with this key's signature; see `Verify`."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - as below

    def verify(folder: Path, manifest: bytes) -> None:
        file = folder / SIGNATURE_FILE
        if not file.exists():
            raise ArtifactError(
                f"{folder} is not signed; it has no {SIGNATURE_FILE}: "
                f"python -m model sign --model {folder} --key FILE"
            )
        try:
            key.verify(read(file), manifest)
        except FileError as error:
            raise ArtifactError(f"cannot read {file}: {error}") from error
        except InvalidSignature:
            raise ArtifactError(
                f"{file} is not a valid signature of {folder / MANIFEST_FILE}: "
                "the manifest was changed, or it was signed with another key"
            ) from None

    return verify


def _key(file: Path, parse: Callable[[bytes], Any], kind: type[Key], word: str) -> Key:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - as below

    try:
        found = parse(read_trusted(file))
    except FileError as error:
        raise KeyFileError(f"cannot use {file}: {error}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError: it has a password
        raise KeyFileError(f"{file} is not a {word} key in PEM format: {error}") from error
    if not isinstance(found, kind):
        raise KeyFileError(f"{file} contains {type(found).__name__}, not an Ed25519 {word} key")
    return found


def _cryptography() -> tuple[Any, Any]:
    """The parts of an optional library that are needed only for signing and verifying."""
    try:
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415
    except ImportError as error:
        raise KeyFileError(f"signatures need cryptography: {INSTALL}") from error
    return ed25519, serialization
