"""DEAD_LETTER_VALUE: how much of the refused value a dead letter's record keeps."""

from collections.abc import Callable

from consumer.batch.decode import is_structured
from consumer.batch.edges import Seal, as_it_is
from consumer.batch.records import Record
from consumer.dead_letters.binding import place_of
from consumer.dead_letters.encryption import key_name, read_keys
from consumer.dead_letters.redaction import redacted
from consumer.errors import KafkaStoppedError, UnopenedError
from consumer.settings.settings import Settings
from schemas.dead_letter import GONE, VALUE_HEADER, DeadLetter, Form
from schemas.decoding.decoder import ClaimDecoder

Opener = Callable[[Record, DeadLetter], bytes | None]
"""Returns the refused value, given the record of a dead letter and what it says."""


def make_seal(settings: Settings) -> Seal:
    """The seal that DEAD_LETTER_VALUE requires.

    Raises:
        SettingsError: the key cannot be read.
    """
    if settings.dead_letter_value is Form.REDACTED:
        return _redact
    if settings.dead_letter_value is Form.ORIGINAL:
        return as_it_is
    assert settings.dead_letter_key_file is not None  # the settings have been checked together
    keys = read_keys(settings.dead_letter_key_file)

    def encrypt(record: Record, _: ClaimDecoder) -> Record:
        if not record.value:
            return record
        # The head of a cut value must not pass for a claim, so it stays bound to that form.
        is_cut = DeadLetter.from_headers(record.headers or ()).value is Form.CUT
        sealed = keys.seal(record, Form.CUT if is_cut else Form.ENCRYPTED)
        return _with(record, sealed, Form.ENCRYPTED)

    return encrypt


def make_opener(settings: Settings) -> Opener:
    """An opener for a redrive, with the keys of DEAD_LETTER_KEY_FILE if there are any.

    The opener raises `UnopenedError` or `KafkaStoppedError` if a value cannot be opened.

    Raises:
        SettingsError: the key cannot be read.
    """
    file = settings.dead_letter_key_file
    keys = read_keys(file) if file else None

    def opened(record: Record, letter: DeadLetter) -> bytes | None:
        value = record.value
        if letter.value is Form.ORIGINAL or value is None:
            return value
        if letter.value in GONE:
            raise KafkaStoppedError(f"the dead letter of {place_of(letter)} is {letter.value}")
        if keys is None:
            raise UnopenedError(
                f"DEAD_LETTER_KEY_FILE is not set: the dead letter of {place_of(letter)} is "
                f"encrypted with the key {key_name(value)}…"
            )
        return keys.open(record, letter)

    return opened


def _redact(record: Record, decoder: ClaimDecoder) -> Record:
    if not record.value:
        return record
    structured = is_structured(record.headers or ())
    return _with(record, redacted(record.value, decoder, structured=structured), Form.REDACTED)


def _with(record: Record, value: bytes, form: Form) -> Record:
    headers = [(name, held) for name, held in record.headers or () if name != VALUE_HEADER]
    return Record(record.key, value, [*headers, (VALUE_HEADER, form.value)])
