"""Turns claims into log records, and log records into facts. Pure."""

import datetime as dt
from collections.abc import Sequence
from functools import partial
from operator import attrgetter
from typing import Any, Final, NamedTuple

from consumer.batch.records import Message, Record, coordinates
from consumer.errors import SettingsError
from consumer.memory.pending import Claimed
from consumer.memory.view import LogFact
from model.history.facts import ClaimFact, claim_ref, start_of_day
from model.history.keys import ClaimKeys, KeyMaker, fingerprint
from model.history.plan import kinds_in
from schemas.alert import Source
from schemas.contract.model import Contract
from schemas.memory import (
    FactKind,
    Naming,
    RememberedClaim,
    RememberedFinding,
    encoded,
    fact_key,
    read_fact,
    read_key,
)

_NO_TIME: Final = 0


class Noted(NamedTuple):
    """What a batch of claims adds to the log."""

    records: list[Record]
    claimed: list[Claimed]


class NoFactError(ValueError):
    """Not a record that this release writes; the message says why."""


def known_at(message: Message, now: dt.datetime) -> int:
    """When a claim came in, in milliseconds since 1970.

    That is the timestamp of its record, or now if it has none or one in the future, which would
    hide its fact until then.
    """
    _, stated = message.timestamp()
    present = int(now.timestamp() * 1_000)
    return stated if _NO_TIME < stated < present else present


def claim_fact(said: RememberedClaim) -> ClaimFact:
    """The fact in a log record, dated to the day, as histories use it."""
    return ClaimFact(
        claim=claim_ref(said.claim_id),
        known_at=start_of_day(said.known_at),
        policy=said.policy,
        day=None if said.day is None else said.day.toordinal(),
        amount=said.amount,
    )


class NoteTaker:
    """Makes the keys and records that a contract's claims are remembered by.

    Args:
        contract: of the claims.
        secret: key of the hashes, as returned by `model.history.keys.read_secret`.
    """

    def __init__(self, contract: Contract, secret: bytes) -> None:
        self._event = contract.event
        self._keys = KeyMaker(contract, secret)
        self._kinds = [kind.kind for kind in kinds_in(contract)]
        self._fingerprint = fingerprint(secret)

    def keys(self, claims: Sequence[Any]) -> list[ClaimKeys]:
        """The keys of each claim."""
        return self._keys.all_keys(claims)

    def note(
        self,
        claims: Sequence[Any],
        keys: Sequence[ClaimKeys],
        sources: Sequence[Source],
        moments: Sequence[int],
    ) -> Noted:
        """The records of some claims, and their facts as the view will have them.

        Args:
            claims: of the contract.
            keys: of each claim.
            sources: the record that each came in.
            moments: when each came in; see `known_at`.
        """
        noted = Noted([], [])
        event, kinds = self._event, self._kinds
        ids: list[str] = [getattr(claim, event.id) for claim in claims]
        days = _values(claims, event.occurred)
        amounts = _values(claims, event.amount)
        rows = zip(ids, days, amounts, keys, sources, moments, strict=True)
        for claim_id, day, amount, (policy, entities), source, moment in rows:
            said = RememberedClaim(
                claim_id=claim_id,
                known_at=moment,
                key=self._fingerprint,
                entities=tuple([_naming((kinds[kind], name)) for kind, name in entities]),
                policy=policy,
                day=day,
                amount=None if amount is None else float(amount),
            )
            record_key = fact_key(FactKind.CLAIM, claim_id, source)
            noted.records.append(_record((record_key, encoded(said), None, 0)))
            noted.claimed.append(_claimed((record_key, claim_fact(said), entities)))
        return noted


# A NamedTuple's constructor is a Python function; these are its equivalents in C.
_naming: Final = partial(tuple.__new__, Naming)
_record: Final = partial(tuple.__new__, Record)
_claimed: Final = partial(tuple.__new__, Claimed)
_log_fact: Final = partial(tuple.__new__, LogFact)


def _values(claims: Sequence[Any], name: str | None) -> Sequence[Any]:
    return [None] * len(claims) if name is None else list(map(attrgetter(name), claims))


def finding_record(claim_id: str, moment: int, source: Source, *, fraud: bool) -> Record:
    """The record of what was found about a claim.

    Args:
        claim_id: of the claim.
        moment: when the finding arrived, in milliseconds since 1970.
        source: the record that it came in.
        fraud: what was found.
    """
    said = RememberedFinding(claim_id=claim_id, known_at=moment, fraud=fraud)
    return Record(fact_key(FactKind.FINDING, claim_id, source), encoded(said), None)


def check_key(found: LogFact, fingerprint: str, message: Message) -> None:
    """Check that a record was hashed with the configured key.

    Args:
        found: what the record says.
        fingerprint: of the key.
        message: the record.

    Raises:
        SettingsError: it was not.
    """
    said = found.fact
    if isinstance(said, RememberedClaim) and said.key != fingerprint:
        place = coordinates(message)
        raise SettingsError(
            f"{place.topic}[{place.partition}]@{place.offset} was hashed with another key "
            f"(fingerprint {said.key}) than that in MEMORY_KEY_FILE ({fingerprint}): with this one "
            "nobody in it would be found again. Use the key that the topic was begun with"
        )


def log_fact(key: bytes | None, value: bytes | None) -> LogFact:
    """What a log record says.

    Raises:
        NoFactError: it is not a record that this release writes.
        msgspec.MsgspecError, UnicodeDecodeError, RecursionError: see `schemas.unreadable`.
    """
    place = read_key(key)
    if value is None:
        return LogFact(place, None)
    fact = read_fact(value)
    is_claim = isinstance(fact, RememberedClaim)
    if is_claim is not (place[0] is FactKind.CLAIM) or fact.claim_id != place[1]:
        raise NoFactError("its key is that of another fact")
    return _log_fact((place, fact))
