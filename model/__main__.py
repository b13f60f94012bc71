"""Command line: ``python -m model train`` and ``python -m model evaluate``."""

import argparse
import datetime as dt
import sys
from collections.abc import Sequence
from pathlib import Path

from model import commands
from model.artifact import ArtifactError
from model.datasets import FORMATS, SYNTHETIC, DatasetError
from model.estimators import ALGORITHMS, DEFAULT_SEED
from model.evaluate import DEFAULT_THRESHOLD

USAGE, FAILURE = 2, 1


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _probability(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _whole(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", required=True, metavar="FILE", help=f"labelled claims, or '{SYNTHETIC}'"
    )
    parser.add_argument("--format", choices=FORMATS, help="what FILE is")
    parser.add_argument(
        "--rows", type=_whole, metavar="N", help="read or generate at most N claims"
    )
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="default %(default)s")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m model", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")

    train = verbs.add_parser("train", help="train, evaluate and save one model or all")
    _add_data(train)
    train.add_argument(
        "--algorithm",
        choices=(*ALGORITHMS, "all"),
        default="gradient_boosting",
        help="default %(default)s; 'all' trains every one and compares them",
    )
    train.add_argument(
        "--split",
        choices=("random", "time"),
        default="random",
        help="random: stratified; time: the latest claims are tested on (default %(default)s)",
    )
    train.add_argument(
        "--test-size",
        type=_share,
        default=0.2,
        metavar="SHARE",
        help="of the claims, to test on (default %(default)s)",
    )
    train.add_argument(
        "--cutoff",
        type=dt.date.fromisoformat,
        metavar="DATE",
        help="with --split time: test on losses of this day and later, instead of a share",
    )
    policy = train.add_argument_group(
        "threshold", "how the probability that is a referral is chosen; one of"
    ).add_mutually_exclusive_group()
    policy.add_argument(
        "--threshold",
        type=_probability,
        default=DEFAULT_THRESHOLD,
        metavar="P",
        help="fixed (default %(default)s)",
    )
    policy.add_argument(
        "--alert-share", type=_share, metavar="SHARE", help="budget: the highest share of claims"
    )
    policy.add_argument(
        "--alerts-per-day", type=_positive, metavar="N", help="budget: N claims a day on average"
    )
    policy.add_argument(
        "--costs",
        type=_positive,
        nargs=2,
        metavar=("MISSED", "INVESTIGATION"),
        help="cost of a fraud missed and of an investigation, in one currency",
    )
    train.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of the artifact; with --algorithm all, of one folder for each",
    )
    train.add_argument("--name", default="", help="name of the model (default: the algorithm)")
    train.add_argument("--model-version", default="", metavar="V", help="default: date and time")
    train.set_defaults(run=commands.train)

    evaluate = verbs.add_parser("evaluate", help="evaluate a saved model on labelled claims")
    evaluate.add_argument("--model", type=Path, required=True, metavar="DIR", help="artifact")
    _add_data(evaluate)
    evaluate.add_argument(
        "--split",
        choices=("random", "time", "none"),
        help="test side of which split; none: every row (default: as in training "
        "if this is the training data, otherwise none)",
    )
    evaluate.add_argument("--json", action="store_true", help="print one JSON object only")
    evaluate.set_defaults(run=commands.evaluate)
    return parser


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """What argparse cannot see: options that need each other."""
    if options.format is None:
        if options.data != SYNTHETIC:
            parser.error(f"--format is needed with --data {options.data}")
        options.format = SYNTHETIC
    if options.verb == "train" and options.cutoff and options.split != "time":
        parser.error("--cutoff needs --split time")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the result is the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    _check(parser, options)
    try:
        options.run(options)
    except (ArtifactError, DatasetError, ValueError, OSError) as error:
        sys.stderr.write(f"{parser.prog} {options.verb}: {error}\n")
        return FAILURE
    return 0


if __name__ == "__main__":
    sys.exit(main())
