"""Records of which what was to be published does not fit its topic."""

import logging
from collections import Counter
from typing import Final

from consumer.errors import KafkaStoppedError, TooLargeError
from schemas.alert import Source

log = logging.getLogger(__name__)

MOST_TRIES: Final = 2
"""A dead letter instead of the alert, then one that is cut: nothing smaller is left."""
MOST_KNOWN: Final = 100_000


class Misfits:
    """What is known of them, for `consumer.batch.process.process`.

    Attributes:
        counts: how often what came of the record did not fit.
    """

    def __init__(self) -> None:
        self.counts: Counter[Source] = Counter()

    def learnt(self, error: TooLargeError) -> bool:
        """Note which records it was; False when the error does not say.

        Raises:
            KafkaStoppedError: not even what is smallest fits.
        """
        if len(self.counts) > MOST_KNOWN:  # of batches that are long committed
            self.counts.clear()
        self.counts.update(error.sources)
        for source in error.sources:
            place = f"{source.topic}[{source.partition}]@{source.offset}"
            if self.counts[source] > MOST_TRIES:
                raise KafkaStoppedError(
                    f"{error}; not even a dead letter that is cut fits: {place}"
                )
            log.warning("%s: what was to be published of it does not fit its topic", place)
        return bool(error.sources)
