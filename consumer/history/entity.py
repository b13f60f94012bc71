"""The command `entity`: which claims name a person or a thing."""

import sys

from consumer.history.access.gather import NOBODY, Namings, Sought, gathered, named_by
from consumer.history.access.scan import LogScan
from consumer.history.asked import Named, hashed, secret_of
from consumer.history.listing import EntityListing, json_line, listing, summary, table
from consumer.kafka.topics import READS, require_topics
from consumer.settings.settings import Settings
from consumer.stop import Stop
from consumer.waiting import aloud
from model.cli.terminal import show
from model.history.keys import fingerprint
from schemas.contract.model import Contract
from schemas.memory import Naming

NOBODY_NAMED = 1
"""Exit code if the name is one that names nobody."""


def claims_of_entity(
    settings: Settings, contract: Contract, named: Named, stop: Stop, *, as_json: bool
) -> int:
    """Print the claims that name someone; returns the exit code.

    Raises:
        SettingsError: no key, a key other than the log's, or no such kind in the contract.
        KafkaStoppedError: the log cannot be read.
        StoppedError: a signal asked to stop.
    """
    secret = secret_of(settings)
    naming = hashed(contract, secret, named)
    if naming is None:
        sys.stderr.write(f"{names_nobody(named)}\n")
        return NOBODY_NAMED
    scan = _scan(settings, stop, fingerprint(secret))
    only: Namings = frozenset({naming})
    found = listing(named.kind, gathered(scan, scan.ends(), Sought(named=only)).facts, only)
    if as_json:
        sys.stdout.write(f"{json_line(found)}\n")
    else:
        _show(found)
    return 0


def claims_of_claim(settings: Settings, claim_id: str, stop: Stop, *, as_json: bool) -> int:
    """Print the claims that share someone with a claim, by kind; returns the exit code.

    Raises:
        KafkaStoppedError: the log cannot be read.
        StoppedError: a signal asked to stop.
    """
    scan = _scan(settings, stop, None)
    end = scan.ends()
    own = named_by(gathered(scan, end, Sought(frozenset({claim_id}))).facts)
    facts = gathered(scan, end, Sought(named=own)).facts if own else []
    others = [told for told in facts if told.key.claim_id != claim_id]
    kinds = sorted({naming.kind for naming in own})
    found = [listing(kind, others, _of_kind(own, kind)) for kind in kinds]
    if as_json:
        sys.stdout.write(f"{json_line({'claim_id': claim_id, 'shared': found})}\n")
        return 0
    if not own:
        sys.stdout.write("nothing is remembered of whom this claim names\n")
    for one in found:
        _show(one, "other ")
    return 0


def names_nobody(named: Named) -> str:
    """Why nothing can be remembered by a name."""
    return (
        f"this {named.kind} names nobody: it is a placeholder, too short, or a stop text of the "
        "contract, so no claim is remembered by it"
    )


def _of_kind(named: frozenset[Naming], kind: str) -> Namings:
    return frozenset(naming for naming in named if naming.kind == kind) or NOBODY


def _scan(settings: Settings, stop: Stop, own: str | None) -> LogScan:
    with aloud(settings):
        require_topics(settings, {settings.memory_topic: READS})
    stop.gracefully()
    return LogScan(settings, stop, own)


def _show(found: EntityListing, which: str = "") -> None:
    if found.claims:
        show(table(found, which))
    else:
        sys.stdout.write(f"{summary(found, which)}\n")
