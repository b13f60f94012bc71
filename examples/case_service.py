"""A case service: opens a case for each alert to act on, and sends back what was found.

    python -m examples.case_service cases.sqlite                          # runs until it is stopped
    python -m examples.case_service cases.sqlite ALERT_ID fraud 18000     # closes a case

Exactly once ends at Kafka: this program may be killed between two commits below, and then reads
the same alerts, or sends the same outcomes, again. It opens no case twice because `alert_id` is the
table's primary key, and loses none because it commits its offsets after the database. An outcome
that is sent twice says the same twice, and counts once: of a claim the latest decision counts.
"""

import datetime as dt
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Final

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer

from schemas.alert import Decision, FraudAlert
from schemas.outcome import Finding, FraudOutcome, Occasion

TABLE: Final = """create table if not exists cases (
    alert_id text primary key, claim_id text not null, source text not null,
    probability real not null, reasons text not null, superseded_by text,
    outcome blob, sent integer not null default 0)"""
WAITING: Final = (
    "select alert_id, claim_id, outcome from cases where outcome is not null and not sent"
)


class NoSuchCaseError(Exception):
    """No open case has this alert id."""


def open_cases(database: sqlite3.Connection, alerts: Iterable[FraudAlert]) -> int:
    """Store the alerts to act on that are not stored yet; returns how many were new."""
    opened = 0
    with database:  # one transaction
        for alert in alerts:
            if alert.supersedes:  # the claim was corrected and scored again
                database.execute(
                    "update cases set superseded_by = ? where alert_id = ? and claim_id = ?",
                    (alert.alert_id, alert.supersedes, alert.claim_id),
                )
            occasion = occasion_of(alert)
            if occasion is not None:
                reasons = "; ".join(reason.text for reason in alert.reasons)
                opened += database.execute(
                    "insert or ignore into cases (alert_id, claim_id, source, probability, reasons)"
                    " values (?, ?, ?, ?, ?)",
                    (alert.alert_id, alert.claim_id, occasion, alert.fraud_probability, reasons),
                ).rowcount
    return opened


def occasion_of(alert: FraudAlert) -> Occasion | None:
    """Why the claim is to be investigated; None if it is not.

    A claim in the control sample is investigated whatever its decision, and counts as a control
    even if it was referred: only so is the sample random.
    """
    if alert.control:
        return Occasion.RANDOM_CONTROL
    return None if alert.decision is Decision.PASS else Occasion.INVESTIGATION


def close_case(
    database: sqlite3.Connection,
    alert_id: str,
    finding: Finding,
    decided_at: dt.datetime,
    *,
    reason: str | None = None,
    amount_saved: float | None = None,
) -> None:
    """Store what was found; `send_outcomes` sends it. A later call revises an earlier one.

    Raises:
        NoSuchCaseError: no case was opened for the alert.
    """
    with database:
        row = database.execute(
            "select claim_id, source from cases where alert_id = ?", (alert_id,)
        ).fetchone()
        if row is None:
            raise NoSuchCaseError(f"no case was opened for the alert {alert_id}")
        outcome = FraudOutcome(
            claim_id=row[0],
            outcome=finding,
            decided_at=decided_at,
            alert_id=alert_id,
            source=Occasion(row[1]),
            reason=reason,
            amount_saved=amount_saved,
        )
        database.execute(
            "update cases set outcome = ?, sent = 0 where alert_id = ?",
            (msgspec.json.encode(outcome), alert_id),
        )


def send_outcomes(database: sqlite3.Connection, producer: Producer, topic: str) -> int:
    """Send every outcome that is not marked as sent, then mark it; returns how many.

    Raises:
        KafkaException: Kafka refused an outcome: it stays in the database and is sent again.
        TimeoutError: Kafka does not answer; the same.
    """
    refused: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            refused.append(error)

    rows = database.execute(WAITING).fetchall()
    for _, claim_id, outcome in rows:
        producer.produce(topic, outcome, claim_id, on_delivery=delivered)
        producer.poll(0)
    left = producer.flush(60)
    if refused:
        raise KafkaException(refused[0])
    if left:
        raise TimeoutError(f"Kafka has not acknowledged {left} outcomes")
    with database:  # a case that was revised meanwhile stays unsent
        database.executemany(
            "update cases set sent = 1 where alert_id = ? and outcome = ?",
            [(alert_id, outcome) for alert_id, _, outcome in rows],
        )
    return len(rows)


def serve(
    database: sqlite3.Connection,
    servers: str,
    topics: tuple[str, str],
    stopped: Callable[[], bool],
    group: str = "case-service",
) -> int:
    """Open cases and send outcomes until stopped; returns how many cases were new.

    Args:
        database: of the cases.
        servers: bootstrap brokers.
        topics: of alerts and of outcomes.
        stopped: asked between two batches.
        group: consumer group.

    Raises:
        KafkaException: Kafka reports an error that does not pass by itself.
    """
    database.execute(TABLE)
    producer = Producer({"bootstrap.servers": servers, "enable.idempotence": True})
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": group,
            "isolation.level": "read_committed",  # otherwise alerts of aborted batches are seen
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    alerts_topic, outcomes_topic = topics
    consumer.subscribe([alerts_topic])
    opened = 0
    try:
        while not stopped():
            messages = consumer.consume(500, timeout=0.5)
            opened += open_cases(database, _alerts(messages))
            if messages:
                consumer.commit(asynchronous=False)
            send_outcomes(database, producer, outcomes_topic)
    finally:
        consumer.close()
    return opened


def _alerts(messages: Iterable[Message]) -> list[FraudAlert]:
    values = []
    for message in messages:
        error = message.error()
        if error is None:
            values.append(message.value() or b"")
        elif error.code() != KafkaError._PARTITION_EOF:
            raise KafkaException(error)
    return [msgspec.json.decode(value, type=FraudAlert) for value in values]


def run(database: sqlite3.Connection) -> None:
    """Serve until SIGINT or SIGTERM."""
    end = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: end.set())
    bootstrap = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092")
    alerts = os.environ.get("ALERTS_TOPIC", "fraud-alerts")
    outcomes = os.environ.get("OUTCOMES_TOPIC", "fraud-outcomes")
    new = serve(database, bootstrap, (alerts, outcomes), end.is_set)
    sys.stdout.write(f"{new} cases opened\n")


if __name__ == "__main__":
    cases = sqlite3.connect(sys.argv[1])
    if len(sys.argv) == 2:
        run(cases)
    else:
        saved = float(sys.argv[4]) if len(sys.argv) > 4 else None
        found, now = Finding(sys.argv[3]), dt.datetime.now(dt.UTC)
        close_case(cases, sys.argv[2], found, now, amount_saved=saved)
