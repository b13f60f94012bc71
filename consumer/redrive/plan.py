"""Decides which dead letters go back or are closed, and in what form. Pure."""

import datetime as dt
import logging
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol, Self

from consumer.batch.decode import headers_of
from consumer.batch.records import Message, Record, coordinates
from consumer.dead_letters.binding import place_of
from consumer.dead_letters.encryption import is_compressed
from consumer.dead_letters.sealing import Opener
from consumer.errors import UnopenedError
from consumer.redrive.copies import Copy, Fingerprint, fingerprint
from schemas.alert import Source
from schemas.dead_letter import (
    ATTEMPT_HEADER,
    GONE,
    REDRIVEN_HEADER,
    DeadLetter,
    Form,
    Header,
    Reason,
    without_error_headers,
)
from schemas.decoding.refusal import RefusedError, in_words
from schemas.decoding.size import MAX_CLAIM_BYTES

log = logging.getLogger(__name__)


class Filter(NamedTuple):
    """Which dead letters to send back, or to close."""

    reasons: frozenset[Reason] = frozenset()
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    max_attempts: int | None = 3
    """Only those tried less often; None: any."""
    min_attempts: int = 1
    """Only those tried at least this often."""
    encrypted_only: bool = False
    """Dead letters are encrypted: anyone may have written a plain one, so it is not trusted."""

    def matches(self, letter: DeadLetter) -> bool:
        """True if this dead letter should be sent back: it is selected, and its claim is there."""
        return self.asks_for(letter) and letter.value not in GONE

    def asks_for(self, letter: DeadLetter) -> bool:
        """True if this dead letter is among those selected."""
        return (
            (not self.reasons or letter.reason in self.reasons)
            and (self.since is None or letter.failed_at >= self.since)
            and (self.until is None or letter.failed_at < self.until)
            and letter.attempt >= self.min_attempts
            and (self.max_attempts is None or letter.attempt < self.max_attempts)
        )


class Unopened(NamedTuple):
    """A dead letter that cannot be decrypted."""

    letter: DeadLetter
    record: Record
    why: str


class Step(NamedTuple):
    """The result of one batch of dead letters."""

    claims: list[Record]
    kept: list[Record]
    letters: list[DeadLetter]
    """Those sent back or closed, in the order of `claims` or `closed`."""
    gone: list[DeadLetter]
    """Among those kept: selected, but cannot be scored: redacted, cut, or too large for a claim."""
    forged: list[DeadLetter]
    """Among those kept: selected, but not encrypted although dead letters are."""
    unread: list[Source]
    """Neither sent nor kept, but left in place: the client cannot copy them."""
    unopened: list[Unopened]
    """Among those kept: they could not be decrypted."""
    oversize: list[Source]
    """Neither sent nor kept, but left in place: with the mark of a redrive they fit no topic."""
    copies: list[Copy]
    """Neither sent nor kept, but left in place: the same redrive sends another of that record."""
    fingerprints: list[Fingerprint]
    """Of those sent, in order."""
    closed: list[Record]
    """Records that state that a dead letter is closed."""
    originals: list[Record]
    """The dead letters that `closed` are about, in the same order."""
    places: list[Source]
    """Where those are."""
    over: list[Source]
    """Neither sent nor kept: records of dead letters that were closed earlier."""

    @classmethod
    def empty(cls) -> Self:
        """A step that does nothing."""
        return cls([], [], [], [], [], [], [], [], [], [], [], [], [], [])

    @property
    def left(self) -> list[Source]:
        """Places of those that are left in place and have no copy."""
        copies = (copy.place for copy in self.copies)
        return [*self.unread, *self.oversize, *copies, *self.over]

    @property
    def taken(self) -> int:
        """Number of dead letters sent back or closed."""
        return len(self.letters)


