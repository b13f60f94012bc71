"""A store of the log answers as one in memory, whatever the order, the batches and the repeats."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.consumer.memory.checks import CHECKS
from tests.harness.examples import many


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@given(st.randoms(use_true_random=False))
@settings(max_examples=many(300), deadline=None)
def test_any_log(check: Callable[[random.Random], bool], rng: Any) -> None:
    assert check(rng)
