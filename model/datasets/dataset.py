"""Data sets: labelled claims from a file or from the generator, ready for training.

Files of any form are read through a contract (`load_by_contract`). Formats that need none, as their
claims are those of the contract ``auto``: ``carclaims`` and ``insurance_claims`` (the public CSV
files), ``jsonl`` (one claim as JSON per line, with ``fraud`` next to its fields) and ``synthetic``
(no file at all).
"""

import csv
import datetime as dt
import functools
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from model.arrays import Indices
from model.datasets import carclaims, insurance_claims, synthetic
from model.datasets.duplicates import Duplicates, count_duplicates, groups_of
from model.datasets.rows import (
    DatasetError,
    Labelled,
    RowError,
    Rows,
    collect,
    digest_of,
    numbered_lines,
    plausible,
    read_csv,
    verdict,
)
from model.features.facts import UNDATED, event_days, report_days
from model.samples.lines import AUTO, GENERATORS, NAMES
from schemas.claim import Claim
from schemas.contract.model import Contract
from schemas.contract.parse import parse, shipped
from schemas.decoding.decoder import ClaimDecoder
from schemas.decoding.refusal import RefusedError, in_words
from schemas.decoding.rows import LabelReader, at
from schemas.printable import printable
from schemas.tables.claims import open_claims
from schemas.tables.encoding import SAMPLE_BYTES
from schemas.tables.lines import other_form
from schemas.tables.rows import TableError
from schemas.unreadable import UNREADABLE

__all__ = [
    "FORMATS", "LABEL", "Dataset", "DatasetError", "load", "load_by_contract", "load_earlier",
    "write_jsonl",
]  # fmt: skip

SYNTHETIC: Final = "synthetic"
LABEL: Final = "fraud"
"""Name of the label next to a claim's fields in a JSONL file."""
DECIDED: Final = "decided_at"
"""Name of the day on which the label became known, next to it."""
DEFAULT_ROWS: Final = 20_000
"""Rows of a synthetic data set if the caller specifies no number."""


@dataclass(frozen=True)
class Dataset:
    """Labelled claims and where they come from."""

    contract: Contract
    """What the claims are."""
    claims: Sequence[Any]
    labels: npt.NDArray[np.int8]
    """Shape (n_claims,): 1 for fraud, 0 for not."""
    name: str = ""
    """Of the file, printable: names of files may be no text."""
    digest: str = ""
    """sha256, hex, of the file's bytes or of the generator's parameters."""
    format: str = ""
    rejected: tuple[str, ...] = ()
    """One line of text for each rejected row: file, line and reason."""
    unlabelled: int = 0
    """Claims that were left out as it is not known whether they are fraud."""
    unused: tuple[str, ...] = ()
    """Columns of the file that no field is read from."""
    decided: Indices | None = None
    """Day on which each label became known, as ordinals, shape (n_claims,); `UNDATED` where it is
    not stated. None if the data never says it."""
    others: Sequence[Any] = ()
    """Claims without a label, where they were asked for: part of the history of those with one."""
    copies: Indices | None = None
    """The groups of copies, where claims have more fields here than they came with."""

    def part(self, rows: Indices) -> "Dataset":
        """Some of its claims."""
        return Dataset(
            self.contract,
            [self.claims[i] for i in rows.tolist()],
            self.labels[rows],
            copies=None if self.copies is None else self.copies[rows],
        )

    @functools.cached_property
    def groups(self) -> npt.NDArray[np.int64]:
        """The group of copies of each claim, shape (n_claims,): see `model.datasets.duplicates`."""
        if self.copies is not None:
            return np.unique(self.copies, return_inverse=True)[1].astype(np.int64)
        return groups_of(self.claims, self.contract.event.id)

    @functools.cached_property
    def duplicates(self) -> Duplicates:
        """The number of claims that repeat an earlier one."""
        identity = self.contract.event.id
        return count_duplicates(self.claims, self.labels, self.groups, identity)

    @functools.cached_property
    def days(self) -> npt.NDArray[np.int64]:
        """See `model.features.facts.event_days`."""
        return event_days(self.contract, self.claims)

    @functools.cached_property
    def reported(self) -> npt.NDArray[np.int64]:
        """See `model.features.facts.report_days`."""
        return report_days(self.contract, self.claims)


