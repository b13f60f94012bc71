"""The options of the log commands; nothing is imported here that a worker lacks."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from consumer.history.asked import entity
from model.cli.argument_types import whole

ALERTS: Final = 1_000
"""How many `check-history` checks."""
CONTRACT: Final = "contract of the claims (that of the model in MODEL_DIR)"


class _Once(argparse.Action):
    """An option that may be given once: the last one would silently win."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Take the value.

        Raises:
            ArgumentError: there is one already.
        """
        if getattr(namespace, self.dest) is not None:
            raise argparse.ArgumentError(self, "given twice: one claim, person or thing at a time")
        setattr(namespace, self.dest, values)


def add_entity_options(parser: argparse.ArgumentParser) -> argparse._MutuallyExclusiveGroup:
    """Whom `entity` and `forget` are about; returns the group, one of which must be given."""
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument(
        "--entity",
        type=entity,
        action=_Once,
        metavar="KIND=VALUE",
        help="a person or thing, by a kind of the contract; --KIND VALUE is the same: "
        '--phone "+44 20 7946 0123"',
    )
    who.add_argument("--claim", action=_Once, metavar="ID", help="a claim")
    parser.add_argument("--contract", metavar="FILE|NAME", help=CONTRACT)
    return who


def add_forget_options(parser: argparse.ArgumentParser) -> None:
    """What `forget` forgets."""
    add_entity_options(parser).add_argument(
        "--outdated",
        action="store_true",
        help="what came in more than MEMORY_DAYS before the latest claim: no later claim sees it",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """For programs."""
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")


def add_remember_options(parser: argparse.ArgumentParser) -> None:
    """The file of `remember`."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--contract", metavar="FILE|NAME", help="contract of the claims")
    which.add_argument("--model", type=Path, metavar="DIR", help="artifact, for its contract")
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="FILE",
        help=".csv, .tsv, .txt, .jsonl, .ndjson, .json, each also with .gz, or .parquet",
    )


def add_check_options(parser: argparse.ArgumentParser) -> None:
    """How much `check-history` recomputes."""
    parser.add_argument(
        "--alerts", type=whole, default=ALERTS, metavar="N", help="the latest so many (%(default)s)"
    )
    add_json_option(parser)


def add_store_options(parser: argparse.ArgumentParser, apply: Callable[..., int | None]) -> None:
    """What `memory` does: with the store of this INSTANCE_ID, or with the database.

    Args:
        parser: of the command.
        apply: what `memory apply` does until it is stopped.
    """
    commands = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    for name, said in (
        ("verify", "compare the store with the log; a store in a folder needs its process stopped"),
        ("rebuild", "fill it again from the log; a database is emptied, and its appliers fill it"),
        ("compact", "give room on the disk back, of a store in a folder"),
    ):
        add_json_option(commands.add_parser(name, help=said, description=said))
    said = "fill the database in MEMORY_STORE from the log, until it is stopped by a signal"
    applying = commands.add_parser("apply", help=said, description=said)
    applying.set_defaults(act=apply, service=True)
