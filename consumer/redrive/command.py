"""The command `redrive`: sends dead letters back through the worker, or closes them."""

import argparse
import datetime as dt
import getpass
import sys
from collections.abc import Iterator
from typing import TextIO

from consumer.errors import SettingsError
from consumer.redrive.closing import LONGEST_WHY, Closure
from consumer.redrive.plan import Filter, Redriven
from consumer.redrive.redrive import redrive
from consumer.settings.settings import Settings
from consumer.stop import Stop
from model.cli.argument_types import moment, whole
from schemas.alert import Source
from schemas.dead_letter import Reason

MOST_ATTEMPTS = 3
NOT_CLOSED = 1
"""Exit code if closing dead letters was not confirmed."""


def add_redrive_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--reason", action="append", default=[], choices=[r.value for r in Reason])
    parser.add_argument(
        "--since", type=moment, metavar="ISO-TIME", help="rejected at or after this time"
    )
    parser.add_argument(
        "--until", type=moment, metavar="ISO-TIME", help="rejected before this time"
    )
    parser.add_argument("--limit", type=whole, help="send or close at most this many")
    parser.add_argument(
        "--max-attempts",
        type=whole,
        help=f"keep those tried this many times ({MOST_ATTEMPTS}; with --discard: no limit)",
    )
    parser.add_argument(
        "--min-attempts", type=whole, default=1, help="keep those tried less often than this (1)"
    )
    parser.add_argument("--dry-run", action="store_true", help="list them as JSON, change nothing")
    closing = parser.add_argument_group("to close those that can never become good")
    closing.add_argument(
        "--discard",
        action="store_true",
        help="close the selected dead letters instead of sending them: for good, with a record of "
        "each in the dead-letter topic",
    )
    closing.add_argument("--why", type=_text, metavar="TEXT", help="the reason, for the record")
    closing.add_argument(
        "--by", type=_text, metavar="NAME", help="who closes them (the name of the current user)"
    )
    closing.add_argument("--yes", action="store_true", help="do not ask")


def _text(text: str) -> str:
    if not text.strip() or not text.isprintable() or len(text) > LONGEST_WHY:
        raise argparse.ArgumentTypeError(
            f"expected one line of printable text, at most {LONGEST_WHY} characters"
        )
    return text.strip()


def send_back(settings: Settings, options: argparse.Namespace, stop: Stop) -> int:
    """Send dead letters back through the worker, or close those that can never become good."""
    return send_back_asking(sys.stdin, settings, options, stop)


def send_back_asking(
    terminal: TextIO, settings: Settings, options: argparse.Namespace, stop: Stop
) -> int:
    """The same; asks on that terminal before doing what cannot be undone."""
    now = dt.datetime.now(dt.UTC)
    closure = _closure(options, now, terminal)
    wanted = _wanted(options)
    if closure is not None:
        # What is refused from now on is not in the list shown before the question.
        wanted = wanted._replace(until=min(wanted.until or now, now))

    def run(closure: Closure | None, *, dry_run: bool) -> Redriven:
        return redrive(
            settings, wanted, limit=options.limit, closure=closure, dry_run=dry_run, stop=stop
        )

    def reported(done: Redriven, *, dry_run: bool) -> int:
        for line in report(done, settings, closure, dry_run=dry_run):
            sys.stderr.write(line + "\n")
        if done.stopped:
            sys.stderr.write("stopped by a signal before the end; run it again to continue\n")
            return stop.code
        return SettingsError.exit_code if done.unopened and not dry_run else 0

    if closure is not None and not (options.yes or options.dry_run):
        listed = run(closure, dry_run=True)
        if listed.stopped or not listed.closed:
            return reported(listed, dry_run=True)
        if not stop.agreed(f"Close these {listed.closed} dead letters for good?", terminal):
            sys.stderr.write("nothing was closed\n")
            return NOT_CLOSED
        # Another redrive may have moved or closed some meanwhile, and with --limit and several
        # partitions others could come first.
        closure = closure._replace(only=frozenset(listed.places))
    return reported(run(closure, dry_run=options.dry_run), dry_run=options.dry_run)


