"""``python -m consumer outcomes``: what investigations found, as live figures of each model."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer

from consumer.batch.revisions import headers_after
from model.__main__ import main
from schemas.alert import FraudAlert
from schemas.dead_letter import DeadLetter, Reason
from schemas.outcome import Finding, FraudOutcome
from tests.broker import topics, wait
from tests.broker.read import Isolation, Record, committed, end_offsets, read_all
from tests.integration.outcomes import read
from tests.integration.stage import Stage, Worker
from tests.integration.traffic import Row, good, produce

pytestmark = pytest.mark.kafka

MONDAY = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
TUESDAY = MONDAY + dt.timedelta(days=1)
DECIDED = "fraud_scorer_decided_claims"
Cells = Counter[tuple[str, str, str]]


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second model, of another family, that refers other claims."""
    folder = tmp_path_factory.mktemp("newer") / "model"
    asked = f"train --data synthetic --rows 3000 --algorithm logistic_regression --output {folder}"
    assert main([*asked.split(), "--threshold", "0.2", "--model-version", "newer"]) == 0
    return folder


def scored(stage: Stage, rows: list[Row], **settings: str) -> list[FraudAlert]:
    """Alerts of these claims by one worker."""
    known = {alert.alert_id for _, alert, _ in read(stage).alerts}
    worker = stage.worker(**settings)
    stage.send(rows)
    stage.wait_drained()
    assert worker.stop() == 0
    return [alert for _, alert, _ in read(stage).alerts if alert.alert_id not in known]


def report(stage: Stage, found: Mapping[str, bool], at: dt.datetime, transaction: str = "") -> None:
    """Publish what was found on these claims."""
    outcomes = (
        FraudOutcome(
            claim_id=claim,
            outcome=Finding.FRAUD if fraud else Finding.NOT_FRAUD,
            decided_at=at,
        )
        for claim, fraud in found.items()
    )
    rows = [Row(outcome.claim_id.encode(), msgspec.json.encode(outcome)) for outcome in outcomes]
    produce(stage.bootstrap, stage.settings().outcomes_topic, rows, transaction=transaction)


def abandon(stage: Stage, claims: Iterable[str]) -> None:
    """Findings in an aborted transaction: nothing was decided."""
    producer = Producer({"bootstrap.servers": stage.bootstrap, "transactional.id": stage.group})
    producer.init_transactions(120)
    producer.begin_transaction()
    for claim in claims:
        outcome = FraudOutcome(claim_id=claim, outcome=Finding.FRAUD, decided_at=TUESDAY)
        producer.produce(stage.settings().outcomes_topic, msgspec.json.encode(outcome))
    assert producer.flush(120) == 0
    producer.abort_transaction(120)


def cells(alerts: Iterable[FraudAlert], found: Mapping[str, bool]) -> Cells:
    """The confusion matrices that they make; of a claim the last alert holds."""
    last = {alert.claim_id: alert for alert in alerts}
    return Counter(
        (alert.model_version, str(alert.fraudulent), str(found[claim]))
        for claim, alert in last.items()
        if claim in found
    )


def shown(process: Worker) -> Cells:
    """The same as the process reports it, whose labels come in order of their names."""
    decided = {key[1:]: v for key, v in process.metrics().items() if key[0] == DECIDED}
    cells = ((version, referred, fraud) for fraud, version, referred in decided)
    return +Counter(dict(zip(cells, map(int, decided.values()), strict=True)))


def shares(counted: Cells) -> Iterator[tuple[tuple[str, str], float]]:
    """Precision and recall of each model, by name of the metric and version."""
    for version in {key[0] for key in counted}:
        hits = counted[version, "True", "True"]
        for name, missed in (("precision", ("True", "False")), ("recall", ("False", "True"))):
            whole = hits + counted[version, *missed]
            if whole:
                yield (f"fraud_scorer_live_{name}", version), hits / whole


