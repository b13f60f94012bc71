"""Fields that a contract does not know: named, and of no consequence for the claim."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.datasets import synthetic
from model.samples import dwellings, health
from schemas.decoding.unknown import LONGEST_NAME, MOST_NAMES
from tests.harness.examples import many
from tests.schemas.contracts import decoder, outcome

EVENTS: dict[str, list[bytes]] = {
    "auto": list(map(msgspec.json.encode, synthetic.generate(50, 1)[0])),
    "health": list(map(msgspec.json.encode, health.generate(50, 1))),
    "property": list(map(msgspec.json.encode, dwellings.generate(50, 1))),
}
LATER = {"health": "review.closed", "property": "Investigation.Closed"}
"""What the generators add to the label."""


def names(contract: str, event: Any) -> tuple[str, ...]:
    value = event if isinstance(event, bytes) else msgspec.json.encode(event)
    return decoder(contract).read(value)[1]


@pytest.mark.parametrize("contract", EVENTS)
def test_what_the_contract_reads_is_known_and_so_is_the_label(contract: str) -> None:
    for value in EVENTS[contract]:
        assert set(names(contract, value)) <= {LATER.get(contract)}
        claim, _ = decoder(contract).read(value)
        assert isinstance(claim, decoder(contract).type)
        assert msgspec.structs.asdict(claim) == outcome(decoder(contract).decode, value)
    assert names("auto", {"claim_id": "c", "fraud": True}) == ()


def test_unknown_fields_are_named_with_their_place() -> None:
    event = {
        "claim": {"number": "1", "colour": "red"}, "ClaimNo": None, "provider": None, "loss": {},
    }  # fmt: skip
    assert names("health", event) == ("claim.colour", "loss")
    assert names("auto", {"claim_id": "c", "claim_ammount": 3, "loss_date": None}) == (
        "claim_ammount",
    )


@pytest.mark.parametrize(
    ("name", "shown"), [("x" * 500, "x" * LONGEST_NAME), ("a\nb", r"a\nb"), ("ü", "ü"), ("", "")]
)
def test_a_name_fits_a_flag(name: str, shown: str) -> None:
    assert names("auto", {"claim_id": "c", name: 1}) == (shown,)


def test_a_name_that_is_not_utf_8_is_named_as_well_as_can_be() -> None:
    assert names("auto", b'{"claim_id": "c", "\xff": 1}') == ("�",)


def test_not_every_name_of_a_sender_is_kept() -> None:
    many_names = {f"f{n}": n for n in range(1_000)}
    assert len(names("auto", {"claim_id": "c", **many_names})) == MOST_NAMES


@pytest.mark.slow
@pytest.mark.parametrize("contract", EVENTS)
@settings(max_examples=many(300))
@given(data=st.data())
def test_unknown_fields_change_neither_claims_nor_refusals(contract: str, data: Any) -> None:
    event = bytearray(data.draw(st.sampled_from(EVENTS[contract])))
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.integers(0, len(event)))
        junk = [b'"x":1,', b'"\xff":2,', b"{", b'"', b"[" * 2_000, b"null", b",", b"9", b"\\ud800"]
        event[place:place] = data.draw(st.sampled_from(junk))
    value = bytes(event)
    read = outcome(lambda v: decoder(contract).read(v)[0], value)
    assert read == outcome(decoder(contract).decode, value)
