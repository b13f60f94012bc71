"""Human-readable files next to a model: evaluation, card and report."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import msgspec

from model.artifact.manifest import Manifest
from model.artifact.reference import stated_columns, too_little_known
from model.artifact.store import ArtifactError
from model.datasets.dataset import Dataset
from model.evaluation.details import Details, details
from model.evaluation.importance import importance
from model.evaluation.memory import MemoryGain
from model.evaluation.walk_forward import MonthlyStep
from model.features.facts import claim_columns
from model.files.trusted import FileError, decode, read
from model.leaks.check import LeakCheck
from model.reports.card import Card, card, markdown
from model.reports.cases import cases, scorer_of
from model.training.train import Trained
from schemas.contract.model import Contract

EVALUATION_FILE: Final = "evaluation.json"
REPORT_FILE: Final = "report.html"


def can_draw() -> bool:
    """True if matplotlib is installed, which the report needs."""
    return find_spec("matplotlib") is not None


def documents(
    manifest: Manifest,
    trained: Trained,
    family: Sequence[Trained],
    dataset: Dataset,
    steps: Sequence[MonthlyStep] = (),
    leaks: LeakCheck | None = None,
    memory: MemoryGain | None = None,
    on_feature: Callable[[], None] = lambda: None,
) -> dict[str, bytes]:
    """Files for people about one of the models that were trained on the same claims, by name.

    Args:
        manifest: of the model.
        trained: the model.
        family: all trained models, for the comparison.
        dataset: the data they were trained and evaluated on.
        steps: of the model's prequential evaluation, if there was one.
        leaks: the leak alarm's result for the training claims, if it ran.
        memory: what history adds, if the model has it.
        on_feature: called for each feature whose importance was measured, for a progress bar.
    """
    rows, threshold = trained.test_rows, trained.levels.threshold
    tested = dataset.part(rows)
    found = msgspec.structs.replace(
        details(tested, trained.test_scores, threshold),
        too_little_known=_too_little_known(trained, tested.claims),
        leaks=leaks,
        memory=memory,
        importance=importance(
            trained.contract,
            trained.pipeline,
            tested.claims,
            tested.labels,
            seed=trained.seed,
            on_feature=on_feature,
        ),
    )
    files = {EVALUATION_FILE: _pretty(found)} | _cards(card(manifest, trained.contract, found))
    if can_draw():
        others = [t for t in family if t is not trained]
        files[REPORT_FILE] = _report(manifest, found, trained, others, dataset, steps)
    return files


def _too_little_known(trained: Trained, claims: Sequence[Any]) -> float:
    encoder = trained.pipeline["encode"]
    codes = encoder.codes(claim_columns(trained.contract, claims, encoder.features))
    own = codes[:, stated_columns(encoder.features, trained.history)]
    return float(too_little_known(own, trained.reference.least_known).mean())


def carried_over(folder: Path, manifest: Manifest, contract: Contract) -> dict[str, bytes]:
    """Files for people of a model that is saved again: its cards name the new model file.

    Args:
        folder: the artifact that has them; what is missing there is left out.
        manifest: of the new one.
        contract: of both.

    Raises:
        ArtifactError: one cannot be read.
    """
    names = [name for name in (EVALUATION_FILE, REPORT_FILE) if (folder / name).exists()]
    try:
        files = {name: read(folder / name) for name in names}
    except FileError as error:
        raise ArtifactError(f"cannot read {', '.join(names)} in {folder}: {error}") from error
    if EVALUATION_FILE not in files:
        return files
    return files | _cards(card(manifest, contract, read_evaluation(folder)))


def _cards(of: Card) -> dict[str, bytes]:
    return {"card.json": _pretty(of), "card.md": markdown(of).encode()}


def _report(
    manifest: Manifest,
    found: Details,
    trained: Trained,
    others: Sequence[Trained],
    dataset: Dataset,
    steps: Sequence[MonthlyStep],
) -> bytes:
    from model.reports.figures import Scored  # noqa: PLC0415 - matplotlib is an extra
    from model.reports.report import html  # noqa: PLC0415

    def scored(of: Trained) -> Scored:
        return Scored(of.algorithm, dataset.labels[of.test_rows], of.test_scores)

    compared = [(other.report, scored(other)) for other in others]
    tested = dataset.part(trained.test_rows)
    examples = cases(scorer_of(trained, manifest), tested, trained.test_scores)
    return html(
        manifest, found, scored(trained), others=compared, steps=steps, examples=examples
    ).encode()


def read_evaluation(folder: Path) -> Details:
    """The evaluation stored with an artifact.

    Raises:
        ArtifactError: there is none, or it cannot be read.
    """
    path = folder / EVALUATION_FILE
    try:
        return decode(read(path), Details)
    except FileError as error:
        raise ArtifactError(f"cannot read {path}: {error}") from error


def _pretty(value: msgspec.Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
