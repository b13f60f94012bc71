"""The command ``score``."""

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Final

from model.cli.arguments import add_history, add_public_key, signature_check
from model.cli.recalling import file_histories
from model.cli.terminal import counting, remark
from model.offline.forms import form_for
from model.offline.run import Told, Totals, score_file
from model.offline.target import check_target
from model.scoring.load import load
from model.scoring.rules import load as load_rules
from model.scoring.rules import shipped_rules
from model.scoring.scorer import Scorer
from schemas.alert import Decision
from schemas.printable import listed
from schemas.tables.batches import BatchFile

REJECTED: Final = 3
"""Exit code if results were written, and some rows are no claims."""
STANDARD_OUTPUT: Final = "-"


def output(text: str) -> Path | None:
    """A file of results; None is standard output."""
    if text == STANDARD_OUTPUT:
        return None
    try:
        form_for(Path(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return Path(text)


def add_score(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--model", type=Path, required=True, metavar="DIR", help="artifact")
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="FILE",
        help="claims, with or without labels: .csv, .tsv, .txt, .jsonl, .ndjson, .json, each also "
        "with .gz, or .parquet",
    )
    parser.add_argument(
        "--output",
        type=output,
        metavar="FILE",
        help=".csv or .jsonl, each also with .gz, or .parquet; - is standard output, as JSON lines "
        "(the default)",
    )
    parser.add_argument(
        "--rejected",
        type=Path,
        metavar="FILE",
        help="write rows that are no claims to FILE, as CSV: line, column, value, rule",
    )
    parser.add_argument(
        "--rules", type=Path, metavar="FILE", help="rules to use instead of those of the product"
    )
    add_history(
        parser,
        "files of earlier claims, with or without labels, read as FILE is. Each claim is scored "
        "with what was known on the days before its report, from these files and from FILE: "
        "claims, and labels from the day on which they became known (x-label, decided), or 90 "
        "days after the report if no file says when. Required by such a model; may be FILE itself",
    )
    add_public_key(parser)
    parser.set_defaults(run=score)


def score(options: argparse.Namespace) -> int:
    """Score a file of claims; the exit code says whether all of its rows are claims."""
    used = {"--data": options.data}
    for option, path in (("--output", options.output), ("--rejected", options.rejected)):
        if path is not None:
            check_target(option, path, used)
            used |= {option: path}
    rules = shipped_rules if options.rules is None else partial(load_rules, options.rules)
    scorer = load(options.model, rules, signature_check(options), remembers=True)
    known = file_histories(scorer, options)
    with counting() as progress:
        task = progress.add_task("reading", total=None)
        told = Told(
            line=partial(remark, progress),
            opened=_say_what_is_unused,
            done=lambda scored, refused: progress.update(
                task, description=f"{scored:,} claims scored, {refused:,} rows rejected"
            ),
        )
        totals = score_file(scorer, options.data, options.output, options.rejected, told, known)
    sys.stderr.write(_summary(options.data, scorer, totals))
    return REJECTED if totals.rejected else 0


def _say_what_is_unused(file: BatchFile) -> None:
    if file.columns is None:
        return
    if file.columns.unused:
        sys.stderr.write(f"not in the contract: columns {listed(file.columns.unused)}\n")
    if file.columns.absent:
        sys.stderr.write(f"fields without a column: {', '.join(file.columns.absent)}\n")


def _summary(data: Path, scorer: Scorer, totals: Totals) -> str:
    counts = ", ".join(f"{totals.decisions[decision]:,} {decision}" for decision in Decision)
    return (
        f"{data.name}: {totals.scored:,} claims scored by {scorer.name} {scorer.version} "
        f"({counts}), {totals.rejected:,} rows rejected\n"
    )