def _wanted(options: argparse.Namespace) -> Filter:
    """The requested filter.

    Raises:
        SettingsError: no dead letter can pass it.
    """
    attempts = options.max_attempts or (None if options.discard else MOST_ATTEMPTS)
    if attempts is not None and attempts <= options.min_attempts:
        raise SettingsError(
            f"--min-attempts {options.min_attempts} and --max-attempts {attempts} leave no dead "
            "letter: those tried as often as --max-attempts are kept"
        )
    reasons = frozenset(Reason(reason) for reason in options.reason)
    return Filter(reasons, options.since, options.until, attempts, options.min_attempts)


def _closure(options: argparse.Namespace, now: dt.datetime, terminal: TextIO) -> Closure | None:
    """The requested closure.

    Raises:
        SettingsError: options are missing, or have no effect.
    """
    if not options.discard:
        unused = [name for name in ("why", "by", "yes") if getattr(options, name)]
        if unused:
            raise SettingsError(f"--{unused[0]} has no effect without --discard")
        return None
    if options.why is None:
        raise SettingsError("--discard needs --why TEXT: the reason is kept with each record")
    if not (options.yes or options.dry_run or terminal.isatty()):
        raise SettingsError(
            "--discard closes dead letters for good: add --yes, or --dry-run to list them first"
        )
    return Closure(options.why, options.by or _user(), now)


def _user() -> str:
    """The name of the current user.

    Raises:
        SettingsError: it has none, as in many containers.
    """
    try:
        return getpass.getuser()
    except (OSError, KeyError) as error:
        raise SettingsError("--by NAME is required: the current user has no name") from error


def report(
    done: Redriven, settings: Settings, closure: Closure | None, *, dry_run: bool
) -> Iterator[str]:
    """What was done with the dead letters, and why some could not be sent."""
    if done.gone:
        yield (
            f"{done.gone} cannot be sent back: they are redacted (DEAD_LETTER_VALUE) or cut, so "
            "the original claims are not in the topic, or they are larger than a claim may be; "
            "--discard closes them"
        )
    if done.forged:
        yield (
            f"{done.forged} are kept and not trusted: they are not encrypted although "
            "DEAD_LETTER_VALUE=encrypted, so anyone may have written them; if a worker wrote them "
            "before encryption was enabled, redrive with DEAD_LETTER_VALUE=original"
        )
    if done.unopened:
        yield (
            f"{done.unopened} are kept because they cannot be decrypted; the first: "
            f"{done.why_unopened}"
        )
    if done.copies:
        yield (
            f"{done.copies} are left in place and not examined again: this redrive sends another "
            f"dead letter of the same record; the first: {done.first_copy}"
        )
    for place in done.unread:
        # Not logged: the log shows only the first of several similar lines.
        yield f"{_at(place)}: the name of a header is not UTF-8, so it cannot be copied"
    for place in done.oversize:
        if closure is not None:
            yield (
                f"{_at(place)}: the record that a redrive appends for it does not fit "
                f"{settings.dead_letter_topic} (max.message.bytes); it ends with its retention"
            )
            continue
        yield (
            f"{_at(place)}: with the mark of a redrive it fits no topic; raise max.message.bytes "
            "of the claims topic and send it by hand"
        )
    if done.closed_before:
        yield f"{done.closed_before} were closed earlier"
    would = "would be " if dry_run else ""
    if closure is not None:
        yield f"{done.closed} {would}closed, {done.kept} kept"
        if closure.only is not None and done.closed < len(closure.only) and not done.stopped:
            yield (
                f"{len(closure.only)} were listed: the others could not be closed, or another "
                "redrive took them meanwhile; run it again to see what is left"
            )
    else:
        yield f"{done.sent} {would}sent to {settings.claims_topic}, {done.kept} kept"


def _at(place: Source) -> str:
    return f"left in place and not examined again: {place.topic}[{place.partition}]@{place.offset}"
