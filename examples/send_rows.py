"""Send the rows of a file to the claims topic, as the events of their contract.

    python -m examples.send_rows claims.yaml examples/own_claims.csv

A row becomes a JSON object: its columns are the members, the texts stay as they are. A worker reads
it through the contract that its model was trained with.
"""

import csv
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.contract.parse import load


def events(contract: Path, rows: Path, delimiter: str = ";") -> Iterator[tuple[str, bytes]]:
    """Key and value of each row; claims with one key keep their order."""
    said = load(contract)
    name = said.fields[said.event.key or said.event.id].places[0][0]
    with rows.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter=delimiter):
            yield row[name], msgspec.json.encode(row)


def send(found: Iterator[tuple[str, bytes]], servers: str, topic: str) -> int:
    """Send every event and wait until Kafka has all of them; returns how many.

    Raises:
        KafkaException: Kafka refused one.
    """
    producer = Producer({"bootstrap.servers": servers, "enable.idempotence": True, "linger.ms": 5})
    refused: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            refused.append(error)

    sent = 0
    for key, value in found:
        producer.produce(topic, value, key, on_delivery=delivered)
        sent += 1
        if sent % 1_000 == 0:
            producer.flush(60)
    left = producer.flush(60)
    if refused:
        raise KafkaException(refused[0])
    if left:
        raise TimeoutError(f"Kafka has not acknowledged {left} claims")
    return sent


if __name__ == "__main__":
    bootstrap = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092")
    topic_name = os.environ.get("CLAIMS_TOPIC", "claims")
    count = send(events(Path(sys.argv[1]), Path(sys.argv[2])), bootstrap, topic_name)
    sys.stdout.write(f"{count} claims sent to {topic_name}\n")
