"""Models with history on files: what each claim saw of the others, and of earlier ones."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from model.arrays import Indices
from model.datasets import dataset as datasets
from model.datasets.dataset import Dataset
from model.evaluation.memory import days_before, history_taken, notes, too_short
from model.history.contract import histories_in
from model.history.features import ClaimHistory
from model.history.learning import DatasetPast, past_of, with_history
from model.history.plan import HistoryPlan, kinds_in
from model.leaks.history import found_at_once, history_signs, refuse_unless_allowed
from model.offline.recalling import FileHistories, of_file
from model.scoring.scorer import Scorer
from schemas.contract.model import Contract
from schemas.contract.places import json_path
from schemas.printable import listed, printable


def earlier_claims(options: argparse.Namespace, contract: Contract) -> list[Dataset]:
    """The claims of --history; what is no claim among them is reported on standard error.

    Raises:
        DatasetError: a file cannot be read.
    """
    form = getattr(options, "format", None)
    found = []
    for path in options.history:
        if _same(path, options.data):
            continue
        if form is not None:
            one = datasets.load(path, form, seed=options.seed, for_history=True)
        else:
            one = datasets.load_earlier(Path(path), contract)
        for line in one.rejected:
            sys.stderr.write(f"rejected: {printable(str(line))}\n")
        if one.unused:
            sys.stderr.write(f"{one.name}: not in the contract: columns {listed(one.unused)}\n")
        found.append(one)
    return found


def _same(path: str, data: object) -> bool:
    one, other = Path(path), Path(str(data))
    return one.exists() and other.exists() and one.samefile(other)


def remembering(
    scorers: Sequence[Scorer], dataset: Dataset, rows: Indices, options: argparse.Namespace
) -> list[Dataset]:
    """For each model, the claims as it is to score them: with their history if it learnt from it.

    Args:
        scorers: the models.
        dataset: labelled claims, as they were read for history.
        rows: of the claims that are scored.
        options: the command's.

    Raises:
        ValueError: no model has history and --history was given; a model learnt from other people
            or things than the contract names; the claims do not say what history is made of; or it
            knows what nobody knew then, and that is not allowed.
        DatasetError: see `earlier_claims`.
    """
    plans = [scorer.history for scorer in scorers]
    if all(plan is None for plan in plans):
        refuse_history(options, scorers)
        return [dataset] * len(scorers)
    earlier = earlier_claims(options, dataset.contract)
    made: dict[HistoryPlan, Dataset] = {}
    for scorer, plan in zip(scorers, plans, strict=True):
        if plan is not None and plan not in made:
            refuse_other_kinds(scorer, dataset.contract)
            past = past_of(dataset, plan.bounds, earlier)
            made[plan] = _replayed(past, dataset, rows, plan, options)
    return [dataset if plan is None else made[plan] for plan in plans]


def _replayed(
    past: DatasetPast,
    dataset: Dataset,
    rows: Indices,
    plan: HistoryPlan,
    options: argparse.Namespace,
) -> Dataset:
    place_of = {row: place for place, row in enumerate(past.rows.tolist())}
    scored = [place_of[row] for row in rows.tolist() if row in place_of]
    say_what_is_known(past, scored, plan, dataset.name)
    found = with_history(dataset, past)
    signs = history_signs(past, found.contract, found.claims, rows, options.seed)
    refuse_unless_allowed(signs, options.allow_leak)
    for sign in signs:
        sys.stderr.write(f"warning: {sign.text}\n")
    return found


def refuse_history(options: argparse.Namespace, scorers: Sequence[Scorer]) -> None:
    """Check that no history is given to models that have none.

    Raises:
        ValueError: it is.
    """
    if options.history:
        names = ", ".join(f"{scorer.name} {scorer.version}" for scorer in scorers)
        raise ValueError(f"--history is for models that were trained with it, and {names} was not")


def refuse_other_kinds(scorer: Scorer, contract: Contract) -> None:
    """Check that the claims name the people and things that a model learnt from.

    Raises:
        ValueError: they do not.
    """
    assert scorer.history is not None
    own, its = ([k.kind for k in kinds] for kinds in (kinds_in(contract), scorer.history.kinds))
    if kinds_in(contract) != scorer.history.kinds:
        raise ValueError(
            f"{scorer.name} {scorer.version} learnt from the history of {', '.join(its)}, and "
            f"contract {contract.about.name} names {', '.join(own) or 'nobody'} (x-entity): read "
            "the claims through the contract of the model"
        )


def say_what_is_known(
    past: DatasetPast, scored: Sequence[int], plan: HistoryPlan, name: str
) -> None:
    """Say on standard error what was taken for history, and where it falls short.

    Args:
        past: of the claims, and of those before them.
        scored: places in it of the claims that are scored.
        plan: what the model learnt from.
        name: of their file.

    Raises:
        ValueError: they have no history, as they do not say when they came in, or name nobody.
    """
    contract = past.contract
    if not scored:
        raise ValueError(
            f"{printable(name)}: none of the claims says when it was reported "
            f"({_column(contract, contract.event.time or '')}), and "
            "history is what was known before a claim came in: state it, or take a model without "
            "history"
        )
    kinds = past.plan.kinds
    named = {number for place in scored for number, _ in past.claims[place].keys}
    fields = {
        kind.kind: [
            _column(contract, field)
            for field, entity in contract.entities.items()
            if entity.kind == kind.kind
        ]
        for kind in kinds
    }
    if not named:
        every = ", ".join(f for found in fields.values() for f in found)
        raise ValueError(
            f"{printable(name)}: none of the claims names anybody ({every}), and "
            "history is what was known of the people and things in a claim: state them, or take a "
            "model without history"
        )
    for line in (history_taken(past), *notes(past)):
        sys.stderr.write(f"history: {line}\n")
    for number, kind in enumerate(kinds):
        if number not in named:
            sys.stderr.write(
                f"warning: {printable(name)}: no claim names a {kind.kind} "
                f"({', '.join(fields[kind.kind])}): its history is missing\n"
            )
    if plan.outcomes == "stated" and past.plan.outcomes == "assumed" and past.labels:
        sys.stderr.write(
            "warning: the model learnt from outcomes that count from the day on which they became "
            "known, and no day is stated here\n"
        )
    short = too_short(days_before(past, scored), f"claims of {name}")
    if short is not None:
        sys.stderr.write(f"warning: {printable(short)}\n")


def _column(contract: Contract, field: str) -> str:
    """A field, and where it is read from if that is called otherwise."""
    places = [json_path(path)[2:] for path in contract.fields[field].places]
    return field if places == [field] else f"{field}, read from {' or '.join(places)}"


def histories_of(scorer: Scorer, dataset: Dataset) -> list[ClaimHistory] | None:
    """The histories of claims as a model is to be given them; None of one that has none."""
    plan = scorer.history
    return None if plan is None else histories_in(plan.kinds, dataset.claims)


def file_histories(scorer: Scorer, options: argparse.Namespace) -> FileHistories | None:
    """The histories of the claims of --data; None of a model that has none.

    Raises:
        ValueError: as `remembering`, or a model with history and no --history.
        DatasetError, TableError: a file cannot be read.
    """
    plan = scorer.history
    if plan is None:
        refuse_history(options, [scorer])
        return None
    if not options.history:
        kinds = ", ".join(kind.kind for kind in plan.kinds)
        raise ValueError(
            f"{scorer.name} {scorer.version} learnt from history ({kinds}): name the files of "
            "earlier claims, and of what was found about them, with --history FILE; if "
            f"{options.data} itself has them, --history {options.data}. No history would be read "
            "as no earlier claims"
        )
    contract = scorer.decoder.contract
    found = of_file(options.data, contract, earlier_claims(options, contract), plan.bounds)
    say_what_is_known(found.past, found.places, plan, options.data.name)
    early = found_at_once(found.past)
    if early is not None:
        sys.stderr.write(f"warning: {early}\n")
    return found
