"""Checks of `doctor` on the group, on open transactions and on clocks."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from confluent_kafka import KafkaError

from consumer.doctor.asked import AskedGroup
from consumer.doctor.findings import Diagnosis, grant, ok, unknown, warning, wrong
from consumer.errors import KafkaStoppedError
from consumer.intake.evidence import CLOCK_MARGIN_MS
from consumer.kafka import group
from consumer.kafka.receipts import Place

STOPS: Final = KafkaStoppedError.exit_code
LISTED: Final = 5
"""Maximum number of partitions named."""


def judge_group(found: AskedGroup | KafkaError, name: str, protocol: str) -> list[Diagnosis]:
    """Check the members, and the right to be one."""
    if isinstance(found, KafkaError):
        return [_no_group(found, name)]
    return [_members(found, name, protocol), _rights(found, name)]


def _no_group(error: KafkaError, name: str) -> Diagnosis:
    check = f"group {name}"
    if error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
        return _forbidden(check, name)
    if error.code() == KafkaError.GROUP_ID_NOT_FOUND:
        return ok(check, "does not exist yet: no worker has run")
    return unknown(check, error.str(), "check again")


def _members(found: AskedGroup, name: str, protocol: str) -> Diagnosis:
    check = f"group {name}"
    if not found.members:
        return ok(check, "no members: no worker is running")
    who = ", ".join(f"{client} on {host.lstrip('/')}" for client, host in found.members)
    text = f"{found.kind}, {found.assignor or 'no assignor'}, {found.state}, members: {who}"
    if found.kind != protocol:
        return warning(
            check,
            f"{text}; KAFKA_GROUP_PROTOCOL is {protocol} here",
            "use the same KAFKA_GROUP_PROTOCOL for all workers of the group",
        )
    if found.state != "stable":
        return warning(check, text, "it is rebalancing: check again in a few seconds")
    if protocol == "classic" and found.assignor != "range":
        return wrong(
            check,
            f"{text}; a worker uses the range assignor and would be rejected",
            "stop all members first (docs/runbook.md, from an earlier release)",
            STOPS,
        )
    return ok(check, text)


def _rights(found: AskedGroup, name: str) -> Diagnosis:
    check = f"group {name} rights"
    if not found.rights:
        return unknown(check, "the brokers do not report them", "check the access rules")
    if "READ" not in found.rights:
        return _forbidden(check, name)
    return ok(check, "Read is allowed")


def _forbidden(check: str, name: str) -> Diagnosis:
    return wrong(check, "this principal may not Read", grant("Read", f"group {name}"), STOPS)


def judge_progress(found: group.Group, running: bool) -> Diagnosis:
    """Check how far the group is, and which partitions nobody reads.

    Args:
        found: offsets and owners of all partitions of the claims topic.
        running: True if the group has members.
    """
    places = found.partitions
    lag = sum(place.lag for place in places.values())
    text = f"{lag} claims behind, {len(found.unowned)} of {len(places)} partitions without an owner"
    if beyond := [n for n, p in places.items() if p.committed > p.end]:
        return wrong(
            "progress",
            f"{text}; committed offsets beyond the end of partitions {beyond[:LISTED]}",
            "decide where to resume (docs/runbook.md, offsets beyond the end)",
            STOPS,
        )
    if lost := sum(max(0, p.first - p.committed) for p in places.values() if p.committed >= 0):
        return warning(
            "progress",
            f"{text}; {lost} offsets were deleted before they were committed",
            "raise retention.ms of the claims topic; run more workers",
        )
    if not running:
        advice = "start a worker: python -m consumer run"
        return warning("progress", f"{text}, no worker", advice) if lag else ok("progress", text)
    if found.unowned:
        return warning(
            "progress", text, "check again; see docs/runbook.md, FraudScorerPartitionsUnowned"
        )
    return ok("progress", text)


def judge_open(
    first: Mapping[Place, int], second: Mapping[Place, int], apart_s: float, timeout_s: float
) -> Diagnosis:
    """Transactions that were open at two checks.

    Args:
        first: first open offset of each blocked partition.
        second: the same, later.
        apart_s: how much later.
        timeout_s: maximum duration of a worker's transaction.
    """
    stay = [place for place, offset in second.items() if first.get(place) == offset]
    if not stay:
        return ok("open transactions", f"none open for {apart_s:g} s or longer")
    shown = ", ".join(f"{topic}[{part}]@{second[topic, part]}" for topic, part in stay[:LISTED])
    more = f" and {len(stay) - LISTED} more" if len(stay) > LISTED else ""
    return warning(
        "open transactions",
        f"open for {apart_s:g} s or longer: {shown}{more}",
        f"check again: Kafka ends it after {timeout_s:g} s; if it stays open longer, see "
        "docs/runbook.md, a transaction that hangs",
    )


class Newest(NamedTuple):
    """The newest records of some topics at some time."""

    asked_ms: int
    """Just before, by this machine's clock; milliseconds since the epoch."""
    at_ms: Mapping[str, int]
    """Largest timestamp by topic; negative for none."""


def judge_clock(first: Newest, second: Newest, now_ms: int) -> Diagnosis:
    """Compare this machine's clock with those of the outcomes, as Kafka does not report its own.

    No outcome can be from the future, and one that was written between two checks cannot be older
    than the first of them.

    Args:
        first: newest outcomes.
        second: the same, later.
        now_ms: this machine's time, after that.
    """
    ahead = {name: at - now_ms for name, at in second.at_ms.items()}
    written = {name: at for name, at in second.at_ms.items() if at > first.at_ms.get(name, at)}
    behind = {name: first.asked_ms - at for name, at in written.items()}
    for where, found in (("ahead of", ahead), ("behind", behind)):
        far = {name: by for name, by in found.items() if by > CLOCK_MARGIN_MS}
        if far:
            shown = ", ".join(f"{name} by {by / 1_000:.0f} s" for name, by in far.items())
            return warning(
                "clock",
                f"records are {where} this machine's clock: {shown}",
                "synchronise the clocks of all workers with NTP; they may differ by at most "
                f"{CLOCK_MARGIN_MS / 1_000:g} s",
            )
    if written:
        margin = f"{CLOCK_MARGIN_MS / 1_000:g} s"
        return ok("clock", f"within {margin} of an outcome that was written during the check")
    return unknown(
        "clock",
        "Kafka reports no time to compare with; no outcome is ahead of this machine's clock, and "
        "none was written during the check, to be behind it",
        "make sure NTP runs here and on the brokers (timedatectl), or check again while claims "
        "are scored",
    )
