"""Encrypted values of dead letters.

AES-256-GCM (NIST SP 800-38D) with a fresh 96-bit nonce: 1 byte version, 4 bytes of the key's
sha256, 12 bytes nonce, ciphertext with its tag. Key and headers of the dead letter are associated
data (see `binding`), so that no part of it can be replaced or moved to another one. Versions 1 and
2, which earlier releases wrote, are bound to the place of the refused record only. Ciphertext
cannot be compressed in transit, so a value that is too large for a claim is compressed first
(versions 2 and 4).
"""

import base64
import binascii
import hashlib
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from consumer.batch.records import Record
from consumer.dead_letters.binding import bound_to, place_of
from consumer.errors import SettingsError, UnopenedError
from model.files.trusted import FileError, read_trusted
from schemas.dead_letter import DeadLetter, Form
from schemas.decoding.size import MAX_CLAIM_BYTES

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

OF_PLACE: Final = b"\x01"
OF_PLACE_COMPRESSED: Final = b"\x02"
VERSION: Final = b"\x03"
COMPRESSED: Final = b"\x04"
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
        self._first_cipher = self._ciphers[self._first]

    def seal(self, record: Record, form: Form) -> bytes:
        """The value of a dead letter, encrypted.

        It is 33 bytes longer, and compressed if it is too large for a claim.

        Args:
            record: the dead letter with the key and the headers that it is published with.
            form: what it is published as.
        """
        nonce, value = os.urandom(NONCE_BYTES), record.value or b""
        version = COMPRESSED if len(value) > MAX_CLAIM_BYTES else VERSION
        if version == COMPRESSED:
            value = zlib.compress(value)
        associated = version + bound_to(record, form)
        return version + self._first + nonce + self._first_cipher.encrypt(nonce, value, associated)

    def open(self, record: Record, letter: DeadLetter) -> bytes:
        """The original value of a dead letter's record.

        Raises:
            UnopenedError: none of the keys sealed it, it was changed, or it does not belong to this
                dead letter.
        """
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - optional

        sealed = record.value or b""
        cipher = self._ciphers.get(sealed[len(VERSION) : _HEAD])
        if cipher is None:
            raise UnopenedError(
                f"DEAD_LETTER_KEY_FILE does not contain the key {key_name(sealed)}… with which the "
                f"dead letter of {place_of(letter)} is encrypted"
            )
        if sealed[: len(VERSION)] > COMPRESSED:
            raise UnopenedError(
                f"the dead letter of {place_of(letter)} was encrypted by a newer release: redrive "
                "it with that one"
            )
        nonce, text = sealed[_HEAD:][:NONCE_BYTES], sealed[_HEAD + NONCE_BYTES :]
        try:
            value = cipher.decrypt(nonce, text, _associated(record, letter))
            return zlib.decompress(value) if is_compressed(sealed) else value
        except (InvalidTag, ValueError) as error:  # ValueError: no room for a nonce
            raise UnopenedError(
                f"the dead letter of {place_of(letter)} was changed (its value, key or headers), "
                "or its value belongs to another record"
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
    return sealed[: len(VERSION)] in {OF_PLACE_COMPRESSED, COMPRESSED}


def _associated(record: Record, letter: DeadLetter) -> bytes:
    """Associated data of a value, by its version; version 1 did not include the version."""
    version = (record.value or b"")[: len(VERSION)]
    if version == OF_PLACE:
        return place_of(letter).encode()
    if version == OF_PLACE_COMPRESSED:
        return version + place_of(letter).encode()
    return version + bound_to(record, letter.value)


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
