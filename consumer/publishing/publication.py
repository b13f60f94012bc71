"""What one transaction publishes and commits; the same for a worker and a redrive."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple, Self

from consumer.batch.process import Outcome
from consumer.batch.records import Record
from consumer.kafka.receipts import Place
from consumer.settings.settings import Settings
from schemas.alert import Source


class Output(NamedTuple):
    """Records for one topic."""

    topic: str
    records: Sequence[Record]
    sources: Sequence[Source]
    """Consumed records that `records` come from, in the same order."""


class Publication(NamedTuple):
    """Records by topic, and the offsets that are committed with them."""

    outputs: Sequence[Output]
    offsets: Mapping[Place, int]
    """Next offset to read, by topic and partition."""
    outcomes: Mapping[Place, int]
    """Number of alerts and dead letters published, by topic and partition of their sources."""

    @classmethod
    def of(cls, outcome: Outcome, settings: Settings) -> Self:
        """The outcome of a batch of claims, for the topics in the settings."""
        alerts = Output(settings.alerts_topic, outcome.alerts, outcome.alert_sources)
        letters = Output(settings.dead_letter_topic, outcome.dead_letters, outcome.letter_sources)
        outputs = [alerts, letters]
        if outcome.memories:
            outputs.append(Output(settings.memory_topic, outcome.memories, outcome.memory_sources))
        return cls(outputs, outcome.offsets, outcome.outcomes)

    @classmethod
    def of_offsets(cls, offsets: Mapping[Place, int]) -> Self:
        """Publishes nothing and commits these offsets."""
        return cls((), offsets, {})

    @property
    def records(self) -> Iterator[Record]:
        """Records of all outputs."""
        return chain.from_iterable(output.records for output in self.outputs)

    def joined(
        self, skipped: Mapping[Place, int], offsets: Mapping[Place, int], stale: Mapping[Place, int]
    ) -> Self:
        """The same, with the batch's claims that already had an outcome, and with stale receipts.

        Args:
            skipped: number of claims that were left out, by partition.
            offsets: next offsets of the partitions with claims left out.
            stale: offsets whose receipts have to be written again.
        """
        if not offsets and not stale:
            return self
        counts = Counter(self.outcomes) + Counter(skipped)
        merged = {**stale, **self.offsets}
        for place, offset in offsets.items():
            # Claims may follow the last one that was left out, or the other way round.
            merged[place] = max(offset, self.offsets.get(place, 0))
        return self._replace(outcomes=dict(counts), offsets=merged)
