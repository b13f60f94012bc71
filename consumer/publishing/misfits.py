"""Records whose outcome does not fit its topic."""

import logging
from collections import Counter
from typing import Final

from consumer.errors import KafkaStoppedError, TooLargeError
from schemas.alert import Source

log = logging.getLogger(__name__)

MOST_TRIES: Final = 2
"""A dead letter instead of the alert, then a cut one: there is nothing smaller."""
MOST_KNOWN: Final = 100_000


class Misfits:
    """The known misfits, for `consumer.batch.process.process`.

    Attributes:
        counts: how often the outcome of a record did not fit.
    """

    def __init__(self) -> None:
        self.counts: Counter[Source] = Counter()

    def learnt(self, error: TooLargeError) -> bool:
        """Note the records concerned; False if the error does not name them.

        Raises:
            KafkaStoppedError: not even the smallest form fits.
        """
        if len(self.counts) > MOST_KNOWN:  # from batches committed long ago
            self.counts.clear()
        self.counts.update(error.sources)
        for source in error.sources:
            place = f"{source.topic}[{source.partition}]@{source.offset}"
            if self.counts[source] > MOST_TRIES:
                raise KafkaStoppedError(
                    f"{error}; not even a dead letter that is cut fits: {place}"
                )
            log.warning("%s: its outcome does not fit its topic", place)
        return bool(error.sources)
