"""What alerts say of earlier claims: it informs, and changes no decision."""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import pytest

from consumer.batch.alerts import alert_records, fraud_alerts
from consumer.batch.recalled import MOST_LINKS, VERSION, Recalled
from consumer.batch.records import coordinates
from model.history.facts import DAY
from model.history.features import MISSING, ClaimHistory, EntityFeatures
from model.history.plan import EntityKind
from schemas.alert import EntityHistory, FraudAlert, LinkedClaim, LinkFinding, MemoryStatus
from schemas.claim import Claim
from tests.consumer.fakes import NOW, FakeScorer, alert_of
from tests.harness.kafka import FakeMessage

PHONE, GARAGE = KINDS = (
    EntityKind(kind="phone", like="person"),
    EntityKind(kind="garage", like="business"),
)
MONDAY, TUESDAY = 20_000 * DAY, 20_001 * DAY
CLAIMS = [
    Claim(claim_id=f"c{n}", claim_amount=amount)
    for n, amount in enumerate([10.0, 450.0, 700.0, 5.0])
]  # passed, reviewed, referred, and drawn
SEEN = EntityFeatures(1.0, 2.0, 4.0, 3.0, 8.0, 2.0, 1.0, 0.5)
NEW = EntityFeatures(0.0, 0.0, 0.0, 0.0, math.nan, 0.0, 0.0, math.nan)
HISTORIES = [
    ClaimHistory((SEEN, NEW)),
    ClaimHistory((MISSING, SEEN), ("common_entity:phone",), (1,)),
    ClaimHistory((NEW, MISSING)),
    ClaimHistory((MISSING, MISSING)),
]
OF_MEMORY = {"history", "links", "memory"}


class Earlier(NamedTuple):
    """A claim that names the same."""

    kind: int
    claim_id: str
    known_at: int
    finding: bool | None = None
    amount: float | None = None


class Links:
    """Answers the same for each claim, and keeps what it is asked."""

    def __init__(self, *found: Earlier) -> None:
        self.found = found
        self.asked: list[list[int]] = []

    def __call__(self, rows: Sequence[int]) -> Mapping[int, Sequence[Earlier]]:
        self.asked.append([*rows])
        return dict.fromkeys(rows, self.found)


def recalled(links: Links, histories: Sequence[ClaimHistory] = HISTORIES) -> Recalled:
    as_of = [MONDAY, MONDAY, TUESDAY, TUESDAY][: len(histories)]
    return Recalled(KINDS, histories, as_of, behind_ms=40, links=links)


def alerts(
    known: Recalled | None, claims: Sequence[Claim] = CLAIMS, *, drawn: bool = True
) -> list[FraudAlert]:
    """As records have them; answers over HTTP say the same."""
    scorer = FakeScorer()
    control = [drawn and claim.claim_id == "c3" for claim in claims]
    assessment = scorer.assess(claims)._replace(control=control)
    messages = [FakeMessage(None, offset) for offset in range(len(claims))]
    sources = list(map(coordinates, messages))
    nothing: list[tuple[()]] = [()] * len(claims)
    records = alert_records(
        messages, sources, nothing, claims, nothing, assessment, scorer, NOW, known
    )
    found = [alert_of(record) for record in records]
    again = fraud_alerts(claims, sources, assessment, scorer, NOW, recalled=known)
    assert list(again) == found
    return found


def test_history_has_the_values_that_the_claim_was_scored_with() -> None:
    first, second, third, fourth = alerts(recalled(Links()))
    seen = EntityHistory(
        entity="phone", claims_30d=1, claims_90d=2, claims_365d=4, policies=3,
        policies_at_least=False, days_since=8.0, decided=2, frauds=1, fraud_rate=0.5,
    )  # fmt: skip
    new = EntityHistory(
        entity="garage", claims_30d=0, claims_90d=0, claims_365d=0, policies=0,
        policies_at_least=False, days_since=None, decided=0, frauds=0, fraud_rate=None,
    )  # fmt: skip
    assert first.history == (seen, new)
    bounded = msgspec.structs.replace(seen, entity="garage", policies_at_least=True)
    assert second.history == (bounded,), "no placeholder"
    assert third.history == (msgspec.structs.replace(new, entity="phone"),)
    assert fourth.history == (), "it names nobody"


