"""Last stable offsets of the partitions being read, from the client's own statistics.

The client provides a call for the high watermark; the last stable offset is only in its statistics.
"""

import msgspec


class _Partition(msgspec.Struct):
    ls_offset: int = -1


class _Topic(msgspec.Struct):
    partitions: dict[str, _Partition] = {}


class _Statistics(msgspec.Struct):
    topics: dict[str, _Topic] = {}


class StableOffsets:
    """The last stable offset of each partition that has been fetched from."""

    def __init__(self) -> None:
        self.ends: dict[tuple[str, int], int] = {}

    def note(self, statistics: str) -> None:
        """Callback of the client, every `STATISTICS_EVERY_MS`."""
        found = msgspec.json.decode(statistics, type=_Statistics)
        self.ends = {
            (topic, int(number)): partition.ls_offset
            for topic, of_topic in found.topics.items()
            for number, partition in of_topic.partitions.items()
            if partition.ls_offset >= 0
        }
