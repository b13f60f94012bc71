"""Open a case for each referral, once, in a SQLite database.

    python -m examples.open_cases cases.sqlite

Exactly once ends at Kafka: this program may be killed between the two commits below, and then reads
the same alerts again. It opens no case twice because `alert_id` is the table's primary key, and
loses none because it commits its offsets after the database.
"""

import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Final

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException

from schemas.alert import FraudAlert

TABLE: Final = """create table if not exists cases (
    alert_id text primary key, claim_id text not null, probability real not null,
    reasons text not null, superseded_by text)"""


def open_cases(database: sqlite3.Connection, alerts: Iterable[FraudAlert]) -> int:
    """Store the referrals among the alerts that are not stored yet; returns how many were new."""
    opened = 0
    with database:  # one transaction
        for alert in alerts:
            if alert.supersedes:  # the claim was corrected and scored again
                database.execute(
                    "update cases set superseded_by = ? where alert_id = ? and claim_id = ?",
                    (alert.alert_id, alert.supersedes, alert.claim_id),
                )
            if alert.fraudulent:
                reasons = "; ".join(reason.text for reason in alert.reasons)
                opened += database.execute(
                    "insert or ignore into cases values (?, ?, ?, ?, null)",
                    (alert.alert_id, alert.claim_id, alert.fraud_probability, reasons),
                ).rowcount
    return opened


def follow(
    database: sqlite3.Connection,
    servers: str,
    topic: str,
    stopped: Callable[[], bool],
    group: str = "case-opener",
) -> int:
    """Open cases until stopped; returns how many were new.

    Raises:
        KafkaException: Kafka reports an error that does not pass by itself.
    """
    database.execute(TABLE)
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": group,
            "isolation.level": "read_committed",  # otherwise alerts of aborted batches are seen
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([topic])
    opened = 0
    try:
        while not stopped():
            messages = consumer.consume(500, timeout=1)
            for message in messages:
                error = message.error()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
            values = [message.value() for message in messages]
            alerts = [msgspec.json.decode(v, type=FraudAlert) for v in values if v]
            opened += open_cases(database, alerts)
            if messages:
                consumer.commit(asynchronous=False)
    finally:
        consumer.close()
    return opened


if __name__ == "__main__":
    end = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: end.set())
    bootstrap = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092")
    alerts_topic = os.environ.get("ALERTS_TOPIC", "fraud-alerts")
    new = follow(sqlite3.connect(sys.argv[1]), bootstrap, alerts_topic, end.is_set)
    sys.stdout.write(f"{new} cases opened\n")
