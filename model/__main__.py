"""Train, evaluate, compare and promote claim fraud models, and score files with them."""

import signal

if __name__ == "__main__":  # the imports below take about a second, and have nothing to clean up
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias

from model.artifact.store import ArtifactError
from model.cli import commands, lifecycle
from model.cli.arguments import (
    add_data,
    add_features,
    add_history,
    add_history_leak,
    add_policy,
    add_public_key,
    add_split,
    label,
    reason,
    version,
)
from model.cli.scoring import add_score
from model.cli.signals import until_stopped
from model.datasets.dataset import SYNTHETIC
from model.families.estimators import ALGORITHMS
from model.releases.signing import KeyFileError
from model.releases.terms import ACCEPT, DESPITE
from model.scoring.rules import RuleError
from model.studies import commands as studies
from schemas.contract.errors import ContractError
from schemas.printable import message_of
from schemas.streams import Parser, written

PROGRAM = "python -m model"
FAILURE = 1
_EARLIER: Final = (
    "files of earlier claims, read as --data is; they are part of the history, as the claims of "
    "--data are, and are not scored. Labels count from the day on which they became known"
)
Verbs: TypeAlias = "argparse._SubParsersAction[Parser]"


def _add_train(verbs: Verbs) -> None:
    train = verbs.add_parser("train", help="train, evaluate and save one model or all of them")
    add_data(train)
    train.add_argument(
        "--algorithm",
        choices=(*ALGORITHMS, "all"),
        default="gradient_boosting",
        help="default %(default)s; 'all' trains every one and compares them",
    )
    add_split(train)
    add_policy(train)
    add_features(train)
    train.add_argument(
        "--history",
        action="store_true",
        help="also learn from what was known of the people and things in a claim (x-entity of the "
        "contract) when it came in, by replaying the data in time; compared with a model without. "
        "Such a model needs MEMORY=on where it is served, and --history to score files",
    )
    train.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of the artifact; with --algorithm all, parent of one folder per algorithm",
    )
    train.add_argument(
        "--name", type=label, default="", help="name of the model (default: the algorithm)"
    )
    train.add_argument(
        "--model-version",
        type=version,
        default="",
        metavar="V",
        help="default: the name of the folder; date and time where that is current, or has a model",
    )
    train.add_argument(
        "--prequential",
        action="store_true",
        help="add to the report how a model retrained every month would have performed (slow)",
    )
    train.set_defaults(run=commands.train)


def _add_evaluate(verbs: Verbs) -> None:
    evaluate = verbs.add_parser(
        "evaluate",
        help="evaluate a saved model on labelled claims",
        description="Evaluate a saved model on labelled claims. One that was trained with "
        "--history is given, for each claim, what was known on the days before its report, by "
        "replaying the data in time, as in training.",
    )
    evaluate.add_argument("--model", type=Path, required=True, metavar="DIR", help="artifact")
    add_data(evaluate)
    evaluate.add_argument(
        "--split",
        choices=("random", "time", "none"),
        help="the split whose test side is evaluated; none: every row (default: the split used "
        "in training if this is the training data, otherwise none)",
    )
    evaluate.add_argument("--json", action="store_true", help="print one JSON object only")
    evaluate.add_argument(
        "--report", type=Path, metavar="FILE", help="write an HTML report with charts"
    )
    add_history(evaluate, _EARLIER)
    add_history_leak(evaluate)
    add_public_key(evaluate)
    evaluate.set_defaults(run=commands.evaluate)


def _add_score(verbs: Verbs) -> None:
    add_score(
        verbs.add_parser(
            "score",
            help="score a file of claims as a worker would",
            description="Score every claim of a file, read through the model's contract. Exit "
            "codes: 0; 1 if nothing was written, with the reason; 2 if an argument is invalid; 3 "
            "if results were written and some rows are no claims; 129, 130 or 143 if a signal "
            "ended it, without results.",
        )
    )


