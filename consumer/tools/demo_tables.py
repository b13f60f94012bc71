"""What the demo shows: the latest alerts with their reasons, then a summary."""

from collections import Counter, deque
from typing import Final

from consumer.telemetry.metrics import Metrics
from consumer.tools.demo_claims import Sent
from model.reports.table import TextTable
from schemas.alert import FraudAlert
from schemas.dead_letter import DeadLetter

SHOWN: Final = 5
"""Alerts in the table at a time."""
REASONS: Final = 3
"""Reasons shown for each, the strongest first."""


class Received:
    """The alerts and dead letters that came back."""

    def __init__(self) -> None:
        self.alerts: list[FraudAlert] = []
        self.letters: list[DeadLetter] = []
        self.latest: deque[FraudAlert] = deque(maxlen=SHOWN)

    def __len__(self) -> int:
        return len(self.alerts) + len(self.letters)


def table(seen: Received) -> TextTable:
    """The latest referrals."""
    rows = [
        [alert.claim_id, f"{alert.fraud_probability:.3f}", reasons(alert)] for alert in seen.latest
    ]
    head = ["claim", "probability", "reasons (effect on the score)"]
    return TextTable(head, rows, "latest alerts at or above the threshold", text=(0, 2))


def reasons(alert: FraudAlert) -> str:
    """Why the claim was referred, one reason a line."""
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
    rows = [
        ["claims sent", f"{len(sent.records):,}"],
        ["alerts", f"{len(seen.alerts):,}"],
        ["dead letters", f"{len(seen.letters)} of {sent.bad} bad records ({told})"],
        ["claims/s", rate],
        ["latency, median", f"{metrics.latency.quantile(0.5) * 1_000:.0f} ms"],
        ["referred", f"{len(referred):,} ({hits} fraud)"],
        ["precision", f"{hits / len(referred):.2f}" if referred else "no claim referred"],
        ["recall", f"{hits / frauds:.2f} of {frauds} frauds" if frauds else "no fraud"],
    ]
    return TextTable((), rows, "summary", text=(0, 1))
