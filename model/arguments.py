"""Arguments that several commands share: their types and their groups."""

import argparse
import datetime as dt

from model.columns import DERIVED, FIELDS
from model.datasets import FORMATS, SYNTHETIC
from model.estimators import DEFAULT_SEED
from model.evaluate import DEFAULT_THRESHOLD
from model.versions import is_name


def number(text: str) -> float:
    """Any number."""
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from error


def share(text: str) -> float:
    """A number between 0 and 1, neither of them."""
    value = number(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def probability(text: str) -> float:
    """A number from 0 to 1."""
    value = number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no probability from 0 to 1")
    return value


def positive(text: str) -> float:
    """A finite number above 0."""
    value = number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def whole(text: str) -> int:
    """A whole number from 1."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def version(text: str) -> str:
    """The version of a model, which may become the name of a folder; empty for the default."""
    if text and not is_name(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} cannot be the name of a folder: no slash, no dot in front, not 'current'"
        )
    return text


def day(text: str) -> dt.date:
    """A day as 1996-01-01."""
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day like 1996-01-01") from error


def add_data(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Which claims."""
    parser.add_argument(
        "--data", required=required, metavar="FILE", help=f"labelled claims, or '{SYNTHETIC}'"
    )
    parser.add_argument("--format", choices=FORMATS, help="what FILE is")
    parser.add_argument("--rows", type=whole, metavar="N", help="read or generate at most N claims")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="default %(default)s")


def add_split(parser: argparse.ArgumentParser) -> None:
    """How claims are parted into training and test."""
    parser.add_argument(
        "--split",
        choices=("random", "time"),
        default="random",
        help="random: stratified; time: the latest claims are tested on (default %(default)s)",
    )
    parser.add_argument(
        "--test-size",
        type=share,
        default=0.2,
        metavar="SHARE",
        help="of the claims, to test on (default %(default)s)",
    )
    parser.add_argument(
        "--cutoff",
        type=day,
        metavar="DATE",
        help="with --split time: test on losses of this day and later, instead of a share",
    )


def add_policy(parser: argparse.ArgumentParser) -> None:
    """How the threshold is chosen."""
    policy = parser.add_argument_group(
        "threshold", "how the probability that is a referral is chosen; one of"
    ).add_mutually_exclusive_group()
    policy.add_argument(
        "--threshold",
        type=probability,
        default=DEFAULT_THRESHOLD,
        metavar="P",
        help="fixed (default %(default)s)",
    )
    policy.add_argument(
        "--alert-share", type=share, metavar="SHARE", help="budget: the highest share of claims"
    )
    policy.add_argument(
        "--alerts-per-day", type=positive, metavar="N", help="budget: N claims a day on average"
    )
    policy.add_argument(
        "--costs",
        type=positive,
        nargs=2,
        metavar=("MISSED", "INVESTIGATION"),
        help="cost of a fraud missed and of an investigation, in one currency",
    )


def feature(name: str) -> str:
    """A column that a model can be told to use."""
    if name not in FIELDS and name not in DERIVED:
        raise argparse.ArgumentTypeError(f"{name!r} is no field of a claim and no derived column")
    return name


def add_features(parser: argparse.ArgumentParser) -> None:
    """What the model may see, and what of it the leak alarm is to let pass."""
    features = parser.add_argument_group("features", "beside the default ones")
    features.add_argument(
        "--feature",
        action="append",
        default=[],
        type=feature,
        metavar="NAME",
        help="let the model see this field as well; may be repeated",
    )
    features.add_argument(
        "--allow-leak",
        action="append",
        default=[],
        metavar="NAME",
        help="train although the leak alarm stopped for this column; may be repeated",
    )
