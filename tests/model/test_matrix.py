"""The matrix that is read in few passes: the encoder's, to the last bit."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.features.encoder import ClaimEncoder
from model.features.facts import ClaimFacts, claim_columns
from model.features.matrix import MatrixReader
from schemas.claim import Claim
from schemas.contract.model import Contract
from schemas.decoding.decoder import ClaimDecoder
from tests.model.test_facts import CLAIMS, NAMES, claims, different
from tests.schemas.contracts import shipped, small

AUTO = shipped("auto")


def fitted(contract: Contract, names: list[str], learnt: list[Claim]) -> ClaimEncoder:
    categorical = [name for name in names if contract.is_category(name)]
    return ClaimEncoder(names, categorical).fit(claim_columns(contract, learnt, names))


def same(contract: Contract, encoder: ClaimEncoder, some: list[Claim]) -> None:
    facts = ClaimFacts(contract, some)
    found = MatrixReader(contract, encoder).matrix(facts)
    expected = encoder.codes(claim_columns(contract, some, encoder.features))
    assert found.shape == expected.shape
    assert found.tobytes() == expected.tobytes()
    assert different(facts.features(NAMES), some) == []


@settings(max_examples=100)
@given(st.lists(claims, max_size=4), st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
def test_of_strange_claims_and_any_features(some: list[Claim], names: list[str]) -> None:
    same(AUTO, fitted(AUTO, names, CLAIMS), some)


def test_of_all_features() -> None:
    encoder = fitted(AUTO, NAMES, CLAIMS[:100])  # of the others, some categories are unknown
    same(AUTO, encoder, CLAIMS)
    one = [msgspec.structs.replace(claim, fault=" PolicyHolder") for claim in CLAIMS[:3]]
    same(AUTO, encoder, one)


@pytest.mark.parametrize("kind", ["string", "number"])
@pytest.mark.parametrize("fields", [1, 2, 3])
def test_of_few_fields(kind: str, fields: int) -> None:
    names = [f"f{n}" for n in range(fields)]
    contract = small({name: {"type": kind, "x-role": "feature"} for name in names})
    made = ClaimDecoder(contract)
    some = [
        made.decode(msgspec.json.encode({"claim_no": str(n), names[-1]: value}))
        for n, value in enumerate(["a", "b", None] if kind == "string" else [1, -0.0, None])
    ]
    encoder = fitted(contract, names, some[:2])
    found = MatrixReader(contract, encoder).matrix(ClaimFacts(contract, some))
    expected = encoder.codes(claim_columns(contract, some, names))
    np.testing.assert_array_equal(found, expected)
    assert found.tobytes() == expected.tobytes()
