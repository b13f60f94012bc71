"""PUBLISH=actionable: what a person is to act on is published, everything else is only scored."""

from collections.abc import Sequence

from consumer.batch.alerts import Wanted, actionable, all_alerts
from consumer.batch.process import Outcome, process
from consumer.settings.settings import Publish, read_settings
from consumer.worker.wanted import wanted_by
from model.history.features import ClaimHistory
from model.scoring.scorer import Assessment
from schemas.alert import Decision, RuleHit, Source
from schemas.claim import Claim
from tests.consumer.fakes import NOW, FakeScorer, alert_of, claim
from tests.harness.kafka import FakeMessage

HIT = RuleHit(id="r", version=1, outcome=Decision.REVIEW, text="because")


class Sampling(FakeScorer):
    """Draws claim c1 for the control sample; a rule finds claim c2."""

    def assess(
        self, claims: Sequence[Claim], histories: Sequence[ClaimHistory] | None = None
    ) -> Assessment:
        found = super().assess(claims, histories)
        return found._replace(
            control=[c.claim_id == "c1" for c in claims],
            rule_hits=[(HIT,) if c.claim_id == "c2" else () for c in claims],
        )


def outcome(scorer: FakeScorer, wanted: Wanted = actionable) -> Outcome:
    """Of ten claims in two partitions, of which c4 is to be reviewed and c5 on are referred."""
    messages = [FakeMessage(claim(f"c{n}", n * 100), n, partition=n % 2) for n in range(10)]
    return process([*messages, FakeMessage(b"bad", 10)], scorer, NOW, wanted=wanted)


def published(made: Outcome) -> list[str]:
    return [alert_of(record).claim_id for record in made.alerts]


def test_referred_reviewed_ruled_and_drawn_claims_are_published() -> None:
    made = outcome(Sampling())
    assert published(made) == ["c1", "c2", *(f"c{n}" for n in range(4, 10))]
    assert published(outcome(FakeScorer())) == [f"c{n}" for n in range(4, 10)]


def test_what_is_counted_and_committed_is_what_is_published() -> None:
    every, made = outcome(Sampling(), all_alerts), outcome(Sampling())
    assert made.alert_sources == [Source("claims", n % 2, n) for n in (1, 2, 4, 5, 6, 7, 8, 9)]
    assert made.outcomes == {("claims", 0): 4 + 1, ("claims", 1): 4}
    assert (made.offsets, made.dead_letters) == (every.offsets, every.dead_letters)
    assert (made.claims, made.referred) == (every.claims, every.referred)


def test_every_choice_of_publish_has_its_alerts() -> None:
    chosen = {kind: wanted_by(read_settings({"PUBLISH": kind.value})) for kind in Publish}
    assert len(set(chosen.values())) == len(Publish)
    assert chosen[Publish.ACTIONABLE] is actionable
