"""Closes dead letters that can never become good: nothing is sent, a record remains. Pure."""

import datetime as dt
from collections.abc import Container, Sequence
from typing import Final, NamedTuple

from consumer.batch.records import Message, Record, coordinates
from consumer.dead_letters.binding import place_of
from consumer.redrive.copies import Fingerprint
from consumer.redrive.plan import (
    Filter,
    RedriveMark,
    Step,
    examined,
    kept_as_it_is,
)
from schemas.alert import Source
from schemas.dead_letter import (
    CLOSED_BY_HEADER,
    CLOSED_HEADER,
    CLOSED_WHY_HEADER,
    VALUE_HEADER,
    DeadLetter,
    Form,
    Header,
)

LONGEST_WHY: Final = 500
"""Characters."""


class Closure(NamedTuple):
    """Who closes dead letters, when and why."""

    why: str
    by: str
    at: dt.datetime
    only: frozenset[Source] | None = None
    """Places of those that a person agreed to close; None: all that are selected."""

    def headers(self) -> list[Header]:
        """Headers of the record of a closed dead letter."""
        return [
            (CLOSED_HEADER, self.at.isoformat()),
            (CLOSED_BY_HEADER, self.by),
            (CLOSED_WHY_HEADER, self.why),
        ]


class Close(NamedTuple):
    """Closes dead letters, whatever their form; no key is needed."""

    wanted: Filter
    closure: Closure

    def takes(self, message: Message, letter: DeadLetter) -> bool:
        """See `Task`."""
        only = self.closure.only
        return (
            letter.value is not Form.CLOSED
            and self.wanted.asks_for(letter)
            and (only is None or coordinates(message) in only)
        )

    def plan(
        self,
        messages: Sequence[Message],
        room: int,
        mark: RedriveMark,
        _: Container[Fingerprint] = frozenset(),
    ) -> Step:
        """See `Task`."""
        step = Step.empty()
        for message, headers, letter in examined(messages, step):
            if letter is not None and len(step.letters) < room and self.takes(message, letter):
                step.letters.append(letter)
                step.places.append(coordinates(message))
                step.closed.append(self._closed(message, letter, message.key(), mark))
                step.originals.append(Record(message.key(), message.value(), headers))
            else:
                step.kept.append(kept_as_it_is(message, headers, mark))
        return step

    def smaller(self, message: Message, tried: Step, mark: RedriveMark) -> Step | None:
        """See `Task`. Without its key, the record of a closed dead letter is smaller than it."""
        if tried.closed and tried.closed[0].key is not None:
            record = self._closed(message, tried.letters[0], None, mark)
            return tried._replace(closed=[record])
        if tried.kept or tried.closed:
            return Step.empty()._replace(oversize=[coordinates(message)])
        return None

    def _closed(
        self, message: Message, letter: DeadLetter, key: bytes | None, mark: RedriveMark
    ) -> Record:
        own = [header for header in letter.headers() if header[0] != VALUE_HEADER]
        form = VALUE_HEADER, Form.CLOSED.value
        mine = mark(coordinates(message), key, None)
        return Record(key, None, [*own, form, *self.closure.headers(), mine])

    def audit(self, step: Step) -> list[str]:
        """A line for each dead letter that was closed, for the log."""
        return [
            f"closed: the dead letter of {place_of(letter)}, {letter.reason.value}, refused at "
            f"{letter.failed_at.isoformat()}; by {self.closure.by}: {self.closure.why}"
            for letter in step.letters
        ]
