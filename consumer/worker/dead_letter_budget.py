"""The dead-letter budget: a bad deployment must not drain a topic into dead letters."""

from collections import deque

from consumer.errors import DeadLetterBudgetError
from consumer.settings.settings import Settings


class DeadLetterBudget:
    """Stops the worker before it publishes a batch that is over the budget."""

    def __init__(self, settings: Settings) -> None:
        self._max_ratio = settings.dead_letter_max_ratio
        self._window = settings.dead_letter_window
        self._max_consecutive = settings.dead_letter_max_consecutive
        self._batches: deque[tuple[int, int]] = deque()
        self._consecutive = 0

    def check(self, records: int, refused: int) -> None:
        """Account for a batch before it is published.

        Raises:
            DeadLetterBudgetError: the share of refused records over the last DEAD_LETTER_WINDOW
                records is above DEAD_LETTER_MAX_RATIO, or DEAD_LETTER_MAX_CONSECUTIVE records were
                refused since the last batch with a good one.
        """
        self._consecutive = self._consecutive + refused if refused == records else 0
        if self._consecutive >= self._max_consecutive:
            raise DeadLetterBudgetError(
                f"the last {self._consecutive} records were all refused "
                f"(DEAD_LETTER_MAX_CONSECUTIVE={self._max_consecutive}): {_ADVICE}"
            )
        self._batches.append((records, refused))
        while sum(n for n, _ in self._batches) - self._batches[0][0] >= self._window:
            self._batches.popleft()
        total = sum(n for n, _ in self._batches)
        bad = sum(n for _, n in self._batches)
        if total >= self._window and bad > self._max_ratio * total:
            raise DeadLetterBudgetError(
                f"{bad} of the last {total} records were refused "
                f"(DEAD_LETTER_MAX_RATIO={self._max_ratio}): {_ADVICE}"
            )

    def void(self) -> None:
        """Forget what was counted: the records in flight will be read again."""
        self._batches.clear()
        self._consecutive = 0


_ADVICE = (
    "the batch was not published and nothing is lost; fix the producer or the schema, "
    "or raise the setting to let these records become dead letters"
)
