"""Model tests run on one thread: two that wait for a busy machine take a minute longer."""

from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """BLAS and OpenMP use one thread."""
    with threadpool_limits(1):
        yield
