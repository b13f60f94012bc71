"""Actual outcomes of the claims, compared with the expected ones."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from consumer.batch.decode import decode
from model.scoring.scorer import Scorer
from schemas.alert import FraudAlert
from schemas.dead_letter import DeadLetter
from tests.broker.read import Record, read_all
from tests.harness import outcomes
from tests.harness.bad_records import BAD
from tests.harness.outcomes import Expected, Place, Score
from tests.integration.stage import Stage
from tests.integration.traffic import KIND


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
    return outcomes_of(
        read_all(stage.bootstrap, stage.alerts), read_all(stage.bootstrap, stage.dead)
    )


def outcomes_of(alerts: Iterable[Record], letters: Iterable[Record]) -> Outcomes:
    """Decode what the output topics hold."""
    return Outcomes({}, list(map(_alert, alerts)), list(map(_letter, letters)))


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
    broken = outcomes.check(
        outcomes.Outputs(
            expected(found.claims, scorer),
            [record for *_, record in found.alerts],
            [record for *_, record in found.letters],
            repeats=duplicates,
        )
    )
    assert not broken, "\n".join(map(str, broken))


def expected(claims: Mapping[Place, Record], scorer: Scorer) -> dict[Place, Expected]:
    """By an offline computation; what `KIND` does not mark as bad is a claim."""
    kinds = {place: dict(row.headers).get(KIND) for place, row in claims.items()}
    good = [place for place, kind in kinds.items() if kind is None]
    decoded = [decode(claims[place].value, (), scorer.decoder).claim for place in good]
    ids = dict(zip(good, (claim.claim_id for claim in decoded), strict=True))
    scores = dict(zip(good, scorer.score(decoded).tolist(), strict=True))
    return {
        place: Expected(row.key, row.value, row.headers, reason=BAD[kind.decode()].reason)
        if (kind := kinds[place])
        else Expected(
            row.key, row.value, row.headers, ids[place],
            {scorer.sha256: Score(scores[place], scorer.threshold)},
        )
        for place, row in claims.items()
    }  # fmt: skip
