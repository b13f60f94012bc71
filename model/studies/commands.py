"""The commands ``search`` and ``quality``: choices made on public data sets, and their results.

Neither is needed to train or to score: they exist so that every figure can be recomputed.
"""

import argparse
import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.progress import Progress, track

from model.cli.terminal import show
from model.datasets import dataset as datasets
from model.datasets.dataset import Dataset
from model.files.writing import check_file, write
from model.reports.table import TextTable
from model.studies import categories, screening
from model.studies import quality as figures_of
from model.studies import search as candidates_of
from model.studies.search import Candidate

Figures = Callable[[Path, Callable[[], None]], list[figures_of.Figure]]
"""As `model.studies.quality.figures`."""


def search(options: argparse.Namespace) -> None:
    """Validate every candidate of what was asked for and print a table."""
    STUDIES[options.of](options.data_dir)


def _families(data_dir: Path) -> None:
    path = str(data_dir / "fraud_oracle.csv")
    dataset = candidates_of.before(datasets.load(path, "carclaims"), figures_of.TEST_FROM)
    show(validated(dataset, candidates_of.candidates()))


def _categories(data_dir: Path) -> None:
    with _counted("validating categories") as on_found:
        found = categories.study(categories.tables(data_dir), on_found=on_found)
    show(categories.table(found))


def _screen(data_dir: Path) -> None:
    with _counted("validating the screen") as on_found:
        found = screening.study(screening.tables(data_dir), on_found=on_found)
    show(screening.table(found))


@contextlib.contextmanager
def _counted(doing: str) -> Iterator[Callable[[object], None]]:
    """Progress of unknown length; what is found is counted."""
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task(doing, total=None)
        yield lambda _: progress.advance(task)


STUDIES: Final[dict[str, Callable[[Path], None]]] = {
    "families": _families,
    "categories": _categories,
    "screen": _screen,
}
"""By what they chose."""


def validated(dataset: Dataset, every: Sequence[Candidate]) -> TextTable:
    """The table of what each candidate achieves on these claims."""
    progress = Console(stderr=True)
    tried = [
        (candidate, candidates_of.validate(dataset, candidate))
        for candidate in track(every, "validating", console=progress)
    ]
    title = f"{dataset.name}, {candidates_of.WINDOWS} windows forward in time"
    return candidates_of.table(tried, title)


def quality(options: argparse.Namespace, figures: Figures = figures_of.figures) -> None:
    """Print every figure, and write them if requested."""
    if options.json:
        check_file("--json", options.json)  # before the work, not after it
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("fitting", total=figures_of.FITS)
        found = figures(options.data_dir, lambda: progress.advance(task))
    show(figures_of.table(found))
    if options.json:
        write(options.json, msgspec.json.format(msgspec.json.encode(found)) + b"\n")
