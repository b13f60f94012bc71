"""The page about contracts names every keyword, and its example works."""

import re
from pathlib import Path

import msgspec

from schemas.contract.declared import Declared, Document
from schemas.contract.parse import from_bytes
from schemas.decoding.decoder import ClaimDecoder
from schemas.entities.declared import Entity
from schemas.expressions.operations import FUNCTIONS
from schemas.reading.dates import NAMED
from schemas.reading.declared import Reading, WeekDate

TEXT = (Path(__file__).parents[2] / "docs" / "contracts.md").read_text(encoding="utf-8")
NOT_SHOWN = {"$comment", "$schema", "title", "default", "examples", "type", "properties"}


def test_the_example_is_a_contract() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    contract = from_bytes(example.encode(), "example.yaml")
    assert set(contract.features()) == {
        *("estimate", "vehicles", "police", "garage", "report_lag_days", "costly"),
    }
    event = b'{"claim": {"number": "1"}, "loss": {"date": "31/01/2024"}, "EstAmt": "$1,200"}'
    claim = ClaimDecoder(contract).decode(event)
    assert msgspec.to_builtins(claim) == {
        "claim_no": "1",
        "lost": "2024-01-31",
        "estimate": 1200.0,
    }


def test_every_keyword_is_described() -> None:
    keywords = {
        field.encode_name
        for kind in (Document, Declared, Entity, Reading, WeekDate)
        for field in msgspec.structs.fields(kind)
    }
    shown = set(re.findall(r"[$\w-]+", TEXT))
    assert (keywords | FUNCTIONS | set(NAMED)) - NOT_SHOWN - shown == set()
