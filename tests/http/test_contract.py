"""The endpoint keeps what its OpenAPI document says, on requests nobody thought of."""

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings

from schemas.export import FOLDER
from tests.http.running import Server

schema: Any = schemathesis.openapi.from_dict(json.loads((FOLDER / "openapi.json").read_bytes()))


@pytest.mark.slow
@schema.parametrize()  # type: ignore[untyped-decorator]
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_operation_keeps_its_contract(case: Any, server: Server) -> None:
    case.call_and_validate(base_url=server.url)
