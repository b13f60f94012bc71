"""What the demo shows: the latest alerts with their reasons, then a summary."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Final

from consumer.batch.recalled import MOST_LINKS
from consumer.telemetry.metrics import Metrics
from consumer.tools.demo_claims import ALERT_SHARE, Sent
from model.reports.table import TextTable
from schemas.alert import FraudAlert, LinkedClaim, LinkFinding
from schemas.dead_letter import DeadLetter

SHOWN: Final = 5
"""Alerts in the table at a time."""
REASONS: Final = 3
"""Reasons shown for each, the strongest first."""


SHARES: Final = (ALERT_SHARE, 0.10)
"""Shares of claims with the highest scores: what history adds is shown for each."""


class Received:
    """The alerts and dead letters that came back."""

    def __init__(self) -> None:
        self.alerts: list[FraudAlert] = []
        self.letters: list[DeadLetter] = []
        self.latest: deque[FraudAlert] = deque(maxlen=SHOWN)
        """Those to show."""

    def __len__(self) -> int:
        return len(self.alerts) + len(self.letters)


def table(seen: Received) -> TextTable:
    """The latest referrals; where claims are remembered, the latest with links."""
    head = ["claim", "probability", "reasons (effect on the score)"]
    rows = [
        [alert.claim_id, f"{alert.fraud_probability:.3f}", reasons(alert)] for alert in seen.latest
    ]
    title = "latest alerts at or above the threshold"
    if not any(alert.memory for alert in seen.latest):
        return TextTable(head, rows, title, text=(0, 2))
    rows = [[*row, links(alert)] for row, alert in zip(rows, seen.latest, strict=True)]
    title += ", of those with links"
    return TextTable([*head, "links to earlier claims"], rows, title, text=(0, 2, 3))


def links(alert: FraudAlert) -> str:
    """The earlier claims that name the same people, one kind per line."""
    claims: dict[str, list[LinkedClaim]] = {}
    for link in alert.links or ():
        claims.setdefault(link.entity, []).append(link)
    frauds = {known.entity: known.frauds for known in alert.history or ()}
    return "\n".join(_linked(kind, found, frauds.get(kind, 0)) for kind, found in claims.items())


def _linked(kind: str, found: Sequence[LinkedClaim], frauds: int) -> str:
    more, latest = (" or more", "the latest ") if len(found) >= MOST_LINKS else ("", "")
    claims = "claim" if len(found) == 1 else "claims"
    names = ", ".join(
        f"{c.claim_id} (fraud)" if c.finding is LinkFinding.FRAUD else c.claim_id for c in found
    )
    known = f"{frauds} found to be fraud" if frauds else "none known to be fraud"
    return f"this {kind} stands in {len(found)}{more} other {claims}, {known}: {latest}{names}"


def reasons(alert: FraudAlert) -> str:
    """Why the claim was referred, one reason per line."""
    return "\n".join(
        f"{r.text} ({r.contribution:+.2f})" if r.contribution else r.text
        for r in alert.reasons[:REASONS]
    )


def summary(sent: Sent, seen: Received, metrics: Metrics, seconds: float) -> TextTable:
    """Throughput, latency, dead letters and quality against the known labels."""
    reasons = Counter(letter.reason.value for letter in seen.letters)
    told = ", ".join(f"{name} {n}" for name, n in sorted(reasons.items()))
    referred = [alert for alert in seen.alerts if alert.fraudulent]
    hits = sum(sent.label_of[alert.claim_id] for alert in referred)
    frauds = sum(sent.label_of.values())
    rate = f"{len(seen) / seconds:,.0f} (broker, producer and reader share the process)"
    latency = f"{metrics.latency.quantile(0.5) * 1_000:.0f} ms"
    linked = sum(bool(alert.links) for alert in referred)
    rows = [
        ["claims sent", f"{len(sent.records):,}"],
        ["alerts", f"{len(seen.alerts):,}"],
        ["dead letters", f"{len(seen.letters)} of {sent.bad} bad records ({told})"],
        ["claims/s", rate],
        ["findings meanwhile", f"{len(sent.findings):,}"]
        if sent.dated
        else ["latency, median", latency],
        ["referred", f"{len(referred):,} ({hits} fraud)"],
        *([["with links", f"{linked:,} of those referred"]] if sent.dated else []),
        ["precision", f"{hits / len(referred):.2f}" if referred else "no claim referred"],
        ["recall", f"{hits / frauds:.2f} of {frauds} frauds" if frauds else "no fraud"],
    ]
    return TextTable((), rows, "summary", text=(0, 1))


def gain(sent: Sent, seen: Received) -> TextTable:
    """Frauds among the claims with the highest scores, with history and without."""
    frauds = sum(sent.label_of.values())
    rows = []
    for share in SHARES:
        found = (_caught(sent, scores, share) for scores in (_served(seen), sent.without))
        rows.append(
            [f"in the top {100 * share:.0f} % of the claims", *(f"{n} of {frauds}" for n in found)]
        )
    return TextTable(
        ["frauds caught", "with history", "without"], rows, "what history adds (synthetic claims)"
    )


def gain_in_words(sent: Sent, seen: Received) -> str:
    """What the table says, and what it does not."""
    share, frauds = SHARES[-1], sum(sent.label_of.values())
    caught, without = (_caught(sent, s, share) for s in (_served(seen), sent.without))
    more = caught - without
    changed = f"{more} more" if more > 0 else f"{-more} fewer" if more else "as many"
    return (
        f"Whoever looks at the {100 * share:.0f} % of these claims with the highest scores finds "
        f"{caught} of {frauds} frauds with history, {without} without: {changed}. Both models were "
        "trained on the same earlier claims. All claims are synthetic, with rings that share "
        "telephones, accounts and garages: this shows that the memory works, not what "
        "it is worth on real ones."
    )


def _served(seen: Received) -> dict[str, float]:
    return {alert.claim_id: alert.fraud_probability for alert in seen.alerts}


def _caught(sent: Sent, scores: Mapping[str, float], share: float) -> int:
    """Frauds among the claims with the highest scores."""
    first = sorted(scores, key=lambda name: (-scores[name], name))[: int(share * len(scores))]
    return sum(sent.label_of[name] for name in first)
