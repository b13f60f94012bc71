"""The commands ``train`` and ``evaluate``."""

import argparse
import datetime as dt
import difflib
import sys
from collections.abc import Mapping, Sequence
from functools import partial

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import Progress

from model.arrays import Indices
from model.artifact import store as artifact
from model.artifact.manifest import Manifest, SplitPlan
from model.artifact.reference import stated_columns, too_little_known
from model.artifact.store import ArtifactError, Contents
from model.cli.arguments import signature_check
from model.cli.history import (
    check_for_leaks,
    gain_of,
    named_without,
    replayed,
)
from model.cli.recalling import histories_of, remembering
from model.cli.terminal import show
from model.datasets import dataset as datasets
from model.datasets.dataset import Dataset
from model.evaluation.details import details
from model.evaluation.memory import MemoryGain
from model.evaluation.walk_forward import MonthlyStep, prequential, windows
from model.families.estimators import ALGORITHMS
from model.files.writing import check_file, check_folder, write
from model.history.learning import DatasetPast
from model.leaks import check as leaks
from model.leaks.history import HISTORY
from model.metrics import DEFAULT_THRESHOLD
from model.metrics import evaluate as evaluate_scores
from model.offline.contracts import other_claims
from model.releases import versions
from model.releases.placing import NamedFolder, place, put_into_service, refuse_existing, version_of
from model.reports.card import by_reason
from model.reports.cases import cases
from model.reports.documents import can_draw, documents
from model.reports.version_tables import comparison, described
from model.samples.lines import AUTO
from model.scoring.load import load as load_model
from model.scoring.scorer import Scorer
from model.thresholds import Cost, Fixed, PerDay, Policy, Top
from model.training.splits import Split
from model.training.train import FOLDS, Trained, fit, package, pick, predict, split
from model.training.train import train as train_model
from schemas.cli.named import named
from schemas.contract.model import Contract
from schemas.contract.parse import shipped
from schemas.printable import listed, printable


def asked_for(options: argparse.Namespace) -> Contract | None:
    """The contract of the claims by --contract or --format; None if neither was given.

    Raises:
        ContractError: there is no such contract, or it is not valid.
    """
    if options.contract is not None:
        return named(options.contract)
    return None if options.format is None else shipped(AUTO)


def load(
    options: argparse.Namespace, contract: Contract | None = None, *, with_history: bool = False
) -> Dataset:
    """The requested claims; anything unusual about them is reported on standard error.

    Args:
        options: the command's.
        contract: to read them through if neither a format nor a contract was asked for.
        with_history: also read what only the history of others is made of.
    """
    if options.contract is not None:
        contract = named(options.contract)
    if options.format is not None or contract is None:
        dataset = datasets.load(
            options.data,
            options.format,
            seed=options.seed,
            rows=options.rows,
            for_history=with_history,
        )
    else:
        dataset = datasets.load_by_contract(
            options.data,
            contract,
            rows=options.rows,
            seed=options.seed,
            for_history=with_history,
        )
    for line in dataset.rejected:
        sys.stderr.write(f"rejected: {printable(str(line))}\n")
    if dataset.unlabelled:
        sys.stderr.write(f"left out: {dataset.unlabelled:,} claims without a label\n")
    if dataset.unused:
        sys.stderr.write(f"not in the contract: columns {listed(dataset.unused)}\n")
    if dataset.duplicates.claims:
        sys.stderr.write(f"warning: {printable(dataset.name)}: {dataset.duplicates.text()}\n")
    return dataset


