"""A claim scored again replaces an alert: named in headers, copied into the alert."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.batch.alerts import alert_records
from consumer.batch.records import coordinates
from consumer.batch.revisions import (
    PREVIOUS_HEADER,
    REVISION_HEADER,
    SUPERSEDES_HEADER,
    HeaderError,
    Succession,
    headers_after,
    succession,
)
from schemas.alert import FraudAlert
from schemas.claim import Claim
from schemas.dead_letter import Header
from tests.consumer.fakes import NOW, FakeScorer, alert_of
from tests.harness.kafka import FakeMessage


def alerts(*headers: list[Header], first_offset: int = 3) -> list[FraudAlert]:
    """Alerts of claims whose records had these headers."""
    scorer = FakeScorer()
    claims = [Claim(claim_id=f"c{n}") for n in range(len(headers))]
    messages = [FakeMessage(None, first_offset + n) for n in range(len(headers))]
    sources = list(map(coordinates, messages))
    unknown: list[tuple[()]] = [()] * len(claims)
    assessed = scorer.assess(claims)
    made = alert_records(messages, sources, headers, claims, unknown, assessed, scorer, NOW)
    return [alert_of(record) for record in made]


def test_a_claim_sent_again_replaces_the_alert_it_is_about() -> None:
    (first,) = alerts([("traceparent", b"x")])
    assert (first.revision, first.supersedes, first.previous_probability) == (1, None, None)
    (second,) = alerts(headers_after(first), first_offset=90)
    assert (second.revision, second.supersedes) == (2, first.alert_id)
    assert second.previous_probability == first.fraud_probability
    (third,) = alerts([("other", b""), *headers_after(second)], first_offset=91)
    assert (third.revision, third.supersedes) == (3, second.alert_id)
    assert len({first.alert_id, second.alert_id, third.alert_id}) == 3
    assert third.data_quality == ()


def test_only_the_claim_whose_record_says_so_is_a_revision() -> None:
    (old,) = alerts([])
    found = alerts([], headers_after(old), [("traceparent", b"x")])
    assert [alert.revision for alert in found] == [1, 2, 1]


@pytest.mark.parametrize(
    ("headers", "wrong"),
    [
        ([(REVISION_HEADER, b"2")], SUPERSEDES_HEADER),
        ([(SUPERSEDES_HEADER, b"a")], REVISION_HEADER),
        ([(REVISION_HEADER, b"1"), (SUPERSEDES_HEADER, b"a")], REVISION_HEADER),
        ([(REVISION_HEADER, b"10000"), (SUPERSEDES_HEADER, b"a")], REVISION_HEADER),
        ([(REVISION_HEADER, b"two"), (SUPERSEDES_HEADER, b"a")], REVISION_HEADER),
        ([(REVISION_HEADER, b"\xb2"), (SUPERSEDES_HEADER, b"a")], REVISION_HEADER),
        ([(REVISION_HEADER, None), (SUPERSEDES_HEADER, b"a")], REVISION_HEADER),
        ([(REVISION_HEADER, b"2"), (SUPERSEDES_HEADER, b"")], SUPERSEDES_HEADER),
        ([(REVISION_HEADER, b"2"), (SUPERSEDES_HEADER, b"a" * 401)], SUPERSEDES_HEADER),
        ([(REVISION_HEADER, b"2"), (SUPERSEDES_HEADER, b"a\n")], SUPERSEDES_HEADER),
        ([(PREVIOUS_HEADER, b"0.5")], REVISION_HEADER),
        *(
            ([(REVISION_HEADER, b"2"), (SUPERSEDES_HEADER, b"a"), (PREVIOUS_HEADER, text)], name)
            for name in (PREVIOUS_HEADER,)
            for text in (b"", None, b"nan", b"-0.1", b"1.1", b"1_0", b" 0.5", b"0,5", b"0" * 41)
        ),
    ],
)
def test_wrong_headers_are_flagged_and_the_claim_is_scored(
    headers: list[Header], wrong: str
) -> None:
    (alert,) = alerts(headers)
    assert (alert.revision, alert.supersedes, alert.previous_probability) == (1, None, None)
    assert alert.data_quality == (f"invalid_header:{wrong}",)


def test_of_a_header_that_is_there_twice_the_last_holds() -> None:
    twice: list[Header] = [
        (REVISION_HEADER, b"2"),
        (SUPERSEDES_HEADER, b"a"),
        (REVISION_HEADER, "3"),
    ]
    assert succession(twice) == Succession(3, "a")


@given(st.floats(0, 1))
def test_any_probability_can_be_said(p: float) -> None:
    (old,) = alerts([])
    again = headers_after(msgspec.structs.replace(old, fraud_probability=p))
    assert succession(again) == Succession(2, old.alert_id, p)
    assert alerts(again)[0].previous_probability == p


NAMES = [REVISION_HEADER, SUPERSEDES_HEADER, PREVIOUS_HEADER, "x"]


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.binary() | st.sampled_from([b"2", b"0.5"]))))
def test_no_header_makes_an_alert_that_breaks_the_schema(headers: list[Header]) -> None:
    (made,) = alerts(headers)
    try:
        found = succession(headers)
    except HeaderError:
        found = None
    about = (made.revision, made.supersedes, made.previous_probability)
    assert about == (found or (1, None, None))
