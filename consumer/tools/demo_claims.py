"""The claims of the demo: a model is trained on the earlier ones, the later ones are sent."""

import datetime as dt
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from rich.console import Console

from consumer.errors import SettingsError
from model.artifact.manifest import SplitPlan
from model.datasets.dataset import SYNTHETIC, Dataset, load, load_by_contract
from model.datasets.rows import DatasetError
from model.samples.lines import AUTO, GENERATORS, as_reported
from model.scoring.load import load as load_model
from model.scoring.scorer import Scorer
from model.thresholds import Top
from model.training.train import pick, split, train, write
from schemas.cli.check import check
from schemas.contract.parse import from_bytes, shipped
from schemas.decoding.rows import at
from schemas.drafting.draft import draft

SEED: Final = 42
BAD_SHARE: Final = 0.01
ALERT_SHARE: Final = 0.05
"""Alert budget of the demo's model: claims to refer."""

BAD_RECORDS: Final = (
    b"",
    b"not json",
    b'{"claim_id": "torn", "loss_date": "2024-0',
    b'{"claim_id": "\xff\xfe"}',
    b'{"claim_id": 17}',
    b'{"claim_id": "day", "loss_date": "2024-02-31"}',
    b'{"claim_id": "sum", "claim_amount": -5}',
    b'{"claim_id": "nan", "claim_amount": NaN}',
    b"[]",
    b"[" * 100_000,
)


class DemoData(NamedTuple):
    """Where the demo's claims come from."""

    data: str
    format: str
    contract: str
    """One of `model.samples.lines.NAMES`."""


class History(NamedTuple):
    """Labelled claims, and each as the event that it came in."""

    dataset: Dataset
    event_of: Callable[[Any], bytes]


class Sent:
    """The records that the demo produced, to compare with what comes back.

    Args:
        events: by the id of their claim.
        labels: of the claims, in the same order.
        seed: of the choice of bad records among them.
    """

    def __init__(self, events: Sequence[tuple[str, bytes]], labels: Sequence[bool], seed: int):
        chance = random.Random(seed)  # noqa: S311 - a demo, not a secret
        self.records: list[tuple[bytes, bytes]] = []
        for name, event in events:
            self.records.append((name.encode(), event))
            if chance.random() < BAD_SHARE:
                self.records.append((b"bad", chance.choice(BAD_RECORDS)))
        self.label_of = {name: label for (name, _), label in zip(events, labels, strict=True)}
        self.bad = len(self.records) - len(self.label_of)


def prepare(console: Console, folder: Path, source: DemoData, count: int) -> tuple[Scorer, Sent]:
    """Train on the earlier claims by date; the later ones, with some bad records, will be sent.

    Raises:
        SettingsError: the claims cannot be read.
    """
    with console.status(f"reading {source.data}"):
        try:
            synthetic = source.data == SYNTHETIC
            dataset, event_of = _history(console, folder, source, count)
            plan = SplitPlan(kind="time", test_size=0.5 if synthetic else 0.2, seed=SEED)
            _, held_out = split(dataset, plan)
        except (DatasetError, ValueError, OSError) as error:
            raise SettingsError(f"DATA={source.data} FORMAT={source.format}: {error}") from error
    with console.status("training gradient boosting on the earlier claims"):
        trained = train(dataset, "gradient_boosting", plan, policy=Top(ALERT_SHARE))
        write(trained, folder / "model", created_at=dt.datetime.now(dt.UTC))
    console.print(
        f"trained on {trained.data.training_rows:,} earlier claims of {dataset.name}; "
        f"on {trained.report.n:,} later ones ROC AUC {trained.report.roc_auc:.3f}",
        soft_wrap=True,
    )
    chosen = held_out[np.arange(min(count, len(held_out)))]
    identity = dataset.contract.event.id
    events = [(getattr(c, identity), event_of(c)) for c in pick(dataset.claims, chosen)]
    sent = Sent(events, (dataset.labels[chosen] == 1).tolist(), seed=SEED)
    return load_model(folder / "model"), sent


def _history(console: Console, folder: Path, source: DemoData, count: int) -> History:
    if source.contract == AUTO:
        rows = 2 * count if source.data == SYNTHETIC else None
        return History(load(source.data, source.format, rows=rows), msgspec.json.encode)
    if source.data != SYNTHETIC:
        raise SettingsError(
            f"DATA={source.data} CONTRACT={source.contract}: the demo of this contract makes its "
            "own claims; leave out one of the two"
        )
    return _events(console, folder / f"{source.contract}.jsonl", source.contract, 2 * count)


def _events(console: Console, file: Path, name: str, count: int) -> History:
    """Events in a file, drafted and checked like those of any user."""
    contract = shipped(name)
    events = GENERATORS[name](count, SEED)
    file.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in events))
    assert contract.label is not None
    text = draft(file, contract.label.field)
    fields = len(from_bytes(text.encode(), "draft.yaml").fields)
    console.print(
        f"schemas draft: {fields} fields found in {file.name}, {text.count('# ?')} remarks to read",
        soft_wrap=True,
    )
    lines, _ = check(Path(name), file)
    for line in lines[:3]:
        console.print(f"schemas check: {line}", soft_wrap=True)
    path = contract.fields[contract.event.id].places[0]
    sent = {at(e, path): msgspec.json.encode(as_reported(contract, e)) for e in events}
    identity = contract.event.id
    return History(load_by_contract(str(file), contract), lambda c: sent[getattr(c, identity)])