class Redriven(NamedTuple):
    """The result of a redrive."""

    sent: int
    kept: int
    gone: int = 0
    """Among those kept: selected, but redacted, cut, or too large for a claim."""
    unread: tuple[Source, ...] = ()
    """Left in place: a header's name is not UTF-8, so they cannot be copied."""
    forged: int = 0
    """Among those kept: selected, but not encrypted although dead letters are."""
    unopened: int = 0
    """Among those kept: selected, but cannot be decrypted with the available keys."""
    why_unopened: str = ""
    """The reason for the first of them."""
    oversize: tuple[Source, ...] = ()
    """Left in place: with the mark of a redrive they fit no topic."""
    copies: int = 0
    """Left in place: this redrive sent another dead letter of the same record."""
    first_copy: str = ""
    """The first of them."""
    closed: int = 0
    """Closed for good."""
    places: tuple[Source, ...] = ()
    """Where those were."""
    closed_before: int = 0
    """Records of dead letters that were closed earlier, which this redrive passed."""
    stopped: bool = False
    """True if stopped by a signal, so that some were not examined."""

    def and_then(self, step: Step) -> "Redriven":
        """The sum after one more batch."""
        return self._replace(
            sent=self.sent + len(step.claims),
            kept=self.kept + len(step.kept),
            gone=self.gone + len(step.gone),
            unread=(*self.unread, *step.unread),
            oversize=(*self.oversize, *step.oversize),
            forged=self.forged + len(step.forged),
            unopened=self.unopened + len(step.unopened),
            why_unopened=self.why_unopened or next((one.why for one in step.unopened), ""),
            copies=self.copies + len(step.copies),
            first_copy=self.first_copy or next(map(str, step.copies), ""),
            closed=self.closed + len(step.closed),
            places=(*self.places, *step.places),
            closed_before=self.closed_before + len(step.over),
        )


RedriveMark = Callable[[Source, bytes | None, bytes | None], Header]
"""Returns the mark for what results from a dead letter, by place, key and value; see `marks`."""


class Task(Protocol):
    """What a redrive does with the dead letters that are selected."""

    def takes(self, message: Message, letter: DeadLetter) -> bool:
        """True if it does something with this one, so that it counts towards the limit."""

    def plan(
        self,
        messages: Sequence[Message],
        room: int,
        mark: RedriveMark,
        sent: Container[Fingerprint],
    ) -> Step:
        """Sort a batch; at most `room` are taken."""

    def smaller(self, message: Message, tried: Step, mark: RedriveMark) -> Step | None:
        """What to do with one instead, when a record does not fit its topic."""


class SendBack(NamedTuple):
    """Sends dead letters back to the claims topic."""

    wanted: Filter
    opener: Opener

    def takes(self, message: Message, letter: DeadLetter) -> bool:
        """See `Task`."""
        return goes_back(message, letter, self.wanted)

    def plan(
        self,
        messages: Sequence[Message],
        room: int,
        mark: RedriveMark,
        sent: Container[Fingerprint],
    ) -> Step:
        """See `Task`."""
        return plan(messages, self.wanted, room, self.opener, mark, sent)

    def smaller(self, message: Message, tried: Step, mark: RedriveMark) -> Step | None:
        """See `Task`."""
        return smaller(message, tried, mark)


def plan(
    messages: Sequence[Message],
    wanted: Filter,
    room: int,
    opener: Opener,
    mark: RedriveMark,
    sent: Container[Fingerprint] = frozenset(),
) -> Step:
    """Sort a batch of dead letters into those to send back and those to keep; pure.

    Args:
        messages: records of the dead-letter topic.
        wanted: which to send.
        room: send at most this many.
        opener: returns the value of a record that is sent.
        mark: returns the mark for each record that is written.
        sent: what this redrive has already sent.
    """
    step = Step.empty()
    for message, headers, letter in examined(messages, step):
        if letter is not None and len(step.claims) < room and goes_back(message, letter, wanted):
            try:
                claim = claim_again(message, letter, opener, mark)
            except UnopenedError as error:
                record = Record(message.key(), message.value(), headers)
                step.unopened.append(Unopened(letter, record, str(error)))
            else:
                _send_once(step, coordinates(message), letter, claim, sent)
                continue
        elif letter is not None and wanted.asks_for(letter):
            if letter.value in GONE or _too_large(message.value(), letter):
                step.gone.append(letter)
            elif not _believed(message, letter, wanted):
                step.forged.append(letter)
        step.kept.append(kept_as_it_is(message, headers, mark))
    return step