def _add_lifecycle(verbs: Verbs) -> None:
    show = verbs.add_parser("list", help="show the versions in a folder")
    show.add_argument("--json", action="store_true", help="one JSON object per version")
    show.set_defaults(run=lifecycle.list_versions)
    promote = verbs.add_parser("promote", help="put a version into service")
    promote.add_argument("version", metavar="VERSION", help="name of its folder")
    promote.add_argument(
        "--approver", type=label, metavar="NAME", help="who approved it; shown on the model card"
    )
    promote.add_argument(
        ACCEPT,
        action="store_true",
        help="even if it may refuse claims that the model in service takes",
    )
    promote.add_argument(
        DESPITE,
        type=reason,
        metavar="REASON",
        help="even if its figures say too little; the reason is recorded",
    )
    promote.set_defaults(run=lifecycle.promote)
    rollback = verbs.add_parser("rollback", help="put the previous version back into service")
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
    compare = verbs.add_parser("compare", help="compare the figures of several models side by side")
    compare.add_argument("models", type=Path, nargs="+", metavar="DIR", help="artifact")
    add_data(compare, required=False)
    add_history(compare, _EARLIER)
    add_history_leak(compare)
    compare.add_argument("--json", action="store_true", help="one JSON object per model")
    compare.set_defaults(run=lifecycle.compare)


def _add_studies(verbs: Verbs) -> None:
    search = verbs.add_parser(
        "search",
        help="repeat the search that chose the defaults of each family",
        description="Validate every candidate, forward in time: the families on fraud_oracle.csv "
        "before 1996, categories and screen on generated claims as well.",
    )
    search.add_argument(
        "--of",
        choices=tuple(studies.STUDIES),
        default="families",
        help="what was chosen: parameters of the families, how many categories are seen, or the "
        "level of the screen (default %(default)s)",
    )
    search.set_defaults(run=studies.search)
    quality = verbs.add_parser(
        "quality",
        help="recompute every quality figure stated in the documentation",
        description="Quality figures of each family on fraud_oracle.csv and insurance_claims.csv.",
    )
    quality.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    quality.set_defaults(run=studies.quality)
    for verb in (search, quality):
        verb.add_argument(
            "--data-dir",
            type=Path,
            required=True,
            metavar="DIR",
            help="folder with the public data sets, which are not part of this project",
        )


def _add_sign(verbs: Verbs) -> None:
    sign = verbs.add_parser("sign", help="sign a model, for workers with MODEL_PUBLIC_KEY_FILE")
    sign.add_argument("--model", type=Path, required=True, metavar="DIR", help="artifact")
    sign.add_argument(
        "--key", type=Path, required=True, metavar="FILE", help="Ed25519 private key, PEM"
    )
    sign.set_defaults(run=lifecycle.sign)


def _add_migrate(verbs: Verbs) -> None:
    migrate = verbs.add_parser(
        "migrate", help="save a model of release 0.1.0 for this one, without training it again"
    )
    migrate.add_argument("--model", type=Path, required=True, metavar="DIR", help="artifact")
    migrate.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="folder of the new artifact"
    )
    migrate.add_argument(
        "--key",
        type=Path,
        metavar="FILE",
        help="sign the new artifact with this Ed25519 private key, PEM; if the former one is "
        "signed, then with the same key",
    )
    migrate.set_defaults(run=lifecycle.migrate)


def parser(program: str = PROGRAM) -> argparse.ArgumentParser:
    """The command line's grammar."""
    root = Parser(prog=program, description=__doc__)
    verbs = root.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    rest = _add_lifecycle, _add_sign, _add_migrate, _add_studies
    for add in (_add_train, _add_evaluate, _add_score, *rest):
        add(verbs)
    return root


def _check(grammar: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Check what argparse cannot: options that depend on each other."""
    unread = options.verb == "train" and options.format is None and options.contract is None
    if unread and options.data != SYNTHETIC:
        grammar.error(
            f"--contract or --format is required with --data {options.data}; "
            "python -m schemas draft --data FILE writes a contract"
        )
    if options.verb == "train" and options.cutoff and options.split != "time":
        grammar.error("--cutoff needs --split time")


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Run one command; the result is the exit code."""
    return written(lambda: until_stopped(lambda: _run(arguments, program)))


def _run(arguments: Sequence[str] | None, program: str) -> int:
    grammar = parser(program)
    options = grammar.parse_args(arguments)
    _check(grammar, options)
    try:
        code: int | None = options.run(options)
    except BrokenPipeError:
        raise
    except (ArtifactError, ContractError, KeyFileError, RuleError, ValueError, OSError) as error:
        sys.stderr.write(f"{program} {options.verb}: {message_of(error)}\n")
        return FAILURE
    return code or 0


if __name__ == "__main__":
    sys.exit(main())
