"""Claims that are posted are scored with what is known of whom they name."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from falcon.testing import TestClient

from consumer.batch.alerts import BatchScorer
from consumer.batch.recalled import Recalled
from consumer.telemetry.health import Health
from consumer.telemetry.metrics import ServingMetrics
from consumer.web.api import scoring_app
from consumer.web.batches import PORTION
from model.history.features import ClaimHistory, EntityFeatures
from model.history.plan import EntityKind
from schemas.claim import Claim
from tests.consumer.fakes import FakeScorer

KINDS = (EntityKind(kind="phone", like="person"),)
MANY = PORTION + 5


def history(number: int) -> ClaimHistory:
    """That of claim *number*."""
    return ClaimHistory((EntityFeatures(0, 0, float(number), 1, 1, 0, 0),))


class Remembering(FakeScorer):
    """The probability is the number of earlier claims, in thousands."""

    def score(
        self, claims: Sequence[Claim], histories: Sequence[ClaimHistory] | None = None
    ) -> npt.NDArray[np.float64]:
        assert histories is not None
        found = [one.kinds[0].claims_365d / 1_000 for one in histories]
        assert len(found) == len(claims)
        return np.array(found)

    def assess(
        self, claims: Sequence[Claim], histories: Sequence[ClaimHistory] | None = None
    ) -> Any:
        p = self.score(claims, histories)
        plain = [
            Claim(claim_id=c.claim_id, claim_amount=1_000 * x)
            for c, x in zip(claims, p, strict=True)
        ]
        return FakeScorer().assess(plain)


def recall(claims: Sequence[Any], _: BatchScorer) -> Recalled:
    histories = [history(int(claim.claim_id)) for claim in claims]
    return Recalled(KINDS, histories, [0] * len(claims), 7, lambda rows: dict.fromkeys(rows, ()))


@pytest.fixture
def client() -> TestClient:
    scorer = Remembering()
    return TestClient(scoring_app(lambda: scorer, ServingMetrics(), Health(), recall=recall))


def posted(client: TestClient, body: object, detail: str = "false") -> Any:
    found = client.simulate_post("/fraud-detection", json=body, params={"detail": detail})
    assert found.status_code == 200
    return found.json


def test_one_claim(client: TestClient) -> None:
    body = {"claim_id": "3"}
    assert posted(client, body)["fraud_probability"] == 0.003
    alert = posted(client, body, detail="true")
    assert alert["fraud_probability"] == 0.003
    assert [seen["claims_365d"] for seen in alert["history"]] == [3]
    assert alert["links"] == []
    assert alert["memory"] == {"as_of": "1970-01-01T00:00:00Z", "behind_ms": 7, "version": 1}


@pytest.mark.parametrize("detail", ["false", "true"])
def test_each_claim_of_an_array_has_its_own(client: TestClient, detail: str) -> None:
    """In several portions, with one that is no claim."""
    body: list[object] = [{"claim_id": str(n)} for n in range(MANY)]
    body[2] = {}
    found = posted(client, body, detail)
    assert found[2]["status"] == 422
    assert [one["fraud_probability"] for one in found if "status" not in one] == [
        n / 1_000 for n in range(MANY) if n != 2
    ]
    if detail == "true":
        seen = [one["history"][0]["claims_365d"] for one in found if "status" not in one]
        assert seen == [n for n in range(MANY) if n != 2]


def test_without_memory_an_answer_has_no_field_of_it() -> None:
    client = TestClient(scoring_app(FakeScorer, ServingMetrics(), Health()))
    alert = posted(client, {"claim_id": "3"}, detail="true")
    assert not {"history", "links", "memory"} & alert.keys()
