"""Properties of the Kafka client that would break an assumption of the product.

The client refuses most of them too, but names another property: the one behind an alias, or the
one that the product sets. These refusals name the variable that was set.
"""

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from consumer.errors import SettingsError

LARGEST: Final = 2_147_483_647
TRANSACTION_MS: Final = 15_000
"""How long a transaction may last if KAFKA_TRANSACTION_TIMEOUT_MS does not say."""
FORWARDED_MS: Final = 4_000
"""After this, API_FORWARD=claims gives up on a posted claim."""
LEAST_RECEIVED: Final = 1_000_512
"""The client fetches at least a million bytes at once, and a response is 512 bytes larger."""

_ACKNOWLEDGED: Final = (
    ("all", "-1"),
    "exactly-once and idempotence need the acknowledgement of all",
)
WORDS: Final = {
    "acks": _ACKNOWLEDGED,
    "request.required.acks": _ACKNOWLEDGED,
    "compression.type": (("none", "gzip", "snappy", "lz4", "zstd"), "the client has no other"),
}
"""Words that a property may be set to, and why; case is ignored."""
_TRIED_AGAIN: Final = (1, LARGEST, "an idempotent producer has to try again")
NUMBERS: Final = {
    "retries": _TRIED_AGAIN,
    "message.send.max.retries": _TRIED_AGAIN,
    "linger.ms": (0, 900_000, "milliseconds"),
    "delivery.timeout.ms": (0, LARGEST, "milliseconds"),
    "max.partition.fetch.bytes": (1, 1_000_000_000, "bytes"),
}
"""Minimum and maximum of a property, and why."""


class OrderedPair(NamedTuple):
    """Two properties, one of which must not exceed the other, with their defaults."""

    lower: str
    lower_default: int
    upper: str
    upper_default: int


BACKOFF: Final = OrderedPair("reconnect.backoff.ms", 250, "reconnect.backoff.max.ms", 5_000)
SESSION: Final = OrderedPair("session.timeout.ms", 15_000, "max.poll.interval.ms", 300_000)


def check_properties(found: Mapping[str, str], *, exactly_once: bool, forwards: bool) -> None:
    """Check what the environment says about the client.

    Args:
        found: values by property.
        exactly_once: whether a worker writes in transactions.
        forwards: whether `serve` produces posted claims.

    Raises:
        SettingsError: a property cannot be used; the message names its variable.
    """
    for prop, (words, why) in WORDS.items():
        _check_word(found, prop, words, why)
    for prop, (least, most, why) in NUMBERS.items():
        _check_number(found, prop, least, most, why)
    if "fetch.max.bytes" not in found:
        what = "bytes; a fetch has at least a million"
        _check_number(found, "receive.message.max.bytes", LEAST_RECEIVED, LARGEST, what)
    _check_order(found, BACKOFF)
    if found.get("group.protocol", "classic") == "classic":
        _check_order(found, SESSION)
    if exactly_once:
        _check_linger(
            found,
            _transaction_ms(found),
            "a transaction ends before (KAFKA_TRANSACTION_TIMEOUT_MS)",
        )
    if forwards:
        _check_linger(found, FORWARDED_MS, "API_FORWARD=claims gives a claim up before")


def variable(prop: str) -> str:
    """The variable that sets a property."""
    return "KAFKA_" + prop.upper().replace(".", "_")


def _check_word(found: Mapping[str, str], prop: str, words: Collection[str], why: str) -> None:
    value = found.get(prop)
    if value is not None and value.lower() not in words:
        allowed = ", ".join(words)
        raise SettingsError(f"{variable(prop)}={value!r} must be one of {allowed}: {why}")


def _check_number(found: Mapping[str, str], prop: str, least: int, most: int, why: str) -> None:
    if prop not in found:
        return
    value = _number(found[prop])
    if value is None or not least <= value <= most:
        raise SettingsError(
            f"{variable(prop)}={found[prop]!r} is not a number from {least} to {most}: {why}"
        )


def _check_order(found: Mapping[str, str], order: OrderedPair) -> None:
    lower = _number(found.get(order.lower, str(order.lower_default)))
    upper = _number(found.get(order.upper, str(order.upper_default)))
    if lower is None or upper is None or lower <= upper:
        return  # the client refuses what is not a number, by its name
    low, high = variable(order.lower), variable(order.upper)
    if order.lower in found:
        raise SettingsError(f"{low}={lower:g} exceeds {high}, which is {upper:g}")
    raise SettingsError(f"{high}={upper:g} is less than {low}, which is {lower:g}")


def _check_linger(found: Mapping[str, str], below_ms: float, why: str) -> None:
    value = _number(found.get("linger.ms", "0"))
    if value is not None and value >= below_ms:
        raise SettingsError(f"KAFKA_LINGER_MS={value:g} must be less than {below_ms:g}: {why}")


def _transaction_ms(found: Mapping[str, str]) -> float:
    value = _number(found.get("transaction.timeout.ms", ""))
    return TRANSACTION_MS if value is None else value


def _number(text: str) -> float | None:
    """None if it is not a number in plain digits."""
    bare = text.strip().removeprefix("+")
    digits = bare.removeprefix("-").replace(".", "", 1)
    return float(bare) if digits.isascii() and digits.isdecimal() else None
