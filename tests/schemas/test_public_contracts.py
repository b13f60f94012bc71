"""The contracts of the two public files read them to the claims that the loaders read."""

from pathlib import Path

import msgspec
import pytest

from model.datasets.dataset import load
from schemas.claim import Claim
from schemas.tables.claims import open_claims
from tests.model.sources import shared
from tests.schemas.contracts import shipped

pytestmark = pytest.mark.slow

FILES = {"carclaims": "fraud_oracle.csv", "insurance_claims": "insurance_claims.csv"}


@pytest.mark.parametrize("name", FILES)
def test_the_same_claims_and_labels(name: str) -> None:
    file = shared(FILES[name])
    expected = load(file, name)
    with open_claims(Path(file), shipped(name)) as found:
        rows = list(found.rows)
    refused = [row.line for row in rows if row.fault is not None]
    assert [f"{FILES[name]}, line {line}:" for line in refused] == [
        text[: text.index(":") + 1] for text in expected.rejected
    ]
    claims = [row.claim for row in rows if row.fault is None]
    assert [as_auto(claim) for claim in claims] == list(expected.claims)
    assert [row.label for row in rows if row.fault is None] == expected.labels.tolist()


def as_auto(claim: msgspec.Struct) -> Claim:
    return Claim(**msgspec.structs.asdict(claim))


@pytest.mark.parametrize("name", FILES)
def test_fields_are_those_of_the_auto_contract(name: str) -> None:
    auto = shipped("auto").fields
    for field in shipped(name).fields.values():
        assert field.role is auto[field.name].role, field.name
        assert field.kind == auto[field.name].kind, field.name
        for bound in ("minimum", "maximum", "multiple_of", "min_length", "max_length", "unit"):
            assert getattr(field.said, bound) == getattr(auto[field.name].said, bound), field.name


@pytest.mark.parametrize("name", FILES)
def test_columns(name: str) -> None:
    with open_claims(Path(shared(FILES[name])), shipped(name)) as found:
        assert found.columns is not None
        assert found.columns.absent == ()
        assert found.columns.label is not None
        assert set(found.columns.unused) <= {"PolicyType", "NumberOfSuppliments", "_c39"}
