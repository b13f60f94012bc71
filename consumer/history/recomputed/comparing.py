"""What alerts say was known when their claims came in, beside what the log says. Pure."""

import enum
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import asdict

from consumer.batch.recalled import VERSION, Recalled, entity_histories
from consumer.history.recomputed.alerts import StatedHistory
from consumer.memory.facts.entries import KeptClaim, keys_in
from model.history.features import COMMON, ClaimHistory
from model.history.plan import EntityKind
from model.history.store import EntityKey
from schemas.alert import EntityHistory


class HistoryVerdict(enum.StrEnum):
    """What became of the comparison of one alert with the log."""

    EQUAL = "equal"
    FEWER = "fewer"
    """It did not know yet what came into the log around the time it was scored, or later."""
    WRONG = "wrong"
    GONE = "gone"
    """Its claim is not in the log any more: it was forgotten."""


HistoryByKind = Mapping[str, EntityHistory]
"""What was known, by kind of entity."""


class KnownHistory(NamedTuple):
    """What is known about a claim's people and things."""

    histories: HistoryByKind
    common: frozenset[str]
    """Flags of kinds that are taken for placeholders."""


def stated(alert: StatedHistory) -> KnownHistory:
    """What an alert says."""
    flags = frozenset(flag for flag in alert.data_quality if flag.startswith(f"{COMMON}:"))
    return KnownHistory({one.entity: one for one in alert.history or ()}, flags)


def known(kinds: Sequence[EntityKind], history: ClaimHistory) -> KnownHistory:
    """What an alert with this history would say."""
    (found,) = entity_histories(Recalled(tuple(kinds), [history], [0], 0, lambda _: {}))
    return KnownHistory({one.entity: one for one in found}, frozenset(history.flags))


def keys_of(record: KeptClaim) -> list[EntityKey]:
    """Whom a claim names in one of its records."""
    return [(key[0], key[1:]) for key in keys_in(record.named)]


def as_of(alert: StatedHistory) -> int:
    """The moment as of which an alert states its history, in milliseconds."""
    assert alert.memory is not None
    return round(alert.memory.as_of.timestamp() * 1_000)


def differences(own: KnownHistory, log: KnownHistory) -> Iterator[str]:
    """Where an alert differs from the log, in words; nothing if all values are equal."""
    for kind in sorted({*own.histories, *log.histories}):
        said, found = own.histories.get(kind), log.histories.get(kind)
        if said is None or found is None:
            yield f"{kind}: {_present(said)} in the alert, {_present(found)} by the log"
            continue
        by_log = asdict(found)
        for name, value in asdict(said).items():
            if value != by_log[name]:
                yield f"{kind}: {name} is {value}, by the log {by_log[name]}"
    for flag in sorted(own.common ^ log.common):
        where = "the alert" if flag in own.common else "the log"
        yield f"{flag} only by {where}"


def _present(found: EntityHistory | None) -> str:
    return "no history" if found is None else "a history"


def of_another_version(alert: StatedHistory) -> bool:
    """Whether its history was computed by another function."""
    return alert.memory is None or alert.memory.version != VERSION
