"""A challenger that learnt from history, beside a model that did too or did not."""

import datetime as dt
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from consumer.batch.process import Outcome, process
from consumer.doctor.files import files
from consumer.errors import ModelRefusedError
from consumer.memory.log import NoteTaker
from consumer.memory.pending import PendingClaims
from consumer.memory.recall import Memory
from consumer.models.shadow import Shadow, shadow_of
from consumer.settings.settings import read_settings
from consumer.telemetry.memory_metrics import MemoryMetrics
from consumer.telemetry.metrics import Metrics
from consumer.worker.observe import Counted, Observer
from model.history.features import ClaimHistory
from model.history.plan import kinds_in
from model.scoring.load import load
from model.scoring.scorer import Scorer
from tests.consumer.memory.dict_view import DictView
from tests.harness.kafka import FakeMessage
from tests.model.history.files import EVENTS, lines, train

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
SECRET = bytes(range(32))


class Models:
    """Two models with history, one of them of fewer people, and one without."""

    def __init__(self, folder: Path) -> None:
        data = lines(folder / "claims.jsonl", EVENTS)
        self.history = train(data, folder / "h", "logistic_regression", "--history")
        self.other = train(data, folder / "o", "gradient_boosting", "--history")
        self.plain = train(data, folder / "p", "logistic_regression")
        contract = json.loads((self.history / "contract.json").read_bytes())
        del contract["properties"]["account"]["x-entity"]
        (folder / "c.json").write_text(json.dumps(contract))
        more = ("--history", "--contract", str(folder / "c.json"))
        self.fewer = train(data, folder / "f", "logistic_regression", *more)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return Models(tmp_path_factory.mktemp("models"))


class NothingNew:
    """A log that is at its end."""

    behind_ms = 7

    def step(self, wait_s: float = 0.0) -> None: ...

    def close(self) -> None: ...


def memory(scorer: Scorer, *, beside: bool) -> Memory:
    """Of a worker that has scored nothing yet."""
    contract = scorer.decoder.contract
    kinds = kinds_in(contract)
    metrics = MemoryMetrics(Metrics(), [kind.kind for kind in kinds])
    tail: Any = NothingNew()
    notes = NoteTaker(contract, SECRET)
    return Memory(DictView(kinds), tail, notes, PendingClaims(), metrics, beside=beside)


def messages(events: Sequence[Any]) -> list[Any]:
    """Claims as they come in, each on its day."""
    found: list[Any] = []
    for number, event in enumerate(events):
        sent = {name: value for name, value in event.items() if name != "outcome"}
        day = dt.datetime.fromisoformat(f"{event['reported_on']}T12:00:00+00:00")
        found.append(Dated(msgspec.json.encode(sent), number, int(day.timestamp() * 1_000)))
    return found


class Dated(FakeMessage):
    """A record with a time of its own."""

    def __init__(self, value: bytes, offset: int, at_ms: int) -> None:
        super().__init__(value, offset)
        self._at_ms = at_ms

    def timestamp(self) -> tuple[int, int]:
        return 1, self._at_ms


def scored(scorer: Scorer, *, beside: bool) -> Outcome:
    """The outcome of a batch of several days, the claims of which see one another."""
    of = memory(scorer, beside=beside)
    return process(messages(EVENTS[:400]), scorer, NOW, recall=of.recall)


def compared(folder: Path, present: Scorer, outcome: Outcome) -> tuple[Metrics, Shadow]:
    metrics = Metrics()
    shadow = Shadow(folder, metrics, present=present, remembers=True)
    observer = Observer(metrics, shadow)
    seen = observer.measure(outcome, present)
    count = len(outcome.claims)
    observer.committed(Counted.of(outcome), seen, np.zeros(count), 1.0)
    return metrics, shadow


def value(metrics: Metrics, name: str) -> float | None:
    return metrics.registry.get_sample_value(f"fraud_scorer_shadow_{name}")


