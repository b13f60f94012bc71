import datetime as dt
import itertools
import logging
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from consumer.outcomes.follow import _take
from consumer.outcomes.live_quality import OTHER_VERSIONS, Cell, LiveQuality, precision, recall
from consumer.outcomes.metrics import VERSIONS, OutcomeMetrics
from consumer.outcomes.reading import credible, published_at
from consumer.settings.settings import Settings
from consumer.telemetry.metrics import ProcessMetrics
from schemas.outcome import Finding, Occasion
from tests.harness.kafka import FakeMessage

MONDAY = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
TUESDAY = MONDAY + dt.timedelta(days=1)


def decided(quality: LiveQuality, claim: str, *, referred: bool, fraud: bool) -> None:
    quality.alert(claim, "v1", referred=referred)
    quality.outcome(claim, Finding.FRAUD if fraud else Finding.NOT_FRAUD, MONDAY)


def test_precision_and_recall_of_decided_claims() -> None:
    quality = LiveQuality()
    for number, (referred, fraud) in enumerate(
        [(True, True)] * 3 + [(True, False)] * 1 + [(False, True)] * 2 + [(False, False)] * 5
    ):
        decided(quality, str(number), referred=referred, fraud=fraud)
    quality.alert("undecided", "v1", referred=True)
    assert quality.precision("v1") == 3 / 4
    assert quality.recall("v1") == 3 / 5
    assert quality.versions() == ["v1"]


def test_an_inconclusive_claim_counts_neither_as_fraud_nor_as_honest() -> None:
    quality = LiveQuality()
    for claim, referred in (("a", True), ("b", False)):
        quality.alert(claim, "v1", referred=referred)
        quality.outcome(claim, Finding.INCONCLUSIVE, MONDAY)
    assert quality.cells == {}
    assert (quality.precision("v1"), quality.recall("v1"), quality.versions()) == (None, None, [])
    assert +quality.findings == {(Finding.INCONCLUSIVE, None): 2}

    # Next to decided claims it changes no share, and a later finding replaces it or is replaced.
    for claim, finding in (("c", Finding.FRAUD), ("d", Finding.NOT_FRAUD)):
        quality.alert(claim, "v1", referred=True)
        quality.outcome(claim, finding, MONDAY)
    assert quality.precision("v1") == 1 / 2
    quality.outcome("a", Finding.FRAUD, TUESDAY)
    assert quality.precision("v1") == 2 / 3
    quality.outcome("d", Finding.INCONCLUSIVE, TUESDAY)
    assert quality.precision("v1") == 1


def test_findings_and_savings_are_those_of_the_latest_outcome_of_each_claim() -> None:
    quality = LiveQuality()
    quality.outcome("a", Finding.FRAUD, MONDAY, saved=1_000.0, source=Occasion.INVESTIGATION)
    quality.outcome("b", Finding.FRAUD, MONDAY, saved=500.5, source=Occasion.RANDOM_CONTROL)
    quality.outcome("a", Finding.FRAUD, MONDAY - dt.timedelta(days=7), saved=9_999.0)
    assert quality.saved == 1_500.5
    quality.outcome("a", Finding.INCONCLUSIVE, TUESDAY, source=Occasion.INVESTIGATION)
    assert quality.saved == 500.5
    assert +quality.findings == {
        (Finding.INCONCLUSIVE, Occasion.INVESTIGATION): 1,
        (Finding.FRAUD, Occasion.RANDOM_CONTROL): 1,
    }


def test_nothing_decided_is_not_zero() -> None:
    quality = LiveQuality()
    quality.alert("a", "v1", referred=True)
    assert quality.precision("v1") is None
    assert quality.recall("v1") is None
    assert quality.versions() == []


def test_order_of_arrival_does_not_matter() -> None:
    steps: list[Callable[[LiveQuality], None]] = [
        lambda q: q.alert("a", "v1", referred=True),
        lambda q: q.outcome("a", Finding.FRAUD, MONDAY),
        lambda q: q.outcome("a", Finding.NOT_FRAUD, TUESDAY),
    ]
    for order in itertools.permutations(steps):
        quality = LiveQuality()
        for step in order:
            step(quality)
        assert +quality.cells == {Cell("v1", True, False): 1}


