"""From labelled claims to claims with history: which fact is known when."""

import datetime as dt
from typing import Any

import msgspec
import numpy as np
import pytest

from model.datasets.dataset import Dataset
from model.features.facts import UNDATED
from model.history.features import names_of
from model.history.learning import past_of, with_history
from model.history.plan import OUTCOME_DAYS, Bounds
from schemas.decoding.decoder import ClaimDecoder
from tests.model.history import motor
from tests.schemas.contracts import small

PHONE = {"type": "string", "x-role": "personal", "x-entity": {"kind": "phone", "form": "phone"}}
DATE = {"type": "string", "format": "date", "x-role": "time"}
CONTRACT = small(
    {"phone": PHONE, "reported": DATE, "policy": {"type": "string", "x-role": "identifier"}},
    x_event={"id": "claim_no", "time": "reported", "key": "policy"},
)
DAY = dt.date(2024, 1, 1)
ONE = "+49 170 555123"


def claim(name: str, day: int | None, phone: str | None = ONE) -> Any:
    """A claim that was reported so many days after the first."""
    make: Any = ClaimDecoder(CONTRACT).type
    reported = None if day is None else DAY + dt.timedelta(days=day)
    return make(claim_no=name, reported=reported, phone=phone, policy=name)


def data(
    *claims: Any, frauds: str = "", decided: dict[str, int] | None = None, others: Any = ()
) -> Dataset:
    """Claims, of which those with a name among `frauds` are fraud."""
    days = None
    if decided is not None:
        days = np.array(
            [
                UNDATED if c.claim_no not in decided else DAY.toordinal() + decided[c.claim_no]
                for c in claims
            ]
        )
    return Dataset(
        contract=CONTRACT,
        claims=claims,
        labels=np.array([c.claim_no in frauds for c in claims], dtype=np.int8),
        decided=days,
        others=others,
    )


def seen(dataset: Dataset, name: str) -> dict[str, float | None]:
    """What a claim saw of its telephone."""
    found = with_history(dataset, past_of(dataset))
    (one,) = (c for c in found.claims if c.claim_no == name)
    return {
        end: getattr(one, f"history_phone_{end}")
        for end in ("claims_365d", "policies", "days_since", "decided", "frauds", "fraud_rate")
    }


NOTHING = {
    "claims_365d": 0.0, "policies": 0.0, "days_since": None, "decided": 0.0, "frauds": 0.0,
    "fraud_rate": None,
}  # fmt: skip


def test_a_claim_sees_earlier_days_only() -> None:
    dataset = data(claim("a", 0), claim("b", 5), claim("c", 5))
    assert seen(dataset, "a") == NOTHING
    for name in ("b", "c"):
        assert seen(dataset, name) == {
            **NOTHING, "claims_365d": 1.0, "policies": 1.0, "days_since": 5.0
        }  # fmt: skip


def test_an_outcome_counts_from_the_day_after_it_was_decided() -> None:
    day = 10
    dataset = data(
        claim("a", 0), claim("b", day), claim("c", day + 1), frauds="a", decided={"a": day}
    )
    assert seen(dataset, "b")["decided"] == 0.0
    assert seen(dataset, "c") == {
        "claims_365d": 2.0, "policies": 2.0, "days_since": 1.0, "decided": 1.0, "frauds": 1.0,
        "fraud_rate": 1.0,
    }  # fmt: skip


def test_without_days_an_outcome_counts_so_many_days_after_the_report() -> None:
    dataset = data(
        claim("a", 0), claim("b", OUTCOME_DAYS), claim("c", OUTCOME_DAYS + 1), frauds="a"
    )
    assert past_of(dataset).plan.outcomes == "assumed"
    assert seen(dataset, "b")["frauds"] == 0.0
    assert seen(dataset, "c")["frauds"] == 1.0


def test_where_days_are_stated_an_outcome_without_one_counts_for_nobody() -> None:
    dataset = data(claim("a", 0), claim("b", 0), claim("c", 500), frauds="ab", decided={"b": 3})
    past = past_of(dataset)
    assert (past.plan.outcomes, past.undecided) == ("stated", 2)
    assert seen(dataset, "c")["decided"] == 1.0


def test_an_outcome_that_was_known_before_its_claim_counts_with_it() -> None:
    dataset = data(claim("a", 5), claim("b", 6), frauds="a", decided={"a": 0})
    assert seen(dataset, "b")["frauds"] == 1.0


def test_claims_without_a_label_are_part_of_the_history() -> None:
    assert seen(data(claim("b", 5), others=[claim("a", 1)]), "b")["claims_365d"] == 1.0


