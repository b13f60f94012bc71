"""What a dead letter's record keeps of the value it was refused with: DEAD_LETTER_VALUE."""

import hashlib
from collections.abc import Callable
from typing import Final

import msgspec

from consumer.decode import is_structured
from consumer.encryption import key_name, place_of, read_keys
from consumer.errors import KafkaStoppedError, SettingsError
from consumer.records import Record
from consumer.redaction import redacted
from consumer.settings import Settings
from schemas.dead_letter import GONE, VALUE_HEADER, DeadLetter, Form

HEAD_BYTES: Final = 1_000
"""What a dead letter that is cut keeps of the value, of the key and of the headers."""

Seal = Callable[[Record], Record]
"""What becomes of a dead letter's record before it is published."""

Opener = Callable[[bytes | None, DeadLetter], bytes | None]
"""Turns the value of a dead letter into the one that was refused."""


def as_it_is(record: Record) -> Record:
    """The seal of DEAD_LETTER_VALUE=original."""
    return record


def make_seal(settings: Settings) -> Seal:
    """What DEAD_LETTER_VALUE asks for.

    Raises:
        SettingsError: the key cannot be read.
    """
    if settings.dead_letter_value is Form.REDACTED:
        return _redact
    if settings.dead_letter_value is Form.ORIGINAL:
        return as_it_is
    assert settings.dead_letter_key_file is not None  # the settings have been checked together
    keys = read_keys(settings.dead_letter_key_file)

    def encrypt(record: Record) -> Record:
        if not record.value:
            return record
        letter = DeadLetter.from_headers(record.headers or ())
        return _with(record, keys.seal(record.value, letter), Form.ENCRYPTED)

    return encrypt


def make_opener(settings: Settings) -> Opener:
    """For a redrive, with the keys of DEAD_LETTER_KEY_FILE if there are any.

    What it returns raises `SettingsError` or `KafkaStoppedError` where that cannot be done.

    Raises:
        SettingsError: the key cannot be read.
    """
    file = settings.dead_letter_key_file
    keys = read_keys(file) if file else None

    def opened(value: bytes | None, letter: DeadLetter) -> bytes | None:
        if letter.value is Form.ORIGINAL or value is None:
            return value
        if letter.value in GONE:
            raise KafkaStoppedError(f"the dead letter of {place_of(letter)} is {letter.value}")
        if keys is None:
            raise SettingsError(
                f"DEAD_LETTER_KEY_FILE is not set: the dead letter of {place_of(letter)} is "
                f"encrypted with the key {key_name(value)}…"
            )
        return keys.open(value, letter)

    return opened


def cut(record: Record, seal: Seal) -> Record:
    """A dead letter that fits where it does not as a whole: the last resort.

    What is longer than `HEAD_BYTES` is cut to that: the key, and the value, of which sha256 and
    length are kept; the record's own headers are left out if they are longer together. So all of
    it is a few kilobytes at most. The head of a value is what the seal leaves of it.

    Args:
        record: the dead letter before it is sealed.
        seal: of DEAD_LETTER_VALUE.
    """
    letter = DeadLetter.from_headers(record.headers or ())
    own = list(record.headers or ())[: -len(letter.headers())]
    left = []
    if len(record.value or b"") > HEAD_BYTES:
        value = record.value or b""
        digest = hashlib.sha256(value).hexdigest()
        letter = msgspec.structs.replace(letter, sha256=digest, length=len(value))
        left.append(f"the first {HEAD_BYTES} of {len(value)} bytes of the value")
    if len(record.key or b"") > HEAD_BYTES:
        left.append(f"the first {HEAD_BYTES} of {len(record.key or b'')} bytes of the key")
    if sum(len(name.encode()) + len(value or b"") for name, value in own) > HEAD_BYTES:
        own = []
        left.append("none of its own headers")
    about = msgspec.structs.replace(
        letter, value=Form.CUT, message=f"{letter.message}; cut to fit the topic: {', '.join(left)}"
    )
    key = record.key and record.key[:HEAD_BYTES]
    return Record(key, _head(record, seal), [*own, *about.headers()])


def _head(record: Record, seal: Seal) -> bytes | None:
    """The beginning of a value; of one that is encrypted: its beginning, encrypted."""
    if not record.value:
        return record.value
    sealed = seal(Record(record.key, record.value[:HEAD_BYTES], record.headers))
    if (VALUE_HEADER, Form.ENCRYPTED.value) in (sealed.headers or ()):
        return sealed.value
    whole = seal(record).value or b""
    return whole[:HEAD_BYTES]


def _redact(record: Record) -> Record:
    if not record.value:
        return record
    structured = is_structured(record.headers or ())
    return _with(record, redacted(record.value, structured=structured), Form.REDACTED)


def _with(record: Record, value: bytes, form: Form) -> Record:
    headers = [(name, held) for name, held in record.headers or () if name != VALUE_HEADER]
    return Record(record.key, value, [*headers, (VALUE_HEADER, form.value)])
