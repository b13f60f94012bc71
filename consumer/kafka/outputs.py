"""The ends of topics: what was written, and up to where every transaction has ended."""

from collections.abc import Iterable, Mapping
from typing import Final

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from consumer.kafka.receipts import Place

TIMEOUT_S: Final = 5.0
_LATEST: Final = OffsetSpec.latest()  # type: ignore[no-untyped-call]


class Ends:
    """Queries the ends of some topics, for all partitions that exist at the time."""

    def __init__(self, client: AdminClient, topics: Iterable[str]) -> None:
        """Prepare without querying.

        Args:
            client: connected like the worker.
            topics: names; one that does not exist has no partitions.
        """
        self._client = client
        self.topics = tuple(topics)

    def written(self) -> dict[Place, int]:
        """High watermark of each partition.

        Raises:
            KafkaException: Kafka does not answer.
        """
        return self._ask(self.places(), IsolationLevel.READ_UNCOMMITTED)

    def stable(self) -> dict[Place, int]:
        """Where reading of committed records ends now, for each partition.

        Raises:
            KafkaException: Kafka does not answer.
        """
        return self._ask(self.places(), IsolationLevel.READ_COMMITTED)

    def open(self, written: Mapping[Place, int]) -> dict[Place, int]:
        """Partitions with an open transaction begun before `written`, with its first offset.

        Raises:
            KafkaException: Kafka does not answer.
        """
        stable = self._ask(written, IsolationLevel.READ_COMMITTED)
        return {place: offset for place, offset in stable.items() if offset < written[place]}

    def places(self) -> list[Place]:
        """Every partition of the topics.

        Raises:
            KafkaException: Kafka does not answer.
        """
        found = []
        for name in self.topics:
            topic = self._client.list_topics(name, timeout=TIMEOUT_S).topics[name]
            found += [(name, partition) for partition in topic.partitions]
        return found

    def _ask(self, places: Iterable[Place], level: IsolationLevel) -> dict[Place, int]:
        asked = {TopicPartition(*place): _LATEST for place in places}
        if not asked:
            return {}
        answers = self._client.list_offsets(asked, isolation_level=level, request_timeout=TIMEOUT_S)
        found = {}
        for place, answer in answers.items():
            try:
                found[place.topic, place.partition] = answer.result().offset
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise
        return found
