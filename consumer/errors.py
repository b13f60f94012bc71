"""Errors that stop the scorer, each with its own exit code, and errors that only stop a batch."""

from typing import ClassVar, Final

from schemas.alert import Source

INSTALL_EXTRAS: Final = "pip install --require-hashes -r requirements/extras.lock"
"""Installs optional packages in a checkout; this project is not published anywhere."""


class AbortedError(Exception):
    """Nothing of the batch was published, or that is unknown: rewind to what is committed."""


class TooLargeError(AbortedError):
    """Nothing of the batch was published because some records do not fit their topics."""

    def __init__(self, message: str, sources: frozenset[Source]) -> None:
        """State which records do not fit.

        Args:
            message: the reason, and how to fix it.
            sources: the claims' records; empty while they are unknown.
        """
        super().__init__(message)
        self.sources = sources


class ScorerError(Exception):
    """Stops the process with a message for the operator."""

    exit_code: ClassVar[int] = 1


class SettingsError(ScorerError):
    """A setting is unknown or invalid; the message names it."""

    exit_code = 2


class ModelRefusedError(ScorerError):
    """The model folder cannot be used for serving."""

    exit_code = 3


class UnopenedError(Exception):
    """An encrypted dead letter that the available keys cannot open: it is kept."""


class KafkaStoppedError(ScorerError):
    """Kafka does not let it continue: fenced by a newer instance, unauthorised, no such topic."""

    exit_code = 4


STUCK_EXIT_CODE = 5
"""A step of a transaction exceeded its deadline; nothing was committed by it."""


class DeadLetterBudgetError(ScorerError):
    """Too many records in a row, or too large a share of them, were refused."""

    exit_code = 6


UNKNOWN_EXIT_CODE = 9
"""Ended by a signal before Kafka answered: it is unknown whether work in flight was committed."""


class RegistryStoppedError(ScorerError):
    """The schema registry does not answer, or refuses."""

    exit_code = 8


class StoreStoppedError(ScorerError):
    """The database of remembered claims does not answer, refuses, or is not what it was."""

    exit_code = 10


class ScoringBugError(ScorerError):
    """The model raised an error on a valid claim; the message names the record."""

    exit_code = 7
