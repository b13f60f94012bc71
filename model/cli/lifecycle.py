"""Commands for models that exist: list, promote, roll back, sign, migrate, show, compare."""

import argparse
import datetime as dt
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec
import numpy as np

from model.artifact.store import ArtifactError, read_contract, read_manifest
from model.cli.commands import asked_for, load
from model.cli.recalling import histories_of, remembering
from model.cli.terminal import show
from model.files.writing import check_folder
from model.metrics import Report
from model.metrics import evaluate as evaluate_scores
from model.offline.contracts import called, other_claims, shared
from model.releases import signing, versions
from model.releases.migration import migrate as save_again
from model.releases.terms import Terms
from model.reports.card import card as card_of
from model.reports.card import markdown
from model.reports.documents import carried_over, read_evaluation
from model.reports.version_tables import comparison, described, version_list
from model.scoring.load import load as load_model
from model.scoring.scorer import Scorer
from schemas.contract.model import Contract
from schemas.printable import printable

_Found = TypeVar("_Found")


def list_versions(options: argparse.Namespace) -> int:
    """Show the versions of a folder; the exit code says whether all can be read."""
    found = versions.listed(options.root)
    if options.json:
        for version in found.versions:
            _json_line(version=version.name, current=version.current, manifest=version.manifest)
    else:
        show(version_list(found.versions))
        for version in found.versions:
            if version.manifest.version != versions.alone_as(version.name):
                sys.stderr.write(
                    f"{version.name} is version {version.manifest.version} in alerts and metrics\n"
                )
    return _left_out(found.damaged)


def promote(options: argparse.Namespace) -> None:
    """Put a version into service."""
    terms = Terms(contract_change=options.accept_contract_change, despite=options.despite)
    done = versions.promote(
        options.root, options.version, _now(), options.approver, terms=terms, say=_warn
    )
    sys.stdout.write(versions.said(options.root, done))


def rollback(options: argparse.Namespace) -> None:
    """Put the previous version back into service."""
    sys.stdout.write(versions.said(options.root, versions.rollback(options.root, _now(), _warn)))


def sign(options: argparse.Namespace) -> None:
    """Write the signature of a model."""
    written = signing.sign(options.model, signing.private_key(options.key))
    sys.stdout.write(f"{written} written\n")


def migrate(options: argparse.Namespace) -> None:
    """Save a model of a former release in the present format."""
    check_folder("--output", options.output.parent)
    key = None if options.key is None else signing.private_key(options.key)
    signature = save_again(options.model, options.output, carried_over, key)
    sys.stdout.write(f"saved {options.output}; {options.model} is left as it is\n")
    if signature is not None:
        sys.stdout.write(f"{signature} written\n")
    elif (options.model / signing.SIGNATURE_FILE).exists():
        sys.stderr.write(
            f"warning: {options.model} is signed, {options.output} is not yet: "
            f"python -m model sign --model {options.output} --key FILE\n"
        )


def card(options: argparse.Namespace) -> None:
    """Print a model's card."""
    folder = options.model.resolve()
    manifest = read_manifest(folder)
    contract = read_contract(folder, manifest)
    approver = versions.approver_of(options.model)
    found = card_of(manifest, contract, read_evaluation(folder), approver)
    encoded = msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"
    sys.stdout.write(encoded if options.json else markdown(found))


def compare(options: argparse.Namespace) -> int:
    """Compare figures of several models: as stored, or evaluated now on the same claims.

    The exit code says whether all can be read and compared; those that cannot are left out.
    """
    if options.data is not None:
        scorers, contract, left_out = _comparable(options)
        manifests = [scorer.manifest for scorer in scorers]
        reports, title = _on_same_claims(scorers, contract, options) if scorers else ([], "")
    elif options.history:
        raise ValueError("--history is for --data: figures that are stored do not change")
    else:
        manifests, left_out = _readable(read_manifest, options.models)
        reports, title = [m.metrics for m in manifests], "as stored with each model"
        tests = {(m.trained_on.sha256, described(m.split)) for m in manifests}
        if len(tests) > 1:
            sys.stderr.write(
                "warning: these figures are from different test claims and cannot be compared; "
                "use --data to compare on the same claims\n"
            )
    if options.json:
        for manifest, report in zip(manifests, reports, strict=True):
            _json_line(name=manifest.name, version=manifest.version, metrics=report)
    elif manifests:
        names = [f"{m.name} {m.version}" for m in manifests]
        show(comparison(list(zip(names, reports, strict=True)), title))
    return _left_out(left_out)


def _readable(
    read: Callable[[Path], _Found], folders: Sequence[Path]
) -> tuple[list[_Found], list[str]]:
    """What is read from the folders, and why it cannot be read from the others."""
    found, damaged = [], []
    for folder in folders:
        try:
            found.append(read(folder))
        except ArtifactError as error:
            damaged.append(str(error))
    return found, damaged


def _left_out(damaged: Sequence[str]) -> int:
    """Report what was left out; returns the exit code."""
    for line in damaged:
        sys.stderr.write(f"left out: {line}\n")
    return 1 if damaged else 0


class _Model(NamedTuple):
    """A model to compare."""

    folder: Path
    scorer: Scorer

    @property
    def contract(self) -> Contract:
        """What its claims are, without the fields of its history."""
        return self.scorer.decoder.contract


def _loaded(folder: Path) -> _Model:
    return _Model(folder, load_model(folder, remembers=True))


def _comparable(
    options: argparse.Namespace,
) -> tuple[list[Scorer], Contract | None, list[str]]:
    """The models that score such claims, what the claims are read through, and why the others are
    left out.

    Raises:
        ValueError: neither a format nor a contract was asked for, and the models do not agree.
    """
    models, left_out = _readable(_loaded, options.models)
    if not models:
        return [], None, left_out
    contract = asked_for(options) or _shared(models, options)
    found = []
    for model in models:
        why = other_claims(model.contract, contract)
        if why is None:
            found.append(model.scorer)
        else:
            data = printable(options.data)
            left_out.append(
                f"{model.folder} cannot be compared on {data}: {why}; compare it with models of "
                "its own contract"
            )
    return found, contract, left_out


def _shared(models: Sequence[_Model], options: argparse.Namespace) -> Contract:
    found = shared([model.contract for model in models])
    if found is None:
        each = ", ".join(f"{model.folder} of {called(model.contract)}" for model in models)
        raise ValueError(
            f"the models are of different contracts ({each}): say with --contract or --format what "
            f"{options.data} is to be read through; models of another contract are left out"
        )
    return found


def _on_same_claims(
    scorers: Sequence[Scorer], contract: Contract | None, options: argparse.Namespace
) -> tuple[list[Report], str]:
    remembers = any(scorer.history is not None for scorer in scorers)
    dataset = load(options, contract, with_history=remembers)
    for scorer in scorers:
        if scorer.manifest.trained_on.sha256 == dataset.digest:
            sys.stderr.write(
                f"warning: {scorer.name} {scorer.version} was trained on some of these claims\n"
            )
    every = np.arange(len(dataset.claims))
    reports = [
        evaluate_scores(
            dataset.labels, scorer.score(its.claims, histories_of(scorer, its)), scorer.threshold
        )
        for scorer, its in zip(scorers, remembering(scorers, dataset, every, options), strict=True)
    ]
    return reports, f"{dataset.name}: every row"


def _json_line(**fields: object) -> None:
    sys.stdout.write(msgspec.json.encode(fields).decode() + "\n")


def _warn(text: str) -> None:
    sys.stderr.write(f"warning: {text}\n")


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(microsecond=0)
