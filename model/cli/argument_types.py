"""Types of command-line arguments: each raises a one-line message saying what is expected."""

import argparse
import datetime as dt
import math
from typing import Final

MOST: Final = 1_000_000_000
"""Largest count of rows, claims or records."""
MOST_SEED: Final = 2**32 - 1
"""The largest seed that numpy and scikit-learn accept."""


def number(text: str) -> float:
    """Any finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return value


def share(text: str) -> float:
    """A number between 0 and 1, excluding both."""
    value = number(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def probability(text: str) -> float:
    """A number from 0 to 1."""
    value = number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not a probability from 0 to 1")
    return value


def positive(text: str) -> float:
    """A number above 0."""
    value = number(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def rate(text: str) -> float:
    """A number from 0."""
    value = number(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return value


def whole(text: str) -> int:
    """A whole number from 1."""
    return _between(text, 1, MOST)


def from_zero(text: str) -> int:
    """A whole number from 0."""
    return _between(text, 0, MOST)


def seed(text: str) -> int:
    """The seed of a random generator."""
    return _between(text, 0, MOST_SEED)


def small(text: str) -> int:
    """A whole number of partitions or replicas that the Kafka client accepts."""
    return _between(text, 1, 10_000)


def _between(text: str, low: int, high: int) -> int:
    digits = text.isascii() and text.isdigit() and len(text) <= len(str(high))
    if not digits or not low <= int(text) <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high:,}")
    return int(text)


def day(text: str) -> dt.date:
    """A day as 1996-01-01."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day like 1996-01-01") from None


def moment(text: str) -> dt.datetime:
    """A moment as 2026-03-01T07:30 or 2026-03-01; UTC unless it names another zone."""
    try:
        value = dt.datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time like 2026-03-01T07:30 or 2026-03-01T07:30+02:00"
        ) from None
    return value if value.tzinfo else value.replace(tzinfo=dt.UTC)
