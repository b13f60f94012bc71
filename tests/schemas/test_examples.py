"""Examples pass the JSON Schema and the decoder; what is wrong passes neither."""

from typing import Any

import pytest

from schemas import examples
from tests.schemas.reading import ALERT, CLAIM, CONTRACTS, DEAD_LETTER, OUTCOME, Contract


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.file)
def test_examples_pass_schema_and_decoder(contract: Contract) -> None:
    shown = contract.document()["examples"]
    assert len(shown) >= 2
    assert shown == list(contract.examples)
    for example in shown:
        assert contract.schema_accepts(example)
        assert contract.decoder_accepts(example)


WRONG: list[tuple[Contract, dict[str, Any], dict[str, Any]]] = [
    (CLAIM, examples.REAR_END, change)
    for change in (
        {"claim_id": None},
        {"claim_id": ""},
        {"claim_id": "x" * 129},
        {"claim_id": 17},
        {"policy_number": ""},
        {"loss_date": "2026-02-30"},
        {"loss_date": "14.03.2026"},
        {"loss_date": "20260314"},
        {"loss_date": "2026-03-14T10:00:00Z"},
        {"loss_date": 20260314},
        {"loss_hour": 24},
        {"loss_hour": -1},
        {"loss_hour": 7.5},
        {"loss_hour": "7"},
        {"loss_area": "x" * 201},
        {"loss_area": 3},
        {"police_report_filed": 1},
        {"police_report_filed": "yes"},
        {"claim_amount": -0.01},
        {"claim_amount": 1e9 + 1},
        {"claim_amount": "3480"},
        {"claim_amount": True},
        {"witnesses": [1]},
        {"driver_rating": 0},
        {"vehicle_year": 1885},
        {"policy_age_days": -36_501},
        {"driver_age": 131},
        {"loss_description": "x" * 20_001},
    )
]
WRONG += [
    (ALERT, examples.REFERRED, change)
    for change in (
        {"fraud_probability": 1.01},
        {"fraudulent": 1},
        {"threshold": None},
        {"decision": "deny"},
        {"band": "none"},
        {"revision": 0},
        {"control": 1},
        {"control": None},
        {"percentile": 100.5},
        {"reasons": None},
        {"reasons": [{"code": "x"}]},
        {"source": {"topic": "claims", "partition": -1, "offset": 0}},
        {"scored_at": "2026-04-11"},
        {"scored_at": "2026-04-11T16:03:02"},
    )
]
WRONG += [
    (DEAD_LETTER, examples.OUT_OF_RANGE, change)
    for change in (
        {"__streams.errors.exception": "boredom"},
        {"__streams.errors.partition": "-1"},
        {"__streams.errors.offset": "03"},
        {"__streams.errors.offset": "twelve"},
        {"scorer.errors.attempt": "0"},
        {"scorer.errors.failed_at": "yesterday"},
        {"scorer.errors.failed_at": "2026-03-15T09:12:44"},
    )
]
WRONG += [
    (OUTCOME, examples.CONFIRMED, change)
    for change in (
        {"outcome": "maybe"},
        {"outcome": None},
        {"claim_id": ""},
        {"decided_at": "2026-06-30"},
        {"amount_saved": -1},
        {"amount_saved": "61200"},
        {"source": "a hunch"},
        {"alert_id": ""},
        {"reason": "x" * 1_001},
    )
]


@pytest.mark.parametrize(
    ("contract", "example", "change"), WRONG, ids=[f"{c.file}-{w}"[:60] for c, _, w in WRONG]
)
def test_wrong_values_are_refused_by_both(
    contract: Contract, example: dict[str, Any], change: dict[str, Any]
) -> None:
    assert not contract.schema_accepts(example | change)
    assert not contract.decoder_accepts(example | change)


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.file)
def test_a_missing_required_field_is_refused_by_both(contract: Contract) -> None:
    for name in contract.document()["required"]:
        without = {k: v for k, v in contract.examples[0].items() if k != name}
        assert not contract.schema_accepts(without), name
        assert not contract.decoder_accepts(without), name


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.file)
def test_unknown_fields_are_accepted_by_both(contract: Contract) -> None:
    more = contract.examples[0] | {"not_in_version_1": "x"}
    assert contract.schema_accepts(more)
    assert contract.decoder_accepts(more)


def test_unknown_categories_are_accepted_by_both() -> None:
    claim = examples.REAR_END | {"vehicle_make": "Hoverworks", "loss_area": "orbital"}
    assert CLAIM.schema_accepts(claim)
    assert CLAIM.decoder_accepts(claim)
