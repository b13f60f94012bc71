"""Arrays take turns, and the event loop looks at other requests between their portions."""

import asyncio
import contextlib
import json
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from falcon.testing import ASGIConductor
from prometheus_client import Metric
from prometheus_client.registry import Collector

from consumer.server.problem import ProblemError
from consumer.telemetry.health import Health
from consumer.telemetry.metrics import ServingMetrics
from consumer.web.api import scoring_app
from consumer.web.batches import PORTION
from consumer.web.operations import operations_app
from consumer.web.turns import Turns
from model.history.features import ClaimHistory
from schemas.claim import Claim
from schemas.openapi import MAX_CLAIMS
from tests.consumer.fakes import FakeScorer

JSON = {"content-type": "application/json"}
PROBE = "probe"


class Noting(FakeScorer):
    """Notes how many claims are evaluated at a time."""

    def __init__(self, events: list[object]) -> None:
        super().__init__()
        self._events = events

    def score(
        self, claims: Sequence[Claim], histories: Sequence[ClaimHistory] | None = None
    ) -> npt.NDArray[np.float64]:
        self._events.append(len(claims))
        return super().score(claims, histories)


async def look(events: list[object]) -> None:
    """Note each time that the loop comes round, as it does for a probe."""
    while True:
        events.append(PROBE)
        await asyncio.sleep(0)


@pytest.mark.parametrize("detail", ["false", "true"])
def test_the_loop_goes_round_between_two_portions(detail: str) -> None:
    body = json.dumps([{"claim_id": str(n)} for n in range(MAX_CLAIMS)])
    events: list[object] = []
    scorer = Noting(events)
    app = scoring_app(lambda: scorer, ServingMetrics(), Health())

    async def play() -> None:
        async with ASGIConductor(app) as client:
            path = f"/fraud-detection?detail={detail}"
            looking = asyncio.create_task(look(events))
            posts = [client.simulate_post(path, body=body, headers=JSON) for _ in range(4)]
            for found in await asyncio.gather(*posts):
                assert [found.status_code, len(found.json)] == [200, MAX_CLAIMS]
            looking.cancel()

    asyncio.run(play())
    portions = [event for event in events if event != PROBE]
    assert portions == [PORTION] * (4 * MAX_CLAIMS // PORTION)
    assert all(PROBE in pair for pair in pairwise(events))


def test_the_loop_goes_round_between_two_scrapes() -> None:
    events: list[object] = []
    metrics = ServingMetrics()

    class Noted(Collector):
        def collect(self) -> Iterator[Metric]:
            events.append("scrape")
            yield from ()

    metrics.registry.register(Noted())
    events.clear()  # a collector is asked when it is registered
    app = operations_app(metrics, Health())

    async def play() -> None:
        async with ASGIConductor(app) as client:
            looking = asyncio.create_task(look(events))
            found = await asyncio.gather(*(client.simulate_get("/metrics") for _ in range(20)))
            assert {response.status_code for response in found} == {200}
            looking.cancel()

    asyncio.run(play())
    assert events.count("scrape") == 20
    assert all(PROBE in pair for pair in pairwise(events))


def test_too_many_that_wait_are_refused_and_the_next_are_not() -> None:
    async def play() -> None:
        turns, done = Turns(2), asyncio.Event()

        async def work() -> None:
            async with turns.one():
                await done.wait()

        held = [asyncio.create_task(work()) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(ProblemError) as refused:
            await work()
        assert refused.value.status_code == HTTPStatus.SERVICE_UNAVAILABLE
        assert refused.value.headers == {"Retry-After": "1"}
        held[1].cancel()  # as a client that has gone
        with contextlib.suppress(asyncio.CancelledError):
            await held[1]
        done.set()
        await work()
        await held[0]

    asyncio.run(play())
