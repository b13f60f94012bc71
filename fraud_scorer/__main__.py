"""``fraud-scorer VERB …``: the commands of ``consumer`` and ``model`` under one name."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Final

from consumer.ending import Ending
from consumer.stop import end_at_once
from fraud_scorer import VERSION
from schemas.streams import written

PROGRAM: Final = "fraud-scorer"
USAGE_ERROR: Final = 2
VERBS: Final = {
    "consumer": (
        "run",
        "serve",
        "outcomes",
        "demo",
        "topics",
        "generate",
        "redrive",
        "send",
        "doctor",
        "entity",
        "remember",
        "forget",
        "check-history",
        "memory",
    ),
    "model": (
        *("train", "evaluate", "score", "list", "promote", "rollback", "card", "compare"),
        *("search", "quality", "sign", "migrate"),
    ),
}
"""By the package whose command line provides them. Listed here because importing a package takes
about a second, and only the requested one should be imported."""
HEADINGS: Final = {"consumer": "Scoring claims", "model": "Making models"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    return written(lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    given = sys.argv[1:] if arguments is None else list(arguments)
    verb = given[0] if given else "--help"
    if verb in {"-h", "--help"}:
        sys.stdout.write("\n".join(_help()) + "\n")
        return 0 if given else USAGE_ERROR
    if verb == "--version":
        sys.stdout.write(f"{PROGRAM} {VERSION}\n")
        return 0
    for package, verbs in VERBS.items():
        if verb in verbs:
            code: int = import_module(f"{package}.__main__").main(given, PROGRAM)
            return code
    sys.stderr.write(f"{PROGRAM}: there is no command {verb!r}; {PROGRAM} --help lists them\n")
    return USAGE_ERROR


def _help() -> Iterator[str]:
    yield f"usage: {PROGRAM} VERB …        {PROGRAM} VERB --help explains one"
    for package, verbs in VERBS.items():
        texts = _texts(import_module(f"{package}.__main__").parser())
        yield f"\n{HEADINGS[package]}:"
        yield from (f"  {verb:10} {texts[verb]}" for verb in verbs)


def _texts(grammar: argparse.ArgumentParser) -> dict[str, str]:
    """The description of each command, as in the package's own --help."""
    (verbs,) = (a for a in grammar._actions if isinstance(a, argparse._SubParsersAction))
    return {choice.dest: choice.help or "" for choice in verbs._choices_actions}


def console() -> int:
    """The installed script: a signal ends it immediately until a command says otherwise."""
    end_at_once()
    return Ending().of(main)


if __name__ == "__main__":
    sys.exit(console())