def examined(
    messages: Sequence[Message], step: Step
) -> Iterator[tuple[Message, list[Header], DeadLetter | None]]:
    """Those that are sent, closed or kept, with their headers and what these say.

    The others are left in place, and noted in the step: those that cannot be copied, and records of
    dead letters that were closed earlier.
    """
    for message in messages:
        try:
            headers = headers_of(message)
        except RefusedError:
            step.unread.append(coordinates(message))
            continue
        letter = read_letter(message)
        if letter is not None and letter.value is Form.CLOSED:
            step.over.append(coordinates(message))
            continue
        yield message, headers, letter


def _send_once(
    step: Step, place: Source, letter: DeadLetter, claim: Record, sent: Container[Fingerprint]
) -> None:
    found = fingerprint(letter, claim)
    if found in sent or found in step.fingerprints:
        step.copies.append(Copy(place, place_of(letter)))
        return
    step.fingerprints.append(found)
    step.letters.append(letter)
    step.claims.append(claim)


def smaller(message: Message, tried: Step, mark: RedriveMark) -> Step | None:
    """What to do with one dead letter instead, when its record is too large for the topic; pure.

    A claim that is too large with its attempt count stays a dead letter; a dead letter that
    is too large with its mark is left in place.

    Args:
        message: the dead letter.
        tried: what was planned for it alone.
        mark: returns the mark for each record that is written.

    Returns:
        None if nothing was to be written.
    """
    if tried.claims:
        kept = kept_as_it_is(message, headers_of(message), mark)
        return Step.empty()._replace(kept=[kept], gone=tried.letters)
    if tried.kept:
        return Step.empty()._replace(oversize=[coordinates(message)])
    return None


def goes_back(message: Message, letter: DeadLetter, wanted: Filter) -> bool:
    """True if this dead letter should be sent back, and can be."""
    return (
        wanted.matches(letter)
        and not _too_large(message.value(), letter)
        and _believed(message, letter, wanted)
    )


def _believed(message: Message, letter: DeadLetter, wanted: Filter) -> bool:
    """True if the worker could have written it; it encrypts everything that has a value."""
    return not (wanted.encrypted_only and letter.value is Form.ORIGINAL and message.value())


def kept_as_it_is(message: Message, headers: Iterable[Header], mark: RedriveMark) -> Record:
    """The record to append to the topic again, with its age, so that it still expires on time."""
    _, stated_ms = message.timestamp()
    own = [header for header in headers if header[0] != REDRIVEN_HEADER]
    marked = [*own, mark(coordinates(message), message.key(), message.value())]
    return Record(message.key(), message.value(), marked, max(0, stated_ms))


def _too_large(value: bytes | None, letter: DeadLetter) -> bool:
    """True if the worker would refuse it again, whatever it is."""
    if letter.value is Form.ENCRYPTED:
        return is_compressed(value or b"")
    return letter.value is Form.ORIGINAL and len(value or b"") > MAX_CLAIM_BYTES


def claim_again(message: Message, letter: DeadLetter, opener: Opener, mark: RedriveMark) -> Record:
    """The original record, with its attempt count."""
    headers = headers_of(message)
    value = opener(Record(message.key(), message.value(), headers), letter)
    mine = mark(coordinates(message), message.key(), value)
    attempt = ATTEMPT_HEADER, str(letter.attempt)
    return Record(message.key(), value, [*without_error_headers(headers), attempt, mine])


def read_letter(message: Message) -> DeadLetter | None:
    """The dead letter that the record describes, None if it is not one of this product."""
    try:
        return DeadLetter.from_headers(headers_of(message))
    except RefusedError:
        return None
    except KeyError as error:
        why = f"without the header {error}"
    except ValueError as error:
        why = in_words(error)
    log.warning("kept: %s is not a dead letter: %s", place_of(coordinates(message)), why)
    return None