def test_memory_says_what_the_history_is_as_of() -> None:
    first, _, third, _ = alerts(recalled(Links()))
    monday = dt.datetime(2024, 10, 4, tzinfo=dt.UTC)
    assert first.memory == MemoryStatus(as_of=monday, behind_ms=40, version=VERSION)
    tuesday = dt.datetime(2024, 10, 5, tzinfo=dt.UTC)
    assert third.memory == MemoryStatus(as_of=tuesday, behind_ms=40, version=VERSION)


def test_links_are_for_claims_that_a_person_looks_at() -> None:
    links = Links(Earlier(0, "e1", MONDAY - DAY, True, 900.0), Earlier(0, "e2", MONDAY - 2 * DAY))
    passed, *looked_at = alerts(recalled(links))
    assert links.asked == [[1, 2, 3]] * 2, "once a batch"
    assert passed.links == ()
    for alert in looked_at:
        assert alert.links == (
            LinkedClaim(
                entity="phone", claim_id="e1", known_at=dt.datetime(2024, 10, 3, tzinfo=dt.UTC),
                finding=LinkFinding.FRAUD, amount=900.0,
            ),
            LinkedClaim(
                entity="phone", claim_id="e2", known_at=dt.datetime(2024, 10, 2, tzinfo=dt.UTC),
                finding=None, amount=None,
            ),
        )  # fmt: skip


def test_where_all_claims_pass_no_link_is_asked_for() -> None:
    links = Links(Earlier(0, "e1", MONDAY))
    (alert,) = alerts(recalled(links, HISTORIES[:1]), CLAIMS[:1])
    assert (alert.links, links.asked) == ((), [])


def test_nothing_is_linked_through_a_business_and_few_claims_of_a_kind() -> None:
    many = [Earlier(0, f"e{n}", MONDAY - n * DAY, n % 2 == 0) for n in range(MOST_LINKS + 2)]
    _, alert, _, _ = alerts(recalled(Links(Earlier(1, "g1", MONDAY), *many)))
    assert [(link.entity, link.claim_id) for link in alert.links or ()] == [
        ("phone", f"e{n}") for n in range(MOST_LINKS)
    ]
    assert {link.finding for link in alert.links or ()} == {*LinkFinding}


def test_what_is_known_changes_nothing_else() -> None:
    """No link and no history refers a claim; only the score and the rules do."""
    links = Links(*(Earlier(0, f"e{n}", MONDAY, True, 1e6) for n in range(MOST_LINKS)))
    worst = [ClaimHistory((SEEN._replace(fraud_rate=1.0), SEEN))] * len(CLAIMS)
    with_memory, without = alerts(recalled(links, worst)), alerts(None)
    assert [_bare(alert) for alert in with_memory] == [_bare(alert) for alert in without]
    assert [alert.decision.value for alert in with_memory] == ["pass", "review", "refer", "pass"]


def _bare(alert: FraudAlert) -> dict[str, object]:
    found: dict[str, object] = msgspec.to_builtins(alert)
    return {name: value for name, value in found.items() if name not in OF_MEMORY}


@pytest.mark.parametrize("known", [None, recalled(Links())], ids=["without", "with"])
def test_alerts_without_memory_have_no_field_of_it(known: Recalled | None) -> None:
    """They are what they were before there was any."""
    names = {*FraudAlert.__struct_fields__}
    for alert in alerts(known):
        document = msgspec.json.decode(msgspec.json.encode(alert))
        assert document.keys() == (names if known else names - OF_MEMORY)
