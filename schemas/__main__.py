"""Contracts: draft one from a file, check it, and export its documents."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from schemas.cli.check import check
from schemas.cli.export import export
from schemas.contract.errors import ContractError
from schemas.drafting.draft import draft
from schemas.printable import message_of
from schemas.streams import Parser, written
from schemas.tables.rows import TableError

PROGRAM: Final = "python -m schemas"
REFUSED: Final = 1
WRONG: Final = 2


def parser(program: str = PROGRAM) -> argparse.ArgumentParser:
    """The command line's grammar."""
    root = Parser(prog=program, description=__doc__)
    verbs = root.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    drafting = verbs.add_parser("draft", help="print a contract for a file of claims, in YAML")
    drafting.add_argument("--label", metavar="COLUMN", help="the column that says what was found")
    drafting.set_defaults(run=_draft)
    checking = verbs.add_parser("check", help="check a contract, and a file against it")
    checking.set_defaults(run=_check)
    exporting = verbs.add_parser("export", help="write the documents of a contract")
    exporting.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="folder of the documents"
    )
    exporting.set_defaults(run=_export)
    for verb in (checking, exporting):
        verb.add_argument("--contract", type=Path, required=True, metavar="FILE|NAME")
    for verb, needed in ((drafting, True), (checking, False)):
        verb.add_argument(
            "--data",
            type=Path,
            required=needed,
            metavar="FILE",
            help=".csv, .tsv, .txt, .jsonl, .ndjson, .json, each also with .gz, or .parquet",
        )
    return root


def _draft(options: argparse.Namespace) -> int:
    sys.stdout.write(draft(options.data, options.label))
    return 0


def _check(options: argparse.Namespace) -> int:
    lines, accepted = check(options.contract, options.data)
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0 if accepted else REFUSED


def _export(options: argparse.Namespace) -> int:
    sys.stdout.writelines(f"{line}\n" for line in export(options.contract, options.output))
    return 0


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Run one command.

    Returns:
        0; 1 if rows of the file are refused; 2 if the contract or the file cannot be used.
    """
    return written(lambda: _run(arguments, program))


def _run(arguments: Sequence[str] | None, program: str) -> int:
    options = parser(program).parse_args(arguments)
    try:
        code: int = options.run(options)
    except (ContractError, TableError, OSError) as error:
        if isinstance(error, OSError) and error.filename is None:
            raise  # of what is written, not of a file
        sys.stderr.write(f"{program} {options.verb}: {message_of(error)}\n")
        return WRONG
    return code


if __name__ == "__main__":
    sys.exit(main())