@pytest.mark.parametrize("present", ["other", "plain"])
def test_it_is_given_the_histories_of_the_claims(models: Models, present: str) -> None:
    """Beside a model with history, and beside one that asks for none; that one's scores stay."""
    served = load(getattr(models, present), remembers=True)
    outcome = scored(served, beside=True)
    histories = outcome.histories
    assert histories is not None
    assert sum(one.kinds[0].claims_365d > 0 for one in histories) > 5
    metrics, _ = compared(models.history, served, outcome)
    alone = load(models.history, remembers=True).score(outcome.claims, histories)
    assert value(metrics, "failed") == 0
    assert value(metrics, "probability_count") == len(outcome.claims) == 400
    assert value(metrics, "probability_sum") == pytest.approx(alone.sum(), rel=1e-12)
    if present == "plain":
        plain = process(messages(EVENTS[:400]), served, NOW)
        assert [one.value for one in outcome.alerts] == [one.value for one in plain.alerts]
        assert outcome.probabilities.tobytes() == plain.probabilities.tobytes()


def test_nothing_is_recalled_where_no_model_asks(models: Models) -> None:
    outcome = scored(load(models.plain), beside=False)
    assert outcome.histories is None
    assert len(outcome.memories) == 400


def test_one_without_history_scores_beside_one_that_has_it(models: Models) -> None:
    served = load(models.history, remembers=True)
    outcome = scored(served, beside=False)
    metrics, shadow = compared(models.plain, served, outcome)
    assert not shadow.asks_for_history
    assert value(metrics, "failed") == 0
    own = load(models.plain).score(outcome.claims)
    assert value(metrics, "probability_sum") == pytest.approx(own.sum(), rel=1e-12)


def environ(models: Models, key: Path, **more: str) -> dict[str, str]:
    """Settings of a worker with MEMORY=on."""
    return {
        "MODEL_DIR": str(models.plain), "SHADOW_MODEL_DIR": str(models.history), "MEMORY": "on",
        "MEMORY_STORE": str(key.parent / "store"), "MEMORY_KEY_FILE": str(key), **more,
    }  # fmt: skip


def test_the_settings_and_the_doctor_say_whether_it_can_score(
    models: Models, tmp_path: Path
) -> None:
    served = load(models.plain)
    key = tmp_path / "memory.key"
    for changes, message in (
        ({}, ""),
        ({"MEMORY": "off"}, r"SHADOW_MODEL_DIR=.*with --history .*set MEMORY=on"),
        (
            {"SHADOW_MODEL_DIR": str(models.fewer)},
            r"SHADOW_MODEL_DIR=.*names other entities.*unset SHADOW_MODEL_DIR",
        ),
        ({"SHADOW_MODEL_DIR": str(models.plain), "MEMORY": "off"}, ""),
    ):
        settings = read_settings(environ(models, key) | changes)
        doctor = {found.check: found for found in files(settings)}["shadow model"]
        if message:
            with pytest.raises(ModelRefusedError, match=message):
                shadow_of(settings, Metrics(), served)
            assert doctor.exit_code == ModelRefusedError.exit_code
            assert "SHADOW_MODEL_DIR=" in doctor.text
        else:
            shadow = shadow_of(settings, Metrics(), served)
            assert shadow is not None
            assert shadow.asks_for_history == (settings.shadow_model_dir == models.history)
            assert doctor.exit_code == 0
    assert shadow_of(read_settings({}), Metrics(), served) is None


def test_without_its_histories_it_is_switched_off(models: Models) -> None:
    """They are never taken for no earlier claims."""
    served = load(models.other, remembers=True)
    outcome = scored(served, beside=True)._replace(histories=None)
    metrics, _ = compared(models.history, served, outcome)
    assert value(metrics, "failed") == 1
    assert value(metrics, "probability_count") == 0


def test_a_history_is_that_of_its_row(models: Models) -> None:
    """Of a batch in which one record is no claim."""
    served = load(models.plain)
    of = memory(served, beside=True)
    batch = messages(EVENTS[:6])
    batch[2] = FakeMessage(b"{}", 2)
    outcome = process(batch, served, NOW, recall=of.recall)
    assert outcome.histories is not None
    assert len(outcome.histories) == len(outcome.claims) == 5
    assert Counter(type(one) for one in outcome.histories) == {ClaimHistory: 5}
