"""The demo's claims: a model is trained on the earlier ones, and the later ones are sent."""

import datetime as dt
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from rich.console import Console

from consumer.errors import SettingsError
from consumer.tools.demo_memory import Dated, LaterFinding, dated, findings, says_when
from model.artifact.manifest import SplitPlan
from model.datasets.dataset import SYNTHETIC, Dataset, load, load_by_contract
from model.datasets.rows import DatasetError
from model.history.learning import past_of, with_history
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
ALGORITHM: Final = "gradient_boosting"
NOW: Final = 0
"""Of a record: produced without a time of its own, it gets the present one."""
BAD_SHARE: Final = 0.01
ALERT_SHARE: Final = 0.05
"""Alert budget of the demo's model: the share of claims to refer."""

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
    """Labelled claims, and the event that each came in."""

    dataset: Dataset
    event_of: Callable[[Any], bytes]


class SentRecord(NamedTuple):
    """A record for the claims topic."""

    key: bytes
    value: bytes
    known_at: int = NOW
    """When its claim came in, in milliseconds since 1970."""


class Sent:
    """The records that the demo produces, to compare with what comes back.

    Args:
        events: each with the id of its claim.
        labels: of the claims, in the same order.
        seed: for choosing bad records among them.
        moments: when each claim came in, in milliseconds since 1970; if empty, now.
        findings: what is found about them meanwhile, in order.
        without: fraud probabilities by a model without history, in the order of the events.
    """

    def __init__(
        self,
        events: Sequence[tuple[str, bytes]],
        labels: Sequence[bool],
        seed: int,
        moments: Sequence[int] = (),
        findings: Sequence[LaterFinding] = (),
        without: Sequence[float] = (),
    ):
        chance = random.Random(seed)  # noqa: S311 - a demo, not a secret
        names = [name for name, _ in events]
        self.records: list[SentRecord] = []
        for (name, event), moment in zip(events, moments or [NOW] * len(events), strict=True):
            self.records.append(SentRecord(name.encode(), event, moment))
            if chance.random() < BAD_SHARE:
                self.records.append(SentRecord(b"bad", chance.choice(BAD_RECORDS), moment))
        self.label_of = dict(zip(names, labels, strict=True))
        self.bad = len(self.records) - len(self.label_of)
        self.dated = bool(moments)
        self.findings = findings
        self.without = dict(zip(names, without, strict=True)) if without else {}


class Prepared(NamedTuple):
    """What the demo needs."""

    scorer: Scorer
    sent: Sent
    known: Dated | None
    """What is remembered from before; None if claims do not say when things became known."""


def prepare(console: Console, folder: Path, source: DemoData, count: int) -> Prepared:
    """Train on the earlier claims by date; the later ones, with some bad records, will be sent.

    Raises:
        SettingsError: the claims cannot be read.
    """
    with console.status(f"reading {source.data}"):
        try:
            synthetic = source.data == SYNTHETIC
            dataset, event_of = _history(console, folder, source, count)
            plan = SplitPlan(kind="time", test_size=0.5 if synthetic else 0.2, seed=SEED)
            sides = split(dataset, plan)
        except (DatasetError, ValueError, OSError) as error:
            raise SettingsError(f"DATA={source.data} FORMAT={source.format}: {error}") from error
    with console.status(f"training {ALGORITHM.replace('_', ' ')} on the earlier claims"):
        past = past_of(dataset) if says_when(dataset) else None
        trained = train(
            dataset if past is None else with_history(dataset, past),
            ALGORITHM,
            plan,
            policy=Top(ALERT_SHARE),
            sides=sides,
            history=None if past is None else past.plan,
        )
        write(trained, folder / "model", created_at=dt.datetime.now(dt.UTC))
        known = None if past is None else dated(dataset, sides, ALGORITHM, count)
    console.print(
        f"trained on {trained.data.training_rows:,} earlier claims of {dataset.name}; "
        f"on {trained.report.n:,} later ones ROC AUC {trained.report.roc_auc:.3f}",
        soft_wrap=True,
    )
    chosen = sides.test[:count] if known is None else known.later
    identity = dataset.contract.event.id
    events = [(getattr(c, identity), event_of(c)) for c in pick(dataset.claims, chosen)]
    labels = (dataset.labels[chosen] == 1).tolist()
    sent = (
        Sent(events, labels, SEED)
        if known is None
        else Sent(
            events,
            labels,
            SEED,
            moments=[known.reported(row) for row in chosen.tolist()],
            findings=findings(known, chosen),
            without=known.without.tolist(),
        )
    )
    scorer = load_model(folder / "model", remembers=known is not None)
    return Prepared(scorer, sent, known)


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
    """Events in a file, drafted and checked like any user's."""
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
