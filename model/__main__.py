"""Train, evaluate, compare and promote models of claim fraud."""

import argparse
import datetime as dt
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from model import commands, lifecycle
from model.artifact import ArtifactError
from model.datasets import FORMATS, SYNTHETIC, DatasetError
from model.estimators import ALGORITHMS, DEFAULT_SEED
from model.evaluate import DEFAULT_THRESHOLD
from model.signing import KeyFileError

FAILURE = 1
Verbs: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from error


def _share(text: str) -> float:
    value = _number(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _probability(text: str) -> float:
    value = _number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no probability from 0 to 1")
    return value


def _positive(text: str) -> float:
    value = _number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day like 1996-01-01") from error


def _add_data(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    parser.add_argument(
        "--data", required=required, metavar="FILE", help=f"labelled claims, or '{SYNTHETIC}'"
    )
    parser.add_argument("--format", choices=FORMATS, help="what FILE is")
    parser.add_argument(
        "--rows", type=_whole, metavar="N", help="read or generate at most N claims"
    )
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="default %(default)s")


def _add_split(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--split",
        choices=("random", "time"),
        default="random",
        help="random: stratified; time: the latest claims are tested on (default %(default)s)",
    )
    parser.add_argument(
        "--test-size",
        type=_share,
        default=0.2,
        metavar="SHARE",
        help="of the claims, to test on (default %(default)s)",
    )
    parser.add_argument(
        "--cutoff",
        type=_day,
        metavar="DATE",
        help="with --split time: test on losses of this day and later, instead of a share",
    )


def _add_policy(parser: argparse.ArgumentParser) -> None:
    policy = parser.add_argument_group(
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


def _add_train(verbs: Verbs) -> None:
    train = verbs.add_parser("train", help="train, evaluate and save one model or all")
    _add_data(train)
    train.add_argument(
        "--algorithm",
        choices=(*ALGORITHMS, "all"),
        default="gradient_boosting",
        help="default %(default)s; 'all' trains every one and compares them",
    )
    _add_split(train)
    _add_policy(train)
    train.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of the artifact; with --algorithm all, of one folder for each",
    )
    train.add_argument("--name", default="", help="name of the model (default: the algorithm)")
    train.add_argument("--model-version", default="", metavar="V", help="default: date and time")
    train.add_argument(
        "--prequential",
        action="store_true",
        help="add to the report how a model retrained each month would have done (slow)",
    )
    train.set_defaults(run=commands.train)


def _add_evaluate(verbs: Verbs) -> None:
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
    evaluate.add_argument(
        "--report", type=Path, metavar="FILE", help="write an HTML report with pictures"
    )
    evaluate.set_defaults(run=commands.evaluate)


def _add_lifecycle(verbs: Verbs) -> None:
    show = verbs.add_parser("list", help="show the versions in a folder")
    show.set_defaults(run=lifecycle.list_versions)
    promote = verbs.add_parser("promote", help="put a version into service")
    promote.add_argument("version", metavar="VERSION", help="name of its folder")
    promote.add_argument("--approver", metavar="NAME", help="who approved it; goes on the card")
    promote.set_defaults(run=lifecycle.promote)
    rollback = verbs.add_parser("rollback", help="put the version before into service again")
    rollback.set_defaults(run=lifecycle.rollback)
    for verb in (show, promote, rollback):
        verb.add_argument(
            "--root",
            type=Path,
            default=Path("artifacts"),
            metavar="DIR",
            help="folder of the versions and of 'current' (default %(default)s)",
        )
    card = verbs.add_parser("card", help="print a model's card")
    card.add_argument("model", type=Path, metavar="DIR", help="artifact")
    card.add_argument("--json", action="store_true", help="as JSON instead of Markdown")
    card.set_defaults(run=lifecycle.card)
    compare = verbs.add_parser("compare", help="figures of several models side by side")
    compare.add_argument("models", type=Path, nargs="+", metavar="DIR", help="artifact")
    _add_data(compare, required=False)
    compare.set_defaults(run=lifecycle.compare)


def _add_sign(verbs: Verbs) -> None:
    sign = verbs.add_parser("sign", help="sign a model, for workers with MODEL_PUBLIC_KEY_FILE")
    sign.add_argument("--model", type=Path, required=True, metavar="DIR", help="artifact")
    sign.add_argument(
        "--key", type=Path, required=True, metavar="FILE", help="Ed25519 private key, PEM"
    )
    sign.set_defaults(run=lifecycle.sign)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m model", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    for add in (_add_train, _add_evaluate, _add_lifecycle, _add_sign):
        add(verbs)
    return parser


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """What argparse cannot see: options that need each other."""
    if getattr(options, "data", None) is not None and options.format is None:
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
    except (ArtifactError, KeyFileError, DatasetError, ValueError, OSError) as error:
        sys.stderr.write(f"{parser.prog} {options.verb}: {error}\n")
        return FAILURE
    return 0


if __name__ == "__main__":
    sys.exit(main())