def load(
    data: str, format: str, *, seed: int = 42, rows: int | None = None, for_history: bool = False
) -> Dataset:
    """Read a data set.

    Args:
        data: path of the file, or ``synthetic``.
        format: one of `FORMATS`; ``synthetic`` whenever ``data`` is.
        seed: of the generator; not used for files.
        rows: read or generate at most this many.
        for_history: of JSON lines, also read when each label became known.

    Raises:
        DatasetError: unknown format, unreadable file (a pipe cannot be read twice: for the rows and
            for the digest), columns missing, or too many rejected rows.
    """
    if SYNTHETIC in (data, format):
        return _synthetic(DEFAULT_ROWS if rows is None else rows, seed)
    if format not in _READERS:
        raise DatasetError(f"format must be one of {', '.join(FORMATS)}; got {format!r}")
    path = Path(data)
    try:
        if path.exists() and not path.is_file():
            raise DatasetError(f"{path}: not a regular file: save the data to a regular file")
        read = _read_decided_jsonl if for_history and format == "jsonl" else _READERS[format]
        return _dataset(path, format, read(path, rows))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path}: {error}") from error


def load_by_contract(
    data: str,
    contract: Contract,
    *,
    rows: int | None = None,
    seed: int = 42,
    for_history: bool = False,
) -> Dataset:
    """Read a file through a contract; see `schemas.tables.opening.open_table` for its forms.

    Args:
        data: path of the file; or ``synthetic``, for a contract that has a generator.
        contract: says where each field is, and what the labels mean.
        rows: read or generate at most this many.
        seed: of the generator; not used for files.
        for_history: also keep the claims without a label, as `Dataset.others`.

    Raises:
        DatasetError: the contract has no label, or the file is unreadable, lacks columns or has too
            many rows that are no claims.
    """
    if contract.label is None:
        raise DatasetError(
            f"contract {contract.about.name}: no x-label, which says what claims were found to be"
        )
    if data == SYNTHETIC:
        made = _sampled(contract, DEFAULT_ROWS if rows is None else rows, seed)
        return made if for_history else replace(made, others=())
    found = _of_file(Path(data), contract, rows, for_history=for_history)
    if not found.claims:
        raise DatasetError(
            f"{found.name}: no claim of {found.unlabelled:,} is labelled: "
            f"{contract.label.field} has none of the words of x-label"
        )
    return found


def load_earlier(path: Path, contract: Contract) -> Dataset:
    """Read a file of claims that are only part of the history of others, with labels or without.

    Raises:
        DatasetError: it is unreadable, lacks columns or has too many rows that are no claims.
    """
    return _of_file(path, contract, None, for_history=True)


def _of_file(path: Path, contract: Contract, rows: int | None, *, for_history: bool) -> Dataset:
    unlabelled = 0
    claims: list[Any] = []
    labels: list[bool] = []
    decided: list[dt.date | None] = []
    others: list[Any] = []
    rejected: list[str] = []
    name = printable(path.name)
    try:
        with open_claims(path, contract) as file:
            for read in islice(file.rows, rows):
                if read.fault is not None:
                    rejected.append(f"{name}, line {read.line}: {read.fault}")
                elif read.label is None:
                    unlabelled += 1
                    others += [read.claim] if for_history else []
                else:
                    claims.append(read.claim)
                    labels.append(read.label)
                    decided.append(read.decided)
            unused = file.columns.unused if file.columns else ()
    except (TableError, OSError) as error:
        raise DatasetError(str(error)) from error
    plausible(name, len(claims) + unlabelled, rejected)
    return Dataset(
        contract=contract,
        claims=claims,
        labels=_labels(labels),
        name=name,
        digest=digest_of(path),
        format=contract.about.name,
        rejected=tuple(rejected),
        unlabelled=unlabelled,
        unused=unused,
        decided=_ordinals(decided),
        others=others,
    )


