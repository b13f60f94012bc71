"""The check of outcomes accepts what `process` makes of records, and nothing with a flaw."""

from collections.abc import Callable

import msgspec
import pytest

from consumer.batch import records
from consumer.batch.process import process
from model.datasets.synthetic import generate
from model.scoring.scorer import Scorer
from schemas.alert import FraudAlert
from tests.broker.read import Record
from tests.consumer.fakes import NOW
from tests.harness.bad_records import LIGHT
from tests.harness.kafka import FakeMessage
from tests.integration.outcomes import Outcomes, check, outcomes_of
from tests.integration.traffic import Row, bad

Flaw = Callable[[list[Record], list[Record]], tuple[list[Record], list[Record]]]


@pytest.fixture(scope="module")
def claims() -> list[Record]:
    """Forty claims of three policies, with a bad record of each light kind after them."""
    values = map(msgspec.json.encode, generate(40, seed=1)[0])
    good = [Row(b"policy-%d" % (n % 3), value) for n, value in enumerate(values)]
    return [written("claims", n, row) for n, row in enumerate([*good, *map(bad, LIGHT)])]


def written(topic: str, offset: int, row: Row | records.Record) -> Record:
    headers = tuple((n, v.encode() if isinstance(v, str) else v) for n, v in row.headers or ())
    return Record(topic, 0, offset, row.key, row.value, headers, 0)


@pytest.fixture(scope="module")
def outputs(claims: list[Record], scorer: Scorer) -> tuple[list[Record], list[Record]]:
    """Alerts and dead letters, as they are read back."""
    batch = [FakeMessage(r.value, r.offset, key=r.key, headers=list(r.headers)) for r in claims]
    made = process(batch, scorer, NOW)
    return (
        [written("alerts", n, row) for n, row in enumerate(made.alerts)],
        [written("dead", n, row) for n, row in enumerate(made.dead_letters)],
    )


def found(claims: list[Record], alerts: list[Record], letters: list[Record]) -> Outcomes:
    return outcomes_of(alerts, letters)._replace(claims={r.place: r for r in claims})


def test_what_process_makes_of_records_is_accepted(
    claims: list[Record], outputs: tuple[list[Record], list[Record]], scorer: Scorer
) -> None:
    alerts, letters = outputs
    assert (len(alerts), len(letters)) == (40, len(LIGHT))
    check(found(claims, alerts, letters), scorer)
    check(found(claims, [*alerts, again(alerts[0])], letters), scorer, duplicates=True)


def again(row: Record) -> Record:
    return row._replace(offset=1_000)


def with_score(row: Record, change: float) -> Record:
    alert = msgspec.json.decode(row.value or b"", type=FraudAlert)
    probability = abs(alert.fraud_probability - change)
    changed = msgspec.structs.replace(alert, fraud_probability=probability)
    return row._replace(value=msgspec.json.encode(changed))


def swapped(rows: list[Record]) -> list[Record]:
    """The first two of a key, the other way round."""
    first, second = (row for row in rows[:4] if row.key == b"policy-0")
    turned = [first._replace(offset=second.offset), second._replace(offset=first.offset)]
    return [*turned, *(row for row in rows if row not in (first, second))]


FLAWS: dict[str, tuple[Flaw, str]] = {
    "lost claim": (lambda a, d: (a[1:], d), "a source record has no outcome"),
    "lost bad record": (lambda a, d: (a, d[1:]), "a source record has no outcome"),
    "doubled alert": (lambda a, d: ([*a, again(a[-1])], d), "has more than one outcome"),
    "doubled dead letter": (lambda a, d: (a, [*d, again(d[-1])]), "has more than one outcome"),
    "wrong score": (
        lambda a, d: ([with_score(a[0], 1e-7), *a[1:]], d),
        "an alert that is not its own",
    ),
    "wrong key": (
        lambda a, d: ([a[0]._replace(key=b"policy-9"), *a[1:]], d),
        "an alert that is not its own",
    ),
    "dead letter's bytes": (
        lambda a, d: (a, [d[0]._replace(value=b"other"), *d[1:]]),
        "a dead letter is not its record",
    ),
    "reordered": (lambda a, d: (swapped(a), d), "the order of a key is broken"),
}


@pytest.mark.parametrize("name", FLAWS)
def test_a_flaw_is_caught(
    claims: list[Record], outputs: tuple[list[Record], list[Record]], scorer: Scorer, name: str
) -> None:
    flaw, promise = FLAWS[name]
    with pytest.raises(AssertionError, match=promise):
        check(found(claims, *flaw(*outputs)), scorer)


def test_an_outcome_of_no_claim_is_caught(
    claims: list[Record], outputs: tuple[list[Record], list[Record]], scorer: Scorer
) -> None:
    with pytest.raises(AssertionError, match="an outcome belongs to no source record"):
        check(found(claims[1:], *outputs), scorer)
