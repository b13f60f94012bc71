"""A store in PostgreSQL passes what every store has to, by the same checks."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.consumer.memory.checks import CHECKS
from tests.consumer.memory.postgres.stores import PostgresStores
from tests.harness.examples import many

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@given(st.randoms(use_true_random=False))
@settings(
    max_examples=many(25),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_log(check: Callable[..., bool], own_database: str, rng: random.Random) -> None:
    of: Any = PostgresStores(own_database)
    assert check(rng, of)