def write_jsonl(dataset: Dataset, path: Path) -> None:
    """Write the claims with their labels, one JSON object per line; ``jsonl`` reads them back."""
    with path.open("wb") as file:
        days = [UNDATED] * len(dataset.claims) if dataset.decided is None else dataset.decided
        for claim, label, day in zip(dataset.claims, dataset.labels, days, strict=True):
            file.write(_line(claim, fraud=bool(label), decided=int(day)))


def _line(claim: Any, *, fraud: bool, decided: int) -> bytes:
    # A claim always has an id, so its object is never empty and a field can be added at the end.
    later: dict[str, Any] = {LABEL: fraud}
    if decided != UNDATED:
        later[DECIDED] = dt.date.fromordinal(decided)
    return msgspec.json.encode(claim)[:-1] + b"," + msgspec.json.encode(later)[1:] + b"\n"


class _Outcome(msgspec.Struct):
    fraud: bool | float | str


class _DecidedOutcome(_Outcome):
    decided_at: str | None = None


def _read_jsonl(path: Path, rows: int | None) -> Rows:
    return _lines_of(path, rows, _labelled)


def _read_decided_jsonl(path: Path, rows: int | None) -> Rows:
    return _lines_of(path, rows, _decided_label)


def _lines_of(path: Path, rows: int | None, read: Callable[[bytes], Labelled]) -> Rows:
    with path.open("rb") as lines:
        other = other_form(lines.read(SAMPLE_BYTES))
        if other is not None:
            raise DatasetError(f"{path.name}: {other}")
        lines.seek(0)
        attempts = (
            (number, functools.partial(read, line)) for number, line in numbered_lines(lines)
        )
        return collect(printable(path.name), islice(attempts, rows))


def _labelled(line: bytes) -> Labelled:
    try:
        claim, outcome = _claim_decoder.decode(line), _outcome_decoder.decode(line)
    except UNREADABLE as error:
        raise RowError(str(error)) from error
    try:
        return Labelled(claim, verdict(outcome.fraud))
    except RowError as error:
        raise RowError(f"{LABEL}: {error}") from error


def _decided_label(line: bytes) -> Labelled:
    found = _labelled(line)
    try:
        written = _decided_decoder.decode(line).decided_at
    except UNREADABLE as error:
        raise RowError(str(error)) from error
    return found._replace(decided=_day(written))


def _day(written: str | None) -> dt.date | None:
    """The day of a date, or of a time in the form of ISO 8601."""
    if written is None:
        return None
    try:
        return dt.datetime.fromisoformat(written).date()
    except ValueError:
        raise RowError(f"{DECIDED}: {written[:80]!r} is not a day such as 2026-03-01") from None


_claim_decoder: Final = msgspec.json.Decoder(Claim)
_outcome_decoder: Final = msgspec.json.Decoder(_Outcome)
_decided_decoder: Final = msgspec.json.Decoder(_DecidedOutcome)


def _dataset(path: Path, format: str, found: Rows) -> Dataset:
    auto = shipped("auto")
    return Dataset(
        contract=_in_words_of(auto, shipped(_OF[format])) if format in _OF else auto,
        claims=tuple(row.claim for row in found.accepted),
        labels=_labels(row.fraud for row in found.accepted),
        decided=_ordinals([row.decided for row in found.accepted]),
        name=printable(path.name),
        digest=digest_of(path),
        format=format,
        rejected=tuple(found.rejected),
    )


def _in_words_of(contract: Contract, file: Contract) -> Contract:
    """The contract, with the bands and texts of another that is read to the same fields.

    A claim then holds 3.5 where the file said "3 to 4", and a reason says "3 to 4" again.
    """
    properties = dict(contract.tree["properties"])
    for name, field in file.fields.items():
        table = field.reading.table if field.reading is not None else {}
        words = {w: v for w, v in table.items() if field.kind == "number" and v is not None}
        more: dict[str, Any] = {"x-words": words} if words else {}
        if "x-text" in file.tree["properties"][name]:
            more["x-text"] = file.tree["properties"][name]["x-text"]
        properties[name] = {**properties[name], **more}
    return parse({**contract.tree, "properties": properties}, contract.about.name)


