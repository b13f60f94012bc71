"""Claims that name a person or a thing, for people and for programs. Pure."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from consumer.history.access.gather import Namings, names
from consumer.memory.view import LogFact
from model.history.facts import start_of_day
from model.reports.table import TextTable
from schemas.memory import RememberedClaim, RememberedFinding


class Listed(Struct, frozen=True, kw_only=True):
    """A claim that names it."""

    claim_id: str
    known_at: dt.datetime
    """When it came in."""
    policy: int | None
    """Number of its policy in this listing; None if it states none."""
    day: dt.date | None
    """Of the loss."""
    amount: float | None
    fraud: bool | None
    """What was found; None if nothing was yet."""
    found_at: dt.datetime | None
    """When that was known."""


class EntityListing(Struct, frozen=True, kw_only=True):
    """All claims that name it."""

    kind: str
    claims: tuple[Listed, ...]
    """The latest first."""
    policies: int
    decided: int
    frauds: int


def listing(kind: str, facts: Iterable[LogFact], named: Namings) -> EntityListing:
    """List the claims that name one of some entities.

    Args:
        kind: what they are.
        facts: all that the log has about these claims.
        named: the entities.
    """
    claims: dict[str, list[RememberedClaim]] = defaultdict(list)
    findings: dict[str, list[RememberedFinding]] = defaultdict(list)
    for told in facts:
        fact = told.fact
        if isinstance(fact, RememberedFinding):
            findings[fact.claim_id].append(fact)
        elif isinstance(fact, RememberedClaim) and names(told, named):
            claims[fact.claim_id].append(fact)
    first = [min(said, key=_rank) for said in claims.values()]
    first.sort(key=lambda claim: (-claim.known_at, claim.claim_id))
    numbers: dict[bytes, int] = {}
    listed = [_listed(claim, findings[claim.claim_id], numbers) for claim in first]
    return EntityListing(
        kind=kind,
        claims=tuple(listed),
        policies=len(numbers),
        decided=sum(one.fraud is not None for one in listed),
        frauds=sum(one.fraud is True for one in listed),
    )


def _rank(claim: RememberedClaim) -> tuple[int, bytes]:
    return claim.known_at, claim.policy or b""


def _listed(
    claim: RememberedClaim, findings: Sequence[RememberedFinding], numbers: dict[bytes, int]
) -> Listed:
    # The latest day counts; of two findings on one day, the one that clears the claim.
    found = max(findings, key=lambda one: (start_of_day(one.known_at), not one.fraud), default=None)
    policy = claim.policy
    return Listed(
        claim_id=claim.claim_id,
        known_at=_moment(claim.known_at),
        policy=None if policy is None else numbers.setdefault(policy, len(numbers) + 1),
        day=claim.day,
        amount=claim.amount,
        fraud=None if found is None else found.fraud,
        found_at=None if found is None else _moment(found.known_at),
    )


def _moment(milliseconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(milliseconds / 1_000, dt.UTC)


_HEAD = ("claim", "came in (UTC)", "under", "loss", "amount", "found", "known (UTC)")
_TEXT = (0, 1, 2, 3, 5, 6)


def table(found: EntityListing, which: str = "") -> TextTable:
    """The claims as a table; see `summary`."""
    rows = [
        (
            one.claim_id,
            _shown(one.known_at),
            "-" if one.policy is None else f"policy {one.policy}",
            "-" if one.day is None else one.day.isoformat(),
            "-" if one.amount is None else f"{one.amount:,.2f}",
            _FINDINGS[one.fraud],
            "-" if one.found_at is None else _shown(one.found_at),
        )
        for one in found.claims
    ]
    return TextTable(_HEAD, rows, title=summary(found, which), text=_TEXT)


_FINDINGS = {None: "-", True: "fraud", False: "not fraud"}


def summary(found: EntityListing, which: str = "") -> str:
    """The counts in one sentence; `which` goes before the word *claims*."""
    count = len(found.claims)
    return (
        f"{count:,} {which}{'claim' if count == 1 else 'claims'} with this {found.kind}, on "
        f"{found.policies:,} {'policy' if found.policies == 1 else 'policies'}; "
        f"{found.decided:,} decided, {found.frauds:,} of them fraud"
    )


def json_line(value: object) -> str:
    """One JSON object, for programs."""
    return msgspec.json.encode(value).decode()


def _shown(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
