"""Creates every topic of the product, including that of bad outcomes."""

from msgspec import structs

from consumer.kafka.topics import create_topics
from consumer.settings.settings import Settings


def create_every_topic(settings: Settings, partitions: int, replication: int) -> dict[str, bool]:
    """Create missing topics; existing ones are left unchanged.

    The topic of bad outcomes is created like that of bad claims: they are kept as long, and may be
    as large.

    Returns:
        For each topic, whether it was created.

    Raises:
        KafkaStoppedError: Kafka refuses or is not reachable.
    """
    bad = settings.outcomes_dead_letter_topic
    created = create_topics(settings, partitions, replication)
    alike = structs.replace(settings, dead_letter_topic=bad)
    return {**created, bad: create_topics(alike, partitions, replication)[bad]}