def train(options: argparse.Namespace) -> None:
    """Train the requested algorithm, or all; save each with its documents; print their figures."""
    every = options.algorithm == "all"
    algorithms = ALGORITHMS if every else (options.algorithm,)
    outputs = [options.output / name if every else options.output for name in algorithms]
    places = [place(output, options.model_version) for output in outputs]  # before the work
    for where in places:
        check_folder("--output", where.output.parent)
    if every and any(where.in_service for where in places):
        raise ArtifactError(f"a model in {options.output} is in service: name another --output")
    if every and (options.output / artifact.MANIFEST_FILE).exists():
        raise ArtifactError(f"{options.output} is an artifact and cannot hold several models")
    if every and options.output.name == versions.CURRENT:
        raise ArtifactError(
            f"--output {options.output} is for the model in service: name another folder for all, "
            "then promote one of them"
        )
    called = [
        options.model_version or version_of(output, one_of_several=every) for output in outputs
    ]
    stated = load(options, with_history=options.history)
    past, dataset = replayed(stated) if options.history else (None, stated)
    plan = SplitPlan(
        kind=options.split, test_size=options.test_size, seed=options.seed, cutoff=options.cutoff
    )
    features = _features(dataset.contract, options.feature)
    sides = split(dataset, plan)
    checked = _look_for_leaks(dataset, sides.train, features, options)
    if past is not None:
        checked = check_for_leaks(checked, past, dataset, sides.train, options)
    family = [
        _train(dataset, algorithm, plan, sides, features, options, past) for algorithm in algorithms
    ]
    reports = [(trained.algorithm, trained.report) for trained in family]
    memories: list[MemoryGain | None] = [None] * len(family)
    if past is not None:
        plain = _features(stated.contract, options.feature)
        former = [
            _train(stated, algorithm, plan, sides, plain, options) for algorithm in algorithms
        ]
        reports += zip(named_without(former), [one.report for one in former], strict=True)
        memories = [gain_of(past, dataset, *both) for both in zip(family, former, strict=True)]
    show(comparison(reports, f"{dataset.name}: {described(plan)}"))
    if not can_draw():
        sys.stderr.write("no report.html: matplotlib is missing (make setup installs it)\n")
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    for trained, memory, where, version in zip(family, memories, places, called, strict=True):
        _warn(trained, options)
        steps = _steps(dataset, trained, features) if options.prequential else ()
        contents, manifest = package(trained, created_at=now, name=options.name, version=version)
        made = _documents(manifest, trained, family, dataset, steps, checked, memory)
        _save(where, contents, manifest, made, now)


def _documents(
    manifest: Manifest,
    trained: Trained,
    family: Sequence[Trained],
    dataset: Dataset,
    steps: Sequence[MonthlyStep],
    checked: leaks.LeakCheck | None,
    memory: MemoryGain | None,
) -> dict[str, bytes]:
    with _progress() as progress:
        task = progress.add_task(
            f"importance of the features of {trained.algorithm}", total=len(manifest.features)
        )
        return documents(
            manifest, trained, family, dataset, steps, checked, memory,
            on_feature=lambda: progress.advance(task),
        )  # fmt: skip


def _save(
    where: NamedFolder,
    contents: Contents,
    manifest: Manifest,
    made: Mapping[str, bytes],
    now: dt.datetime,
) -> None:
    """Save a model; in place of the one in service, as a version that is promoted."""
    folder = where.folder(manifest.version)
    if where.in_service:
        refuse_existing(folder)
    replaced = folder.exists()
    artifact.save(folder, contents, manifest, made)
    sys.stdout.write(f"saved {folder}{', in place of the model there' if replaced else ''}\n")
    if where.in_service:
        done = put_into_service(folder, now, lambda text: _say(f"warning: {text}"))
        root = folder.parent
        sys.stdout.write(versions.said(root, done))
        sys.stdout.write(f"python -m model rollback --root {root} goes back to {done.replaced}\n")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _warn(trained: Trained, options: argparse.Namespace) -> None:
    """Report what the model does not use, and what speaks against using it."""
    for why, names in by_reason(trained.left_out).items():
        sys.stderr.write(f"not used by {trained.algorithm}, {why}: {', '.join(names)}\n")
    for doubt in trained.doubts:
        sys.stderr.write(f"warning: {trained.algorithm}: {doubt}\n")
    unchosen = _without_budget(trained, options)
    if unchosen is not None:
        sys.stderr.write(f"{trained.algorithm}: {unchosen}\n")
    for warning in trained.warnings:
        sys.stderr.write(f"warning: {trained.algorithm}: {warning}\n")


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(console=console, transient=True, disable=not console.is_terminal)


