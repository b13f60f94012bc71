"""What stops the scorer, each with an exit code of its own, and what only stops a batch."""

from typing import ClassVar

from schemas.alert import Source


class AbortedError(Exception):
    """Nothing of the batch was published, or it is unknown: rewind to what is committed."""


class TooLargeError(AbortedError):
    """Nothing of the batch was published, as records of it do not fit their topics."""

    def __init__(self, message: str, sources: frozenset[Source]) -> None:
        """Say which.

        Args:
            message: why, and the way out.
            sources: the claims' records; empty as long as it is not known which.
        """
        super().__init__(message)
        self.sources = sources


class ScorerError(Exception):
    """Stops the process with a message for the operator."""

    exit_code: ClassVar[int] = 1


class SettingsError(ScorerError):
    """A setting is unknown or wrong; the message names it."""

    exit_code = 2


class ModelRefusedError(ScorerError):
    """The model folder cannot be served from."""

    exit_code = 3


class UnopenedError(Exception):
    """An encrypted dead letter that the keys at hand do not open: it is kept."""


class KafkaStoppedError(ScorerError):
    """Kafka refuses to go on: fenced by a newer instance, unauthorised, no such topic."""

    exit_code = 4


STUCK_EXIT_CODE = 5
"""A step of a transaction outlived its deadline; nothing was committed by it."""


class DeadLetterBudgetError(ScorerError):
    """Too many records in a row, or too large a share of them, were refused."""

    exit_code = 6


UNKNOWN_EXIT_CODE = 9
"""Ended by a signal before Kafka answered: whether the work in flight was committed is unknown."""


class RegistryStoppedError(ScorerError):
    """The schema registry does not answer, or refuses."""

    exit_code = 8


class ScoringBugError(ScorerError):
    """The model raised on a valid claim; the message names the record."""

    exit_code = 7
