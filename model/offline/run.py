"""From a file of claims to a file of results, batch by batch."""

import contextlib
import gc
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from model.offline.forms import form_for
from model.offline.recalling import FileHistories
from model.offline.rejected import RejectedRows
from model.offline.results import results
from model.offline.target import opened
from model.scoring.scorer import Scorer
from schemas.alert import Decision
from schemas.tables.batches import BatchFile, open_batches

COLLECT_EVERY: Final = 200_000
"""Objects between two garbage collections: results make no cycles."""


class Totals(NamedTuple):
    """What became of a file."""

    decisions: Counter[Decision]
    rejected: int

    @property
    def scored(self) -> int:
        """Claims."""
        return self.decisions.total()


class Told(NamedTuple):
    """Where it is said how the work goes."""

    line: Callable[[str], object]
    """For lines to people."""
    opened: Callable[[BatchFile], object]
    done: Callable[[int, int], object]
    """Called after each batch: rows scored and rows rejected so far."""


def score_file(
    scorer: Scorer,
    data: Path,
    output: Path | None,
    rejected: Path | None,
    told: Told,
    known: FileHistories | None = None,
) -> Totals:
    """Score every claim of a file.

    Args:
        scorer: the model.
        data: the file; see `schemas.tables.opening.open_table`.
        output: where results go, by its ending; None: JSON lines to standard output.
        rejected: where rows go that are no claims, as CSV; None: some are told.
        told: where it is said how the work goes.
        known: the histories of its claims, for a model that learnt from history.

    Raises:
        TableError: the file cannot be read, or lacks a column; nothing is written then.
        ValueError: see `model.offline.results.results` and `FileHistories.of`.
        OSError: an output cannot be written.
    """
    decisions: Counter[Decision] = Counter()
    with contextlib.ExitStack() as stack:
        stack.enter_context(_few_collections())
        source = stack.enter_context(open_batches(data, scorer.decoder))
        told.opened(source)
        aside = None if rejected is None else stack.enter_context(opened(rejected))
        refused = RejectedRows(source.name, aside)
        form = form_for(output)(stack.enter_context(opened(output)))
        for batch in source.batches:
            if batch.lines:
                histories = None if known is None else known.of(batch.lines)
                found = results(batch, scorer, histories)
                form.write(found)
                decisions.update(found.decision)
            for line in refused.add(batch.rejected):
                told.line(line)
            told.done(decisions.total(), refused.total)
        form.close()
        refused.close()
    for line in refused.summary():
        told.line(line)
    return Totals(decisions, refused.total)


@contextlib.contextmanager
def _few_collections() -> Iterator[None]:
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