def test_a_finding_from_the_future_can_be_corrected() -> None:
    quality = LiveQuality()
    quality.alert("a", "v1", referred=True)
    future = dt.datetime(9999, 12, 31, tzinfo=dt.UTC)
    quality.outcome("a", Finding.NOT_FRAUD, MONDAY)
    quality.outcome("a", Finding.FRAUD, credible(future, TUESDAY))
    assert +quality.cells == {Cell("v1", True, True): 1}
    quality.outcome("a", Finding.NOT_FRAUD, credible(MONDAY, TUESDAY))
    assert +quality.cells == {Cell("v1", True, False): 1}


def test_what_is_decided_after_it_was_published_has_no_time() -> None:
    assert credible(MONDAY, MONDAY) == MONDAY
    assert credible(TUESDAY, MONDAY) == TUESDAY  # clocks and time zones
    assert credible(TUESDAY + dt.timedelta(seconds=1), MONDAY) is None
    assert credible(dt.datetime.max.replace(tzinfo=dt.UTC), MONDAY) is None
    assert credible(dt.datetime.min.replace(tzinfo=dt.UTC), MONDAY) is not None


class Stamped:
    """A record of that timestamp."""

    def __init__(self, ms: float) -> None:
        self._ms = int(ms)

    def timestamp(self) -> tuple[int, int]:
        """Its type, and milliseconds since 1970."""
        return 1, self._ms


def test_a_record_is_published_when_it_says_unless_that_cannot_be() -> None:
    at = MONDAY.timestamp() * 1_000
    assert published_at(Stamped(at), TUESDAY) == MONDAY
    for impossible in (0, -1, at * 1_000):
        assert published_at(Stamped(impossible), TUESDAY) == TUESDAY


def test_a_second_scoring_replaces_the_first() -> None:
    quality = LiveQuality()
    decided(quality, "a", referred=False, fraud=True)
    quality.alert("a", "v2", referred=True)
    assert quality.versions() == ["v2"]
    assert quality.recall("v2") == 1
    assert quality.recall("v1") is None


@pytest.mark.parametrize("keep", [1, 3])
def test_memory_is_bounded_and_the_oldest_is_forgotten(keep: int) -> None:
    quality = LiveQuality(keep)
    for number in range(10):
        decided(quality, str(number), referred=True, fraud=True)
    assert quality.cells[Cell("v1", True, True)] == keep
    assert quality.forgotten == 10 - keep


