"""Claims that are posted one by one at the same time are scored together."""

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from falcon.testing import ASGIConductor, Result

from consumer.batch.alerts import BatchScorer
from consumer.batch.decode import Decoded
from consumer.errors import StoreStoppedError
from consumer.telemetry.health import Health
from consumer.telemetry.metrics import ServingMetrics
from consumer.web.api import scoring_app
from consumer.web.together import MOST, Together
from model.history.features import ClaimHistory
from schemas.claim import Claim
from tests.broker import wait
from tests.consumer.fakes import FakeScorer, claim

JSON = {"content-type": "application/json"}


class Noting(FakeScorer):
    """Notes which claims are evaluated together."""

    def __init__(self, raises_on: str | None = None) -> None:
        super().__init__(raises_on=raises_on)
        self.evaluated: list[list[str]] = []

    def score(
        self, claims: Sequence[Claim], histories: Sequence[ClaimHistory] | None = None
    ) -> npt.NDArray[np.float64]:
        self.evaluated.append([one.claim_id for one in claims])
        return super().score(claims, histories)


def post_all(scorer: FakeScorer, bodies: Sequence[bytes], query: str = "") -> list[Result]:
    """Post each at the same time."""
    app = scoring_app(lambda: scorer, ServingMetrics(), Health())

    found: list[Result] = []

    async def play() -> None:
        async with ASGIConductor(app) as client:
            path = f"/fraud-detection{query}"
            posts = [client.simulate_post(path, body=body, headers=JSON) for body in bodies]
            found.extend(await asyncio.gather(*posts))

    asyncio.run(asyncio.wait_for(play(), wait.GENEROUS))
    return found


def decoded(claim_id: str, amount: float = 0.0) -> Decoded:
    return Decoded(Claim(claim_id=claim_id, claim_amount=amount))


@pytest.mark.parametrize("query", ["", "?detail=true"])
def test_each_has_the_answer_it_has_alone_and_one_evaluation_is_for_all(query: str) -> None:
    bodies = [claim(f"c{n}", 100.0 * n) for n in range(10)]
    scorer = Noting()
    together = [response.json for response in post_all(scorer, bodies, query)]
    assert scorer.evaluated == [[f"c{n}" for n in range(10)]]
    alone = [response.json for body in bodies for response in post_all(Noting(), [body], query)]
    for answer in (*together, *alone):
        answer.pop("scored_at", None)
    assert together == alone
    assert len({answer["fraud_probability"] for answer in together}) == 10
    assert all(("claim_id" in answer) is bool(query) for answer in together)


@pytest.mark.parametrize("query", ["", "?detail=true"])
def test_a_claim_that_the_model_fails_on_is_the_only_one_without_an_answer(query: str) -> None:
    found = post_all(Noting("c3"), [claim(f"c{n}") for n in range(6)], query)
    assert [response.status_code for response in found] == [200, 200, 200, 500, 200, 200]


def test_an_evaluation_has_an_upper_limit() -> None:
    scorer = Noting()
    found = post_all(scorer, [claim(f"c{n}") for n in range(2 * MOST + 1)])
    assert {response.status_code for response in found} == {200}
    assert [len(some) for some in scorer.evaluated] == [MOST, MOST, 1]


def test_what_cannot_be_recalled_is_asked_once_for_all() -> None:
    asked: list[int] = []

    def recall(claims: Sequence[Any], _: BatchScorer) -> None:
        asked.append(len(claims))
        raise StoreStoppedError("away")

    async def work() -> None:
        together, scorer = Together(recall), Noting()
        posts = (together.told(decoded(f"c{n}"), scorer, detail=False) for n in range(5))
        found = await asyncio.gather(*posts, return_exceptions=True)
        assert [type(one) for one in found] == [StoreStoppedError] * 5

    asyncio.run(asyncio.wait_for(work(), wait.GENEROUS))
    assert asked == [5]


def test_who_has_gone_is_not_scored() -> None:
    scorer = Noting()

    async def work() -> None:
        together = Together()
        first, second, third = (
            asyncio.ensure_future(together.told(decoded(name), scorer, detail=False))
            for name in "abc"
        )
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(first, third)
        fourth = asyncio.ensure_future(together.told(decoded("d"), scorer, detail=False))
        await asyncio.sleep(0)
        fourth.cancel()
        await asyncio.gather(fourth, return_exceptions=True)
        await together.told(decoded("e"), scorer, detail=False)

    asyncio.run(asyncio.wait_for(work(), wait.GENEROUS))
    assert scorer.evaluated == [["a", "c"], ["e"]]


def test_each_is_scored_by_the_model_that_it_was_read_for() -> None:
    old, new = Noting(), Noting()

    async def work() -> None:
        together = Together()
        await asyncio.gather(
            together.told(decoded("a"), old, detail=False),
            together.told(decoded("b"), new, detail=False),
            together.told(decoded("c"), old, detail=False),
        )

    asyncio.run(asyncio.wait_for(work(), wait.GENEROUS))
    assert (old.evaluated, new.evaluated) == ([["a", "c"]], [["b"]])