def test_claims_of_other_files_are_part_of_the_history() -> None:
    """As if all were one file: if one says when a label became known, no other is assumed."""
    earlier = data(claim("a", 0), frauds="a", decided={"a": 2}, others=[claim("x", 1)])
    dataset = data(claim("b", 5), claim("c", 500), frauds="b")
    for files in ([earlier], [data(claim("y", 3)), earlier], [earlier, data(claim("y", 3))]):
        past = past_of(dataset, earlier=files)
        assert (past.plan.outcomes, past.labels) == ("stated", 2 + len(files))
        assert past.undecided == 1 + len(files)
        assert past.rows.tolist() == [0, 1]
        first, last = with_history(dataset, past).claims
        assert first.history_phone_claims_365d == 1.0 + len(files)
        assert (first.history_phone_decided, first.history_phone_frauds) == (1.0, 1.0)
        assert (last.history_phone_decided, last.history_phone_days_since) == (1.0, 495.0)
    assert past_of(dataset, earlier=[data(claim("y", 3))]).plan.outcomes == "assumed"


def test_claims_without_a_day_have_no_history_and_are_part_of_none() -> None:
    dataset = data(claim("a", None), claim("b", 5), frauds="a")
    assert past_of(dataset).undated == 1
    assert seen(dataset, "b") == NOTHING
    assert set(seen(dataset, "a").values()) == {None}


def test_a_claim_that_is_there_twice_is_one_and_does_not_see_itself() -> None:
    dataset = data(claim("a", 0), claim("a", 7), claim("b", 9))
    found = with_history(dataset, past_of(dataset))
    assert [c.history_phone_claims_365d for c in found.claims] == [0.0, 0.0, 1.0]
    assert found.claims[2].history_phone_days_since == 9.0


def test_what_names_nobody_has_no_history() -> None:
    dataset = data(claim("a", 0, "n/a"), claim("b", 5, "n/a"), claim("c", 6, None))
    assert set(seen(dataset, "b").values()) == set(seen(dataset, "c").values()) == {None}


def test_copies_stay_what_they_were() -> None:
    """Of two copies, one has the id of an earlier claim, which only the other one sees."""
    stated = motor.claims(300, 1)
    some = list(stated.claims[:20])
    some[3] = msgspec.structs.replace(some[3], phone="07700 123456")
    some[7] = msgspec.structs.replace(some[3], claim_no="copy")
    some[9] = msgspec.structs.replace(
        some[3], reported_on=some[3].reported_on - dt.timedelta(days=9), claimed=1.0
    )
    dataset = Dataset(stated.contract, some, stated.labels[:20])
    found = with_history(dataset, past_of(dataset))
    assert [c.history_phone_claims_365d for c in (found.claims[3], found.claims[7])] == [0.0, 1.0]
    assert dataset.groups[7] == dataset.groups[3]
    assert found.groups.tolist() == dataset.groups.tolist()
    assert found.part(np.array([3, 5, 7])).groups.tolist() == [0, 1, 0]


def test_bounds_are_part_of_the_plan_and_change_what_is_seen() -> None:
    dataset = data(claim("a", 0), claim("b", 50))
    past = past_of(dataset, Bounds(days=49))
    assert past.plan.bounds.days == 49
    assert with_history(dataset, past).claims[1].history_phone_claims_365d == 0.0


def test_the_contract_of_senders_stays_as_it_is() -> None:
    found = with_history(dataset := data(claim("a", 0)), past_of(dataset))
    names = names_of(past_of(dataset).plan.kinds)
    assert found.contract.to_json() == CONTRACT.to_json()
    assert set(names) <= set(found.contract.features())
    assert not set(names) & set(CONTRACT.fields)
    assert not any(map(found.contract.is_withheld, names))
    assert all(found.contract.phrase(name) for name in names)


@pytest.mark.parametrize(
    ("properties", "event", "message"),
    [
        ({"reported": DATE}, {"time": "reported"}, "names no person or thing to remember: write"),
        (
            {"reported": DATE, "phone": {**PHONE, "x-entity": "phone"}},
            {"time": "reported"},
            r"\(of phone, x-entity is a name only\)",
        ),
        ({"phone": PHONE}, {}, "needs the day on which a claim was reported: x-event, time"),
    ],
)
def test_contracts_that_say_too_little(
    properties: dict[str, Any], event: dict[str, str], message: str
) -> None:
    contract = small(properties, x_event={"id": "claim_no", **event})
    with pytest.raises(ValueError, match=message):
        past_of(Dataset(contract, [], np.array([], dtype=np.int8)))


def test_a_field_with_the_name_of_a_feature_is_refused() -> None:
    taken = small(
        {"phone": PHONE, "reported": DATE, "history_phone_frauds": {"type": "number",
         "x-role": "feature"}},
        x_event={"id": "claim_no", "time": "reported"},
    )  # fmt: skip
    dataset = Dataset(taken, [], np.array([], dtype=np.int8))
    with pytest.raises(ValueError, match="history_phone_frauds is the name of a history feature"):
        with_history(dataset, past_of(dataset))
