"""Send claims, one JSON object per line, to the claims topic.

    python -m examples.send_claims < claims.jsonl

The producer is idempotent, so a retry inside the client does not send a claim twice. Claims of one
policy have the same key and therefore keep their order.
"""

import os
import sys
from collections.abc import Iterable

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.claim import Claim


def send(lines: Iterable[bytes], servers: str, topic: str) -> int:
    """Send every claim and wait until Kafka has all of them.

    Returns:
        How many were sent.

    Raises:
        msgspec.ValidationError: a line is not a claim. Nothing after it is sent.
        KafkaException: Kafka refused a claim.
    """
    producer = Producer({"bootstrap.servers": servers, "enable.idempotence": True, "linger.ms": 5})
    refused: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            refused.append(error)

    sent = 0
    try:
        for line in lines:
            claim = msgspec.json.decode(line, type=Claim)
            key = claim.policy_number or claim.claim_id
            while True:
                try:
                    producer.produce(topic, line.strip(), key, on_delivery=delivered)
                    break
                except BufferError:  # the queue is full
                    producer.poll(0.1)
            producer.poll(0)
            sent += 1
    finally:
        left = producer.flush(60)
    if refused:
        raise KafkaException(refused[0])
    if left:
        raise TimeoutError(f"Kafka has not acknowledged {left} claims")
    return sent


if __name__ == "__main__":
    bootstrap = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092")
    count = send(sys.stdin.buffer, bootstrap, os.environ.get("CLAIMS_TOPIC", "claims"))
    sys.stdout.write(f"{count} claims sent\n")
