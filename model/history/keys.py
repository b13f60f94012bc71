"""Keyed hashes of the entities of claims: what history is stored and looked up by.

A plain hash of a telephone number is broken in minutes by trying all numbers. A keyed one cannot be
broken without the key, so the key is a separate file that is never stored with what is remembered;
only its fingerprint is.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import repeat
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, NamedTuple

from model.files.trusted import FileError, read_trusted
from model.history.plan import kinds_in
from schemas.contract.model import Contract
from schemas.entities.declared import Entity
from schemas.entities.normal import normaliser

SECRET_BYTES: Final = 32
HASH_BYTES: Final = 16
"""Among 2**64 names, two are expected to share a hash."""
POLICY: Final = ""
"""In place of a kind, for the policy of a claim; no entity's kind is empty."""

KEPT_NAMES: Final = 16_384
"""For each field that names businesses, as they recur in many claims."""

Hash = bytes
Hasher = Callable[[str], Hash]


class SecretError(ValueError):
    """A key cannot be used; the message names its file and says how to make one."""


class ClaimKeys(NamedTuple):
    """What a claim is remembered by."""

    policy: Hash | None
    """Of the ``key`` of the contract's event."""
    entities: tuple[tuple[int, Hash], ...]
    """The number of the kind, in the order of `kinds_in`, and the hash; no pair twice."""


def read_secret(path: Path) -> bytes:
    """The key in a file: 32 random bytes in base64, on one line.

    Raises:
        SecretError: it cannot be read, anyone may write to it, or it contains something else.
    """
    try:
        content = read_trusted(path)
    except FileError as error:
        raise SecretError(f"{path}: {error}") from error
    try:
        found = base64.b64decode(content.strip(), validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if len(found) != SECRET_BYTES:
        raise SecretError(
            f"{path} must contain {SECRET_BYTES} random bytes in base64: "
            f"openssl rand -base64 {SECRET_BYTES} > {path}"
        )
    return found


def fingerprint(secret: bytes) -> str:
    """Tells keys apart without giving one away: 16 hex digits."""
    return hashlib.blake2b(b"fingerprint", key=secret, digest_size=8, person=b"history").hexdigest()


def hasher(secret: bytes, kind: str) -> Hasher:
    """The keyed hash (BLAKE2b as a MAC, RFC 7693) of the normal forms of one kind.

    The same name under another kind has another hash.
    """
    copy = hashlib.blake2b(
        kind.encode() + b"\0", key=secret, digest_size=HASH_BYTES, person=b"history"
    ).copy

    def hashed(normal: str) -> Hash:
        one = copy()
        one.update(normal.encode())
        return one.digest()

    return hashed


_Key = tuple[int, Hash]
"""The number of a kind, and the hash of a name."""


def _keys_of(entity: Entity, number: int, hashed: Hasher) -> Callable[[str], _Key | None]:
    """The key of what a field states; None if it names nobody."""
    normal = normaliser(entity)

    def named(stated: str) -> _Key | None:
        text = normal(stated)
        return None if text is None else (number, hashed(text))

    return lru_cache(KEPT_NAMES)(named) if entity.like == "business" else named


class KeyMaker:
    """Makes the keys of claims.

    Args:
        contract: what the claims are.
        secret: `SECRET_BYTES` bytes, as `read_secret` gives them.
    """

    def __init__(self, contract: Contract, secret: bytes) -> None:
        if len(secret) != SECRET_BYTES:
            raise SecretError(f"a key has {SECRET_BYTES} bytes; got {len(secret)}")
        numbers = {kind.kind: number for number, kind in enumerate(kinds_in(contract))}
        hashers = {kind: hasher(secret, kind) for kind in numbers}
        self._fields = [
            (attrgetter(name), _keys_of(entity, numbers[entity.kind], hashers[entity.kind]))
            for name, entity in contract.entities.items()
        ]
        self._key = None if contract.event.key is None else attrgetter(contract.event.key)
        self._policy = hasher(secret, POLICY)

    def keys(self, claim: Any) -> ClaimKeys:
        """The keys of one claim; what is missing or names nobody has none."""
        (found,) = self.all_keys([claim])
        return found

    def all_keys(self, claims: Sequence[Any]) -> list[ClaimKeys]:
        """The keys of each claim; field by field, as this is the hot path."""
        columns = [
            [None if stated is None else key_of(stated) for stated in map(read, claims)]
            for read, key_of in self._fields
        ]
        named = zip(*columns, strict=True) if columns else repeat((), len(claims))
        read, hashed = self._key, self._policy
        policies: Iterable[Hash | None] = repeat(None, len(claims))
        if read is not None:
            policies = [None if key is None else hashed(key) for key in map(read, claims)]
        return [
            ClaimKeys(policy, tuple(dict.fromkeys(filter(None, row))))
            for policy, row in zip(policies, named, strict=True)
        ]
