"""Traces of the worker and the HTTP endpoint: none unless TRACING enables them.

The library is imported only if it is needed: see `consumer.telemetry.spans`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol

from consumer.batch.process import Outcome
from consumer.batch.records import Message
from consumer.errors import INSTALL_EXTRAS, SettingsError
from consumer.settings.settings import Settings, Tracing
from model.scoring.scorer import Scorer


class BatchTrace(Protocol):
    """The trace of one batch; ends with `committed`, or when the batches in flight are aborted."""

    def scored(self, outcome: Outcome, scorer: Scorer) -> None:
        """The batch was scored."""

    def committed(self, at_s: float) -> None:
        """Its outcome and offsets were committed then, in seconds since the epoch."""


class Traces(Protocol):
    """Receives the events of batches."""

    def batch(self, messages: Sequence[Message]) -> BatchTrace:
        """A batch was polled."""

    def aborted(self, why: str) -> None:
        """No batch in flight will be committed; they will be polled again."""

    def middleware(self) -> list[Any]:
        """Middleware for the HTTP app that traces each request."""

    def close(self) -> None:
        """Send what has not been sent yet; batches in flight were not committed."""


class Untraced:
    """TRACING=off: records nothing."""

    def batch(self, messages: Sequence[Message]) -> BatchTrace:
        """Record nothing of a batch."""
        return self

    def scored(self, outcome: Outcome, scorer: Scorer) -> None:
        """Nothing."""

    def committed(self, at_s: float) -> None:
        """Nothing."""

    def aborted(self, why: str) -> None:
        """Nothing."""

    def middleware(self) -> list[Any]:
        """None."""
        return []

    def close(self) -> None:
        """Nothing."""


UNTRACED: Final = Untraced()


@contextmanager
def traced(settings: Settings) -> Iterator[Traces]:
    """The traces that TRACING enables, sent when the body ends.

    Raises:
        SettingsError: the extra ``tracing`` is not installed.
    """
    traces = _traces(settings)
    try:
        yield traces
    finally:
        traces.close()


def _traces(settings: Settings) -> Traces:
    if settings.tracing is Tracing.OFF:
        return UNTRACED
    try:
        from consumer.telemetry.spans import Spans, otlp_provider  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise SettingsError(
            f"TRACING={settings.tracing.value} needs the extra 'tracing' "
            f"({INSTALL_EXTRAS}): {error}"
        ) from error
    return Spans(otlp_provider(settings), settings)