def agrees(process: Worker, expected: Cells) -> None:
    wait.until(lambda: process.get("/metrics") and shown(process) == expected, f"{expected}")
    live = {k: v for k, v in process.metrics().items() if k[0].startswith("fraud_scorer_live_")}
    assert live == pytest.approx(dict(shares(expected)))


def test_outcomes_become_live_figures_of_each_model(stage: Stage, newer: Path) -> None:
    rows = list(good(1_200))
    process = stage.command("outcomes").ready()
    alerts = scored(stage, rows[:800]) + scored(stage, rows[800:], MODEL_DIR=str(newer))
    # Every third claim is decided; whether it is fraud has little to do with its score.
    found = {alert.claim_id: n % 2 == 0 for n, alert in enumerate(alerts[::3])}
    report(stage, found, MONDAY, transaction=f"{stage.group}-decided")
    expected = cells(alerts, found)
    assert {(version, referred) for version, referred, _ in expected} == {
        (version, referred)
        for version in {alert.model_version for alert in alerts}
        for referred in ("True", "False")
    }
    agrees(process, expected)

    # A finding is revised; an older one that comes late and one that is taken back change nothing.
    revised = {claim: not fraud for claim, fraud in list(found.items())[:50]}
    report(stage, revised, TUESDAY)
    report(stage, found, MONDAY - dt.timedelta(days=7))
    abandon(stage, [alert.claim_id for alert in alerts[1::3]])
    deep = b'{"note":' + b"[" * 99_999 + b"]" * 99_999 + b"}"
    produce(stage.bootstrap, stage.settings().outcomes_topic, [Row(None, b"{}"), Row(None, deep)])
    # An inconclusive finding takes a claim out of the figures.
    undecided = list(found)[50:80]
    rows_of = (FraudOutcome(claim_id=c, outcome=Finding.INCONCLUSIVE) for c in undecided)
    undecided_rows = [Row(None, msgspec.json.encode(outcome)) for outcome in rows_of]
    produce(stage.bootstrap, stage.settings().outcomes_topic, undecided_rows)
    for claim in undecided:
        del found[claim]
    found |= revised
    agrees(process, cells(alerts, found))
    unreadable = ("fraud_scorer_outcomes_unreadable_total", stage.settings().outcomes_topic)
    wait.until(lambda: process.metrics().get(unreadable) == 2, "the unreadable outcomes")

    # Claims sent again are judged by the newer model: their alerts replace the former ones.
    former = {alert.claim_id: alert for alert in alerts[:800]}
    again = [Row(r.key, r.value, headers_after(former[_claim_id(r)])) for r in rows[:800]]
    revisions = scored(stage, again, MODEL_DIR=str(newer))
    assert len(revisions) == 800
    for alert in revisions:
        assert (alert.revision, alert.supersedes) == (2, former[alert.claim_id].alert_id)
    expected = cells([*alerts, *revisions], found)
    assert {version for version, *_ in expected} == {"newer"}
    agrees(process, expected)
    assert process.stop() == 0

    # Another process comes to the same from the topics alone.
    agrees(stage.command("outcomes").ready(), expected)


BAD = (b"", b"no json", b'{"claim_id": "c", "outcome": "maybe"}', b"{}")


def outcome_rows(count: int) -> list[Row]:
    """Outcomes, of which every third is bad."""
    good = msgspec.json.encode(FraudOutcome(claim_id="c", outcome=Finding.INCONCLUSIVE))
    values = (good if n % 3 else BAD[n % len(BAD)] for n in range(count))
    return [Row(b"%d" % n, value) for n, value in enumerate(values)]


def set_aside(stage: Stage, isolation: Isolation = "read_committed") -> list[Record]:
    return read_all(stage.bootstrap, stage.settings().outcomes_dead_letter_topic, isolation)


def written(stage: Stage, count: int) -> bool:
    """True if that many were written, committed or not."""
    return len(set_aside(stage, "read_uncommitted")) >= count


