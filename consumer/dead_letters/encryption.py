"""Encrypted values of dead letters.

AES-256-GCM (NIST SP 800-38D) with a fresh 96-bit nonce and the place of the refused record as
associated data, so that no value can be moved to another dead letter: 1 byte version, 4 bytes of
the key's sha256, 12 bytes nonce, ciphertext with its tag. Ciphertext cannot be compressed in
transit, so a value that is too large for a claim is compressed first (version 2).
"""

import base64
import binascii
import hashlib
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from consumer.batch.decode import MAX_CLAIM_BYTES
from consumer.errors import SettingsError, UnopenedError
from model.files.trusted import FileError, read_trusted
from schemas.dead_letter import DeadLetter

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION: Final = b"\x01"
COMPRESSED: Final = b"\x02"
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
_HEAD: Final = len(VERSION) + 4
INSTALL: Final = "pip install --require-hashes -r requirements/runtime.lock"


class Keys:
    """Keys by their ids; the first one seals, any of them opens."""

    def __init__(self, keys: list[bytes]) -> None:
        cipher = _cipher()
        self._ciphers: dict[bytes, AESGCM] = {_id(key): cipher(key) for key in keys}
        self._first = _id(keys[0])

    def seal(self, value: bytes, letter: DeadLetter) -> bytes:
        """The encrypted value: 33 bytes longer; compressed if it is too large for a claim."""
        nonce = os.urandom(NONCE_BYTES)
        version = COMPRESSED if len(value) > MAX_CLAIM_BYTES else VERSION
        if version == COMPRESSED:
            value = zlib.compress(value)
        sealed = self._ciphers[self._first].encrypt(nonce, value, _bound_to(version, letter))
        return version + self._first + nonce + sealed

    def open(self, sealed: bytes, letter: DeadLetter) -> bytes:
        """The original value.

        Raises:
            UnopenedError: none of the keys sealed it, it was changed, or it does not belong to this
                dead letter.
        """
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - optional

        cipher = self._ciphers.get(sealed[len(VERSION) : _HEAD])
        if cipher is None:
            raise UnopenedError(
                f"DEAD_LETTER_KEY_FILE does not contain the key {key_name(sealed)}… with which the "
                f"dead letter of {place_of(letter)} is encrypted"
            )
        nonce, text = sealed[_HEAD:][:NONCE_BYTES], sealed[_HEAD + NONCE_BYTES :]
        version = sealed[: len(VERSION)]
        try:
            value = cipher.decrypt(nonce, text, _bound_to(version, letter))
            return zlib.decompress(value) if version == COMPRESSED else value
        except (InvalidTag, ValueError) as error:  # ValueError: no room for a nonce
            raise UnopenedError(
                f"the dead letter of {place_of(letter)} was changed, or belongs to another record"
            ) from error


def read_keys(file: Path) -> Keys:
    """The keys in DEAD_LETTER_KEY_FILE, one per line.

    Raises:
        SettingsError: the file cannot be read, anyone can replace it, or a line is not a key;
            the message contains no key.
    """
    try:
        lines = read_trusted(file).decode("ascii").split()
        keys = [base64.b64decode(line, validate=True) for line in lines]
    except FileError as error:
        raise SettingsError(f"DEAD_LETTER_KEY_FILE={file} cannot be read: {error}") from error
    except UnicodeDecodeError:
        raise SettingsError(f"DEAD_LETTER_KEY_FILE={file} cannot be read: not ASCII") from None
    except binascii.Error:
        keys = []
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        raise SettingsError(
            f"DEAD_LETTER_KEY_FILE={file} must contain {KEY_BYTES} random bytes in base64, one key "
            f"per line: openssl rand -base64 {KEY_BYTES}"
        )
    return Keys(keys)


def is_compressed(sealed: bytes) -> bool:
    """True if an encrypted value is larger than a claim may be."""
    return sealed[: len(VERSION)] == COMPRESSED


def _bound_to(version: bytes, letter: DeadLetter) -> bytes:
    """Associated data; in the first version it does not include the version."""
    return (version if version == COMPRESSED else b"") + place_of(letter).encode()


def place_of(letter: DeadLetter) -> str:
    """The place of the refused record."""
    return f"{letter.topic}[{letter.partition}]@{letter.offset}"


def key_name(sealed: bytes) -> str:
    """The key that an encrypted value names: the start of the key's sha256."""
    return sealed[len(VERSION) : _HEAD].hex()


def _id(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()[:4]


def _cipher() -> "type[AESGCM]":
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - optional
    except ImportError as error:
        raise SettingsError(f"DEAD_LETTER_KEY_FILE needs cryptography: {INSTALL}") from error
    return AESGCM