def _synthetic(rows: int, seed: int) -> Dataset:
    if rows < 1:
        raise DatasetError(f"{SYNTHETIC}: no rows")
    claims, labels = synthetic.generate(rows, seed)
    recipe = f"{SYNTHETIC} version={synthetic.VERSION} rows={rows} seed={seed}"
    return Dataset(
        contract=shipped("auto"),
        claims=tuple(claims),
        labels=labels,
        name=recipe,
        digest=hashlib.sha256(recipe.encode()).hexdigest(),
        format=SYNTHETIC,
    )


def _sampled(contract: Contract, rows: int, seed: int) -> Dataset:
    """Claims of the generator that the contract's name stands for."""
    name = contract.about.name
    if name == AUTO:
        return _synthetic(rows, seed)
    if name not in GENERATORS:
        known = ", ".join(NAMES)
        raise DatasetError(
            f"claims of contract {name} cannot be generated, only those of {known}: name a file of "
            f"labelled claims instead of {SYNTHETIC}"
        )
    if rows < 1:
        raise DatasetError(f"{SYNTHETIC}: no rows")
    return of_events(
        contract, GENERATORS[name](rows, seed), f"{SYNTHETIC} {name} rows={rows} seed={seed}"
    )


def of_events(contract: Contract, events: Sequence[Any], recipe: str) -> Dataset:
    """Claims of generated events; those without a label are `Dataset.others`.

    Args:
        contract: what the events are.
        events: as JSON has them, with what was found later.
        recipe: how they were generated; it stands for them in the digest.

    Raises:
        DatasetError: the contract refuses one.
    """
    decoder, labels = ClaimDecoder(contract), LabelReader(contract)
    found = [(event, labels.read(at(event, contract.label_path))) for event in events]
    known_of = [(event, fraud) for event, fraud in found if fraud is not None]
    try:
        claims = [decoder.decode(msgspec.json.encode(event)) for event, _ in known_of]
        others = [decoder.decode(msgspec.json.encode(e)) for e, fraud in found if fraud is None]
    except RefusedError as error:
        raise DatasetError(
            f"{SYNTHETIC}: contract {contract.about.name} refuses what its generator makes: "
            f"{in_words(error)}"
        ) from error
    return Dataset(
        contract=contract,
        claims=claims,
        labels=_labels(fraud for _, fraud in known_of),
        name=recipe,
        digest=hashlib.sha256(recipe.encode()).hexdigest(),
        format=contract.about.name,
        unlabelled=len(others),
        decided=_decided(contract, labels, [event for event, _ in known_of]),
        others=others,
    )


def _decided(contract: Contract, labels: LabelReader, events: Sequence[Any]) -> Indices | None:
    path = contract.decided_path
    if not path:
        return None
    return _ordinals([labels.decided(at(event, path)) for event in events])


def _ordinals(days: Sequence[dt.date | None]) -> Indices | None:
    """Days as `Dataset.decided` has them."""
    if not any(days):
        return None
    return np.array([UNDATED if day is None else day.toordinal() for day in days], dtype=np.int64)


def _labels(fraud: Iterable[bool]) -> npt.NDArray[np.int8]:
    return np.fromiter(fraud, dtype=np.int8)


_OF: Final = {"carclaims": "carclaims", "insurance_claims": "insurance_claims"}
"""The contract that reads the same file, by format."""
_READERS: Final[dict[str, Callable[[Path, int | None], Rows]]] = {
    "carclaims": lambda path, rows: read_csv(
        path, carclaims.COLUMNS, lambda _: carclaims.read, rows, carclaims.ALIASES
    ),
    "insurance_claims": lambda path, rows: read_csv(
        path, insurance_claims.COLUMNS, insurance_claims.reader, rows
    ),
    "jsonl": _read_jsonl,
}
FORMATS: Final = (*_READERS, SYNTHETIC)
