"""Arguments shared by several commands: their types and groups."""

import argparse
from pathlib import Path

from model.artifact.manifest import MAX_NAME
from model.artifact.store import Verify, anything
from model.cli.argument_types import day, positive, probability, seed, share, whole
from model.datasets.dataset import FORMATS, SYNTHETIC
from model.families.estimators import DEFAULT_SEED
from model.metrics import DEFAULT_THRESHOLD
from model.releases.signing import public_key, signed_by
from model.releases.versions import is_name


def version(text: str) -> str:
    """The version of a model, which may become a folder name; empty for the default."""
    if text and not is_name(text):
        raise argparse.ArgumentTypeError(
            f"{text!r} cannot be used as a folder name: no slash, no leading dot, not 'current'"
        )
    return text


def label(text: str) -> str:
    """A name that is shown to people and published: one line of text."""
    if not text.isprintable() or len(text) > MAX_NAME:
        raise argparse.ArgumentTypeError(
            f"{text[:MAX_NAME]!r} is not a name of at most {MAX_NAME} printable characters"
        )
    return text


def reason(text: str) -> str:
    """Why something is done that is advised against: a line of text that says something."""
    if not text.strip():
        raise argparse.ArgumentTypeError("an empty text is not a reason")
    return label(text.strip())


def add_data(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add the arguments that select claims."""
    parser.add_argument(
        "--data", required=required, metavar="FILE", help=f"labelled claims, or '{SYNTHETIC}'"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--format", choices=FORMATS, help="format of FILE, one that needs no contract"
    )
    form.add_argument(
        "--contract",
        type=Path,
        metavar="CONTRACT",
        help="contract that FILE is read through: a file, which python -m schemas draft writes, "
        "or the name of one that comes with the product",
    )
    parser.add_argument("--rows", type=whole, metavar="N", help="read or generate at most N claims")
    parser.add_argument("--seed", type=seed, default=DEFAULT_SEED, help="default %(default)s")


def add_public_key(parser: argparse.ArgumentParser) -> None:
    """Add the argument that requires a signature of the model."""
    parser.add_argument(
        "--public-key",
        type=Path,
        metavar="FILE",
        help="load only a model that is signed with this Ed25519 key, PEM, as workers do with "
        "MODEL_PUBLIC_KEY_FILE",
    )


def signature_check(options: argparse.Namespace) -> Verify:
    """The check of a model before it is loaded; without --public-key there is none.

    Raises:
        KeyFileError: the file is missing, or contains no such key.
    """
    file: Path | None = options.public_key
    return anything if file is None else signed_by(public_key(file))


def add_history(parser: argparse.ArgumentParser, what: str) -> None:
    """Add the arguments for models that learnt from history.

    Args:
        parser: of the command.
        what: is said of the files of earlier claims.
    """
    parser.add_argument(
        "--history",
        action="extend",
        nargs="+",
        default=[],
        metavar="FILE",
        help=f"of a model that was trained with --history: {what}",
    )


def add_history_leak(parser: argparse.ArgumentParser) -> None:
    """Add the argument that allows history which knows too much."""
    parser.add_argument(
        "--allow-leak",
        action="append",
        default=[],
        choices=("history",),
        metavar="history",
        help="evaluate even though history knows what nobody can have known, as of outcomes that "
        "are dated on the day of the report",
    )


def add_split(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that split claims into training and test."""
    parser.add_argument(
        "--split",
        choices=("random", "time"),
        default="random",
        help="random: stratified; time: the latest claims are held out (default %(default)s)",
    )
    parser.add_argument(
        "--test-size",
        type=share,
        default=0.2,
        metavar="SHARE",
        help="share of the claims to test on (default %(default)s)",
    )
    parser.add_argument(
        "--cutoff",
        type=day,
        metavar="DATE",
        help="with --split time: test on losses on or after this day, instead of a share",
    )


def add_policy(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that choose the threshold."""
    policy = parser.add_argument_group(
        "threshold", "how the probability that leads to a referral is chosen; one of"
    ).add_mutually_exclusive_group()
    policy.add_argument(
        "--threshold",
        type=probability,
        metavar="P",
        help=f"fixed (default {DEFAULT_THRESHOLD})",
    )
    policy.add_argument(
        "--alert-share",
        type=share,
        metavar="SHARE",
        help="budget: refer at most this share of claims, and of those with one score all or none",
    )
    policy.add_argument(
        "--alerts-per-day",
        type=positive,
        metavar="N",
        help="the same for claims per day: at most N on average",
    )
    policy.add_argument(
        "--costs",
        type=positive,
        nargs=2,
        metavar=("MISSED", "INVESTIGATION"),
        help="cost of a missed fraud and of an investigation, in the same currency",
    )


def add_features(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for features, and for those that the leak alarm should ignore."""
    features = parser.add_argument_group("features", "in addition to the default ones")
    features.add_argument(
        "--feature",
        action="append",
        default=[],
        metavar="NAME",
        help="also let the model see this field; may be repeated",
    )
    features.add_argument(
        "--allow-leak",
        action="append",
        default=[],
        metavar="NAME",
        help="train even though the leak alarm reports this column; may be repeated",
    )
