"""Who makes synthetic motor claims: households, garages, and rings that move on after months.

A ring is a few people who make claims on many policies, with some telephones, some accounts and one
garage in common, for some months; most of its claims look like any other. Its garage, and now and
then a telephone or an account, serve honest people as well.

These figures were written down before any history feature was tried on them. One was corrected
after the first look, against history: at first there were .6 policies a claim, so that three honest
claims in four were on a policy with an earlier one, which no motor book has, and that alone told
rings apart. Nothing was changed since, and nothing here comes from real claims.
"""

from typing import Final, Literal, NamedTuple

import numpy as np

from model.arrays import Flags, Indices
from model.samples.draws import DAYS, FIRST_DAY, Texts, busy

Links = Literal["rings", "random"]
"""Random: each telephone, account and garage stands in as many claims as with rings, but in any."""

GARAGES: Final = 300
POLICIES_PER_CLAIM: Final = 4.0
"""Policies of honest people: over three years, a claim on each in twelve a year."""
HOUSEHOLD: Final = 0.08
"""Share of the policies that have the telephone of another one."""
JOINT: Final = 0.05
"""The same of accounts."""
NO_PHONE: Final = 0.04
FILLED_IN: Final = 0.01
"""Share of the claims whose telephone is one that people write to get past the field."""
AT_HOME: Final = 0.6
"""Share of the telephone numbers that are written without the code of the country."""
IN_RINGS: Final = 0.03
"""Share of the claims that rings make."""
RING_CLAIMS: Final = (8, 25)
RING_DAYS: Final = (90, 270)
RING_PHONES: Final = (2, 4)
RING_ACCOUNTS: Final = (1, 3)
BY_RING_PHONE: Final = 0.75
"""Share of a ring's claims with one of its telephones."""
BY_RING_ACCOUNT: Final = 0.6
BY_RING_GARAGE: Final = 0.8
AGAIN: Final = 0.3
"""Share of a ring's claims on a policy that it used before."""


class People(NamedTuple):
    """What each claim says of people and things; each part has shape (n,)."""

    day: Indices
    """Of the loss, as ordinals, sorted."""
    ring: Indices
    """Number of the ring that makes the claim; -1 for none."""
    policy: Texts
    phone: Texts
    """None where it is not known."""
    account: Texts
    garage: Texts


def people(rng: np.random.Generator, n: int, links: Links) -> People:
    """Draw who makes n claims, in the order of their losses."""
    honest = max(1, int(POLICIES_PER_CLAIM * n))
    ring = np.full(n, -1)
    day = rng.integers(0, DAYS, n) + FIRST_DAY.toordinal()
    policy = rng.integers(0, honest, n)
    phone = _shared(rng, honest, HOUSEHOLD)[policy]
    account = _shared(rng, honest, JOINT)[policy]
    garage = busy(rng, n, GARAGES)
    taken, number, spare = 0, 0, honest
    while taken < IN_RINGS * n:
        size = min(int(rng.integers(*RING_CLAIMS)), n - taken)
        rows = np.arange(taken, taken + size)
        ring[rows] = number
        day[rows] = _days(rng, size)
        policy[rows] = spare + np.maximum.accumulate(
            np.where(rng.random(size) < AGAIN, 0, np.arange(size))
        )
        own = spare + np.arange(size)
        phone[rows] = _ring_has(rng, own, spare, size, RING_PHONES, BY_RING_PHONE)
        account[rows] = _ring_has(rng, own, spare, size, RING_ACCOUNTS, BY_RING_ACCOUNT)
        crooked = int(rng.integers(0, GARAGES))
        garage[rows] = np.where(rng.random(size) < BY_RING_GARAGE, crooked, garage[rows])
        taken, number, spare = taken + size, number + 1, spare + 2 * size
    order = np.argsort(day, kind="stable")
    found = People(
        day=day[order],
        ring=ring[order],
        policy=_named("MP-{:07}", policy[order], 7_919),
        phone=_phones(rng, phone[order]),
        account=_named("GB{:014}", account[order], 104_729),
        garage=_named("G-{:04}", garage[order], 1),
    )
    return found if links == "rings" else _at_random(rng, found)


def _shared(rng: np.random.Generator, count: int, share: float) -> Indices:
    """What each policy has: its own, or that of another one."""
    own = np.arange(count)
    return np.where(rng.random(count) < share, rng.integers(0, count, count), own)


def _days(rng: np.random.Generator, size: int) -> Indices:
    lasts = int(rng.integers(*RING_DAYS))
    start = int(rng.integers(-lasts // 2, DAYS - lasts // 2))
    days = rng.integers(start, start + lasts, size).clip(0, DAYS - 1)
    return np.sort(days) + FIRST_DAY.toordinal()


def _ring_has(
    rng: np.random.Generator,
    own: Indices,
    spare: int,
    size: int,
    how_many: tuple[int, int],
    share: float,
) -> Indices:
    """Numbers of a ring: some for all of it, and for the other claims their own."""
    common = spare + size + rng.integers(0, int(rng.integers(*how_many)), size)
    return np.where(rng.random(size) < share, common, own)


def _named(form: str, numbers: Indices, step: int) -> Texts:
    """Numbers as texts; those next to each other are not alike."""
    found = np.empty(len(numbers), dtype=object)
    found[:] = [form.format(n * step % 9_999_991) for n in numbers.tolist()]
    return found


def _phones(rng: np.random.Generator, numbers: Indices) -> Texts:
    """Telephone numbers, written in one way or another."""
    plain = [f"7{700 + n * 7_919 % 300:03}{n * 104_729 % 1_000_003:06}" for n in numbers.tolist()]
    written_at_home: Flags = rng.random(len(plain)) < AT_HOME
    found = np.empty(len(plain), dtype=object)
    found[:] = [
        f"0{text[:4]} {text[4:]}" if local else f"+44 {text[:4]} {text[4:7]} {text[7:]}"
        for text, local in zip(plain, written_at_home.tolist(), strict=True)
    ]
    empty: Flags = rng.random(len(plain)) < NO_PHONE
    filled: Flags = rng.random(len(plain)) < FILLED_IN
    found[filled] = rng.choice(["0000000000", "unknown", "07700 000000"], int(filled.sum()))
    found[empty] = None
    return found


def _at_random(rng: np.random.Generator, found: People) -> People:
    """The same names, each in as many claims, but whose they are is chance."""
    return found._replace(
        policy=rng.permutation(found.policy),
        phone=rng.permutation(found.phone),
        account=rng.permutation(found.account),
        garage=rng.permutation(found.garage),
    )