def _train(
    dataset: Dataset,
    algorithm: str,
    plan: SplitPlan,
    sides: Split,
    features: Sequence[str],
    options: argparse.Namespace,
    past: DatasetPast | None = None,
) -> Trained:
    with _progress() as progress:
        task = progress.add_task(f"training {algorithm}", total=FOLDS + 1)
        return train_model(
            dataset,
            algorithm,
            plan,
            features=features,
            seed=options.seed,
            policy=_policy(options),
            sides=sides,
            history=None if past is None else past.plan,
            on_fit=lambda: progress.advance(task),
        )


def _features(contract: Contract, more: Sequence[str]) -> tuple[str, ...]:
    """The features that the contract names, and more.

    Raises:
        ValueError: one is neither a field nor a derived fact.
    """
    for name in more:
        if name not in contract.fields and name not in contract.derived:
            close = difflib.get_close_matches(name, [*contract.fields, *contract.derived], 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise ValueError(
                f"--feature {name}: neither a field nor a derived fact of contract "
                f"{contract.about.name}{hint}"
            )
    return tuple(dict.fromkeys((*contract.features(), *more)))


def _look_for_leaks(
    dataset: Dataset, rows: Indices, features: Sequence[str], options: argparse.Namespace
) -> leaks.LeakCheck | None:
    """Stop for a leak before anything is trained; warn of what is worth knowing otherwise."""
    with _progress() as progress:
        task = progress.add_task("checking for leaks", total=None)
        checked = leaks.check(
            dataset.contract,
            pick(dataset.claims, rows),
            dataset.labels[rows],
            dataset.groups[rows],
            features,
            allowed=options.allow_leak,
            known=(HISTORY,) if options.history else (),
            seed=options.seed,
            on_look=lambda done, total: progress.update(task, completed=done, total=total),
        )
    for line in () if checked is None else checked.warnings():
        sys.stderr.write(f"warning: {line}\n")
    return checked


def _steps(dataset: Dataset, trained: Trained, features: Sequence[str]) -> tuple[MonthlyStep, ...]:
    contract = dataset.contract
    count = sum(1 for _ in windows(dataset))
    with _progress() as progress:
        task = progress.add_task(f"{trained.algorithm} month by month", total=count)
        return prequential(
            dataset,
            partial(
                fit, contract, algorithm=trained.algorithm, features=features, seed=trained.seed
            ),
            partial(predict, contract),
            trained.levels.threshold,
            on_fit=lambda: progress.advance(task),
        )


def _policy(options: argparse.Namespace) -> Policy:
    if options.alert_share is not None:
        return Top(options.alert_share)
    if options.alerts_per_day is not None:
        return PerDay(options.alerts_per_day)
    if options.costs is not None:
        missed_fraud, investigation = options.costs
        return Cost(missed_fraud, investigation)
    return Fixed(DEFAULT_THRESHOLD if options.threshold is None else options.threshold)


def _without_budget(trained: Trained, options: argparse.Namespace) -> str | None:
    """What the threshold means that nobody chose; None if somebody did."""
    given = options.alert_share, options.alerts_per_day, options.costs, options.threshold
    if any(choice is not None for choice in given):
        return None
    referred = float((np.array(trained.reference.scores) >= trained.levels.threshold).mean())
    a_day = referred * trained.data.claims_per_day
    number = f"{a_day:,.0f}" if a_day >= 100 else f"{a_day:.3g}"
    return (
        f"nothing says how many claims to refer, so the threshold is {DEFAULT_THRESHOLD}: it "
        f"refers {referred:.1%} of the training claims, {number} a day; "
        "--alert-share 0.05 would refer 5 %"
    )


def evaluate(options: argparse.Namespace) -> None:
    """Evaluate a saved model on the test side of a split, or on all rows."""
    if options.report is not None and not can_draw():
        raise ValueError("--report needs matplotlib (make setup installs it)")
    if options.report is not None:
        check_file("--report", options.report)
    scorer = load_model(options.model, verify=signature_check(options), remembers=True)
    remembers = scorer.history is not None
    _refuse_other_claims(scorer, options)
    stated = load(options, scorer.decoder.contract, with_history=remembers)
    rows, plan = rows_to_test(scorer.manifest, stated, options.split)
    seen = overlap(scorer.manifest, stated, rows)
    if seen:
        sys.stderr.write(
            f"warning: the model was trained on {seen} of {len(rows)} rows: the figures are too "
            "optimistic\n"
        )
    (dataset,) = remembering([scorer], stated, rows, options)
    tested = dataset.part(rows)
    histories = histories_of(scorer, tested)
    labels, scores = tested.labels, scorer.score(tested.claims, histories)
    if options.report is not None:
        from model.reports.figures import Scored  # noqa: PLC0415 - matplotlib is an extra
        from model.reports.report import html  # noqa: PLC0415

        codes = scorer.codes(tested.claims, histories)
        own = codes[:, stated_columns(scorer.features, scorer.history)]
        unknown = too_little_known(own, scorer.reference.least_known)
        found = msgspec.structs.replace(
            details(tested, scores, scorer.threshold), too_little_known=float(unknown.mean())
        )
        page = html(
            scorer.manifest,
            found,
            Scored(scorer.name, labels, scores),
            examples=None if seen else cases(scorer, tested, scores),
        )
        write(options.report, page.encode())
    report = evaluate_scores(labels, scores, scorer.threshold)
    if options.json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
        return
    show(comparison([(scorer.name, report)], f"{dataset.name}: {described(plan)}"))


def _refuse_other_claims(scorer: Scorer, options: argparse.Namespace) -> None:
    """Check that the claims are to be read as those that the model scores.

    Raises:
        ValueError: they are not.
    """
    asked = asked_for(options)
    why = None if asked is None else other_claims(scorer.decoder.contract, asked)
    if why is not None:
        option = "--format" if options.contract is None else "--contract"
        raise ValueError(
            f"{scorer.name} {scorer.version} cannot be evaluated on {printable(options.data)}: "
            f"{why}; without {option} they are read through the model's own"
        )


def rows_to_test(
    manifest: Manifest, dataset: Dataset, kind: str | None
) -> tuple[Indices, SplitPlan]:
    """Rows to evaluate on: for training data, the side the model has not seen, if requested."""
    plan = manifest.split
    if kind is None:
        kind = plan.kind if _same_rows(manifest, dataset) else "none"
    if kind != plan.kind:
        plan = msgspec.structs.replace(plan, kind=kind, cutoff=None)
    return split(dataset, plan).test, plan


def _same_rows(manifest: Manifest, dataset: Dataset) -> bool:
    """True if the data set is the one trained on, so that its split can be repeated."""
    trained_on = manifest.trained_on
    if dataset.digest != trained_on.sha256:
        return False
    if len(dataset.claims) != trained_on.rows:
        raise ValueError(
            f"the model was trained on {trained_on.rows} rows of {trained_on.name}, "
            f"--rows reads {len(dataset.claims)} of them"
        )
    return True


def overlap(manifest: Manifest, dataset: Dataset, rows: Indices) -> int:
    """The number of rows that the model was trained on, directly or as copies.

    As far as the data's digest shows.
    """
    if not _same_rows(manifest, dataset):
        return 0
    trained_on, _ = split(dataset, manifest.split)
    return int(np.isin(dataset.groups[rows], dataset.groups[trained_on]).sum())
