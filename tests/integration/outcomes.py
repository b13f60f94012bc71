"""Actual outcomes of the claims, compared with the expected ones."""

from collections import Counter, defaultdict
from typing import NamedTuple

import msgspec
import pytest

from consumer.batch.decode import decode
from model.scoring.scorer import Scorer
from schemas.alert import FraudAlert
from schemas.dead_letter import DeadLetter
from tests.broker.read import Record, read_all
from tests.harness.bad_records import BAD
from tests.integration.stage import Stage
from tests.integration.traffic import KIND

Place = tuple[str, int, int]


class Outcomes(NamedTuple):
    """Everything in the three topics, read with read_committed."""

    claims: dict[Place, Record]
    alerts: list[tuple[Place, FraudAlert, Record]]
    letters: list[tuple[Place, DeadLetter, Record]]

    def places(self) -> Counter[Place]:
        """Outcomes of each claim's record."""
        return Counter(place for place, *_ in [*self.alerts, *self.letters])


def read(stage: Stage) -> Outcomes:
    """Read the topics to their ends."""
    claims = read_all(stage.bootstrap, stage.claims)
    return read_outputs(stage)._replace(claims={record.place: record for record in claims})


def read_outputs(stage: Stage) -> Outcomes:
    """Read all but the claims."""
    return Outcomes(
        {},
        [_alert(record) for record in read_all(stage.bootstrap, stage.alerts)],
        [_letter(record) for record in read_all(stage.bootstrap, stage.dead)],
    )


def _alert(record: Record) -> tuple[Place, FraudAlert, Record]:
    alert = msgspec.json.decode(record.value or b"", type=FraudAlert)
    assert alert.source is not None
    return (alert.source.topic, alert.source.partition, alert.source.offset), alert, record


def _letter(record: Record) -> tuple[Place, DeadLetter, Record]:
    letter = DeadLetter.from_headers(record.headers)
    return (letter.topic, letter.partition, letter.offset), letter, record


def check(found: Outcomes, scorer: Scorer, *, duplicates: bool = False) -> None:
    """Each claim has one outcome, and the right one.

    Args:
        found: what is in the topics.
        scorer: the model the worker used.
        duplicates: accept more than one outcome of a claim (at-least-once).
    """
    places = found.places()
    if duplicates:
        assert {*places} == {*found.claims}
    else:
        assert places == Counter(found.claims.keys())
        check_order(found)
    check_alerts(found, scorer)
    check_letters(found)


def check_alerts(found: Outcomes, scorer: Scorer) -> None:
    """Keys, claims and scores are those of an offline computation."""
    rows = [found.claims[place] for place, *_ in found.alerts]
    assert not [row for row in rows if KIND in dict(row.headers)]
    claims = [decode(row.value, (), scorer.decoder).claim for row in rows]
    assert [record.key for *_, record in found.alerts] == [row.key for row in rows]
    assert [alert.claim_id for _, alert, _ in found.alerts] == [c.claim_id for c in claims]
    scores = scorer.score(claims).tolist()
    assert [alert.fraud_probability for _, alert, _ in found.alerts] == pytest.approx(scores)
    for _, alert, _ in found.alerts:
        assert alert.fraudulent == (alert.fraud_probability >= scorer.threshold)
        assert alert.model_sha256 == scorer.sha256


def check_letters(found: Outcomes) -> None:
    """Each is the record it was, with the reason for its kind."""
    for place, letter, record in found.letters:
        was = found.claims[place]
        assert (record.key, record.value) == (was.key, was.value)
        assert record.headers[: len(was.headers)] == was.headers
        kind = dict(was.headers)[KIND]
        assert kind is not None
        assert letter.reason is BAD[kind.decode()].reason


def check_order(found: Outcomes) -> None:
    """The alerts of a key are in the order of its claims."""
    offsets = defaultdict(list)
    for (_, partition, offset), _, record in found.alerts:
        offsets[record.key, partition].append(offset)
    for order in offsets.values():
        assert order == sorted(order)