@pytest.mark.parametrize("topic", ["fraud-alerts", "fraud-outcomes"])
@pytest.mark.parametrize(("length", "read"), [(128, True), (129, False), (900_000, False)])
def test_an_id_that_no_claim_may_have_is_not_remembered(
    topic: str, length: int, read: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Half a million ids of any length would not fit the memory."""
    named = {"claim_id": "i" * length}
    alert = {"model_version": "v1", "fraudulent": True}
    found = {"outcome": "fraud", "decided_at": dt.datetime(2023, 1, 2, tzinfo=dt.UTC)}
    value = msgspec.json.encode(named | (alert if topic == "fraud-alerts" else found))
    quality, metrics = LiveQuality(), ProcessMetrics()
    shown = OutcomeMetrics(metrics)
    message: Any = FakeMessage(value, 7, topic=topic)
    _take(message, Settings(instance_id="i"), quality, shown, bytes)
    assert len(quality._claims) == read
    refused = metrics.registry.get_sample_value(
        "fraud_scorer_outcomes_unreadable_total", {"topic": topic}
    )
    assert refused == (None if read else 1)
    words = f"unreadable: {topic}[0]@7: $.claim_id: must have at most 128 characters"
    assert caplog.messages == ([] if read else [words])


def test_old_versions_are_summed_up() -> None:
    quality = LiveQuality()
    for number in range(30):
        quality.alert(str(number), f"v{number}", referred=True)
        quality.outcome(str(number), Finding.FRAUD if number % 3 else Finding.NOT_FRAUD, MONDAY)
    quality.alert("undecided", "v-new", referred=True)
    cells = quality.summed(5)
    apart = {f"v{number}" for number in range(25, 30)}
    assert {cell.model_version for cell in cells} == {*apart, OTHER_VERSIONS}
    assert cells[Cell(OTHER_VERSIONS, True, False)] == 9
    assert precision(cells, OTHER_VERSIONS) == 16 / 25
    assert recall(cells, "v29") == 1
    assert sum(cells.values()) == sum(quality.cells.values()) == 30


def test_a_version_may_be_called_as_the_sum_is() -> None:
    quality = LiveQuality()
    quality.alert("a", OTHER_VERSIONS, referred=True)
    quality.outcome("a", Finding.FRAUD, MONDAY)
    assert quality.summed(5) == {Cell(OTHER_VERSIONS, True, True): 1}


def test_versions_of_claims_that_are_forgotten_are_forgotten() -> None:
    quality = LiveQuality(keep=3)
    for number in range(20):
        quality.alert(str(number), f"v{number}", referred=True)
        quality.outcome(str(number), Finding.FRAUD, MONDAY)
    assert {cell.model_version for cell in quality.cells} == {"v17", "v18", "v19"}
    assert len(quality._latest) == 3


def samples(metrics: ProcessMetrics, name: str) -> dict[str, float]:
    """Values by version."""
    found = next(m for m in metrics.registry.collect() if m.name == name)
    return {sample.labels["model_version"]: sample.value for sample in found.samples}


def test_the_series_of_metrics_are_bounded_and_old_ones_go() -> None:
    quality, metrics = LiveQuality(), ProcessMetrics()
    shown = OutcomeMetrics(metrics)
    for number in range(2 * VERSIONS):
        quality.alert(str(number), f"v{number}", referred=True)
        quality.outcome(str(number), Finding.FRAUD, MONDAY)
        shown.show(quality)
    for name in ("precision", "recall"):
        found = samples(metrics, f"fraud_scorer_live_{name}")
        assert len(found) == VERSIONS + 1
        assert f"v{VERSIONS - 1}" not in found
        assert found[OTHER_VERSIONS] == 1
    decided = samples(metrics, "fraud_scorer_decided_claims")
    assert len(decided) == VERSIONS + 1
    assert decided[OTHER_VERSIONS] == VERSIONS


def test_a_share_of_nothing_is_no_longer_shown() -> None:
    quality, metrics = LiveQuality(), ProcessMetrics()
    shown = OutcomeMetrics(metrics)
    decided(quality, "a", referred=True, fraud=True)
    shown.show(quality)
    quality.alert("a", "v2", referred=True)
    shown.show(quality)
    assert samples(metrics, "fraud_scorer_live_precision") == {"v2": 1}
    assert samples(metrics, "fraud_scorer_decided_claims") == {"v2": 1}


def test_findings_of_every_kind_have_a_series_from_the_start() -> None:
    quality, metrics = LiveQuality(), ProcessMetrics()
    shown = OutcomeMetrics(metrics)
    quality.outcome("a", Finding.FRAUD, MONDAY, saved=70.0)
    shown.show(quality)
    found = next(m for m in metrics.registry.collect() if m.name == "fraud_scorer_outcome_claims")
    values = {tuple(sample.labels.values()): sample.value for sample in found.samples}
    assert len(values) == len(Finding) * (len(Occasion) + 1)
    assert +Counter(values) == {("fraud", "unstated"): 1}
    assert metrics.registry.get_sample_value("fraud_scorer_amount_saved") == 70


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (
            b'{"claim_id": "a", "decided_at": "2026-03-02T00:00:00Z", "outcome": "Anna Kowalska"}',
            "$.outcome: is not one of fraud, not_fraud, inconclusive",
        ),
        (b'{"claim_id": "Anna\xff Kowalska"}', "not UTF-8: invalid start byte"),
        (b'{"claim_id": ["Anna"]}', "$.claim_id: is not a text, but an array"),
        (b"Anna", "JSON is malformed: invalid character (byte 0)"),
    ],
)
def test_what_cannot_be_read_is_logged_without_its_values(
    value: bytes, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(instance_id="i")
    message: Any = FakeMessage(value, 7, topic=settings.outcomes_topic)
    instruments = OutcomeMetrics(ProcessMetrics())
    with caplog.at_level(logging.WARNING):
        _take(message, settings, LiveQuality(), instruments, bytes)
    assert caplog.messages == [f"unreadable: {settings.outcomes_topic}[0]@7: {why}"]
