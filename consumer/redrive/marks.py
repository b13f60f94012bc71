"""Marks on what a redrive wrote: the dead letter it comes from, and proof that a redrive wrote it.

The next redrive reads them to find out what was sent (`consumer.intake.takeover`), in a topic that
others may write to. If anyone could make a mark, a sender of claims could cause dead letters of
others to be skipped. So a mark ends with a code that only redrives can compute (HMAC, RFC 2104):
their key is part of the receipts next to the committed offsets of their group. The code also covers
the record's content: a mark copied from an abandoned redrive is valid only for the very record that
it was meant to send.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from typing import Final

from consumer.batch.decode import headers_of
from consumer.batch.records import Message
from consumer.dead_letters.binding import joined
from consumer.kafka.receipts import Place, Receipt
from schemas.alert import Source
from schemas.dead_letter import REDRIVEN_HEADER, Header
from schemas.decoding.refusal import RefusedError

_CODE_BYTES: Final = 16


class Marks:
    """Makes and recognises marks. Uses a new key if there is no receipt of a redrive yet."""

    def __init__(self) -> None:
        self._keys: tuple[str, ...] = ()

    def learn(self, receipts: Iterable[str | None]) -> None:
        """Adopt the keys of earlier redrives from what they committed with their offsets."""
        found = map(Receipt.parse, receipts)
        known = {receipt.key for receipt in found if receipt is not None and receipt.key}
        self._keys = tuple(sorted(known)) or self._keys

    @property
    def key(self) -> str:
        """The key for this redrive's receipts: that of earlier ones, so their marks stay valid."""
        self._keys = self._keys or (secrets.token_hex(16),)
        return self._keys[0]

    def header(self, letter: Source, key: bytes | None, value: bytes | None) -> Header:
        """The mark for the record, with this key and value, that results from this dead letter."""
        place = f"{letter.topic}-{letter.partition}-{letter.offset}"
        return REDRIVEN_HEADER, f"{place}-{_code(self.key, place, key, value)}"

    def origin(self, message: Message) -> tuple[Place, int] | None:
        """The dead letter that a record comes from; None if no redrive wrote it."""
        try:
            found = dict(headers_of(message)).get(REDRIVEN_HEADER)
            text = found.decode() if isinstance(found, bytes) else found or ""
            place, code = text.rsplit("-", 1)
            topic, partition, offset = place.rsplit("-", 2)
            letter = (topic, int(partition)), int(offset)
        except (RefusedError, ValueError):  # written by someone else
            return None
        codes = [_code(key, place, message.key(), message.value()) for key in self._keys]
        real = any(hmac.compare_digest(code.encode(), one.encode()) for one in codes)
        return letter if real else None


def _code(secret: str, place: str, key: bytes | None, value: bytes | None) -> str:
    content = joined((place.encode(), key, value))
    return hmac.digest(bytes.fromhex(secret), content, hashlib.sha256)[:_CODE_BYTES].hex()