def screened(stage: Stage) -> bool:
    """True if the offsets of every outcome are committed."""
    topic = stage.settings().outcomes_topic
    ends = {p: end for (_, p), end in end_offsets(stage.bootstrap, [topic]).items() if end}
    return committed(stage.bootstrap, f"{stage.group}-outcomes", topic) == ends


def test_bad_outcomes_are_set_aside_exactly_once_whatever_is_killed(stage: Stage) -> None:
    topic, rows = stage.settings().outcomes_topic, outcome_rows(12_500)
    sent = kills = 0
    while kills < 2:
        assert sent < 12_000, "killed too late each time"
        produce(stage.bootstrap, topic, rows[sent : sent + 2_000])
        sent += 2_000
        before = len(set_aside(stage, "read_uncommitted"))
        process = stage.command("outcomes", BATCH_SIZE="5").ready()
        wait.until(partial(written, stage, before + 40), "more dead letters")
        process.kill()
        kills += not screened(stage)
    process = stage.command("outcomes").ready()
    produce(stage.bootstrap, topic, rows[sent : sent + 500])
    rows = rows[: sent + 500]
    wait.until(lambda: process.check() and screened(stage), "the last outcome")
    assert process.stop() == 0, process.log

    letters = set_aside(stage)
    origins = Counter(DeadLetter.from_headers(letter.headers) for letter in letters)
    assert {letter.topic for letter in origins} == {topic}
    bad = [row for n, row in enumerate(rows) if n % 3 == 0]
    assert Counter((r.key, r.value or b"") for r in letters) == Counter(
        (r.key, r.value) for r in bad
    )
    found = {record.place: record for record in read_all(stage.bootstrap, topic)}
    places = [(letter.topic, letter.partition, letter.offset) for letter in origins]
    assert len(set(places)) == len(letters) == len(bad)
    for letter, record in zip(map(_letter, letters), letters, strict=True):
        was = found[letter.topic, letter.partition, letter.offset]
        assert (was.key, was.value) == (record.key, record.value)
    assert {letter.reason for letter in origins} == {Reason.EMPTY, Reason.NOT_JSON, Reason.INVALID}

    # A start later sets none of them aside again, and a redrive of claims does not know them.
    again = stage.command("outcomes").ready()
    unreadable = ("fraud_scorer_outcomes_unreadable_total", topic)
    wait.until(lambda: again.metrics().get(unreadable) == len(bad), "everything read again")
    assert stage.command("redrive").wait() == 0
    assert again.stop() == 0
    assert len(set_aside(stage, "read_uncommitted")) >= len(bad)
    assert len(set_aside(stage)) == len(bad)
    assert read_all(stage.bootstrap, stage.claims) == []


def _letter(record: Record) -> DeadLetter:
    return DeadLetter.from_headers(record.headers)


def test_partitions_that_are_added_are_read_as_well(stage: Stage) -> None:
    process = stage.command("outcomes").ready()
    alerts = scored(stage, list(good(50)))
    topic = stage.settings().outcomes_topic
    added = topics.grow(stage.bootstrap, topic)
    claim = alerts[0].claim_id
    outcome = FraudOutcome(claim_id=claim, outcome=Finding.FRAUD, decided_at=MONDAY)
    producer = Producer({"bootstrap.servers": stage.bootstrap})
    producer.produce(topic, msgspec.json.encode(outcome), partition=added)
    assert producer.flush(120) == 0
    agrees(process, cells(alerts, {claim: True}))


def _claim_id(row: Row) -> str:
    found = msgspec.json.decode(row.value or b"")["claim_id"]
    assert isinstance(found, str)
    return found


def test_a_missing_topic_is_named(stage: Stage) -> None:
    process = stage.command("outcomes", OUTCOMES_TOPIC="nowhere-to-be-found")
    assert process.wait() == 4
    assert "nowhere-to-be-found" in process.log
