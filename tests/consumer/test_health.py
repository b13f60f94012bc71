"""Ready and healthy, judged by what the worker does."""

import pytest

from consumer.telemetry.health import (
    LOOP_LIMIT_S,
    PROGRESS_LIMIT_S,
    Health,
    Loaded,
    Loop,
    health_of_worker,
)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def loop(clock: Clock) -> Loop:
    return Loop(clock)


def test_a_worker_is_ready_with_a_model_and_partitions(loop: Loop) -> None:
    model = Loaded()
    health = health_of_worker(model, loop, lambda: None)
    assert health.unready() == "no model loaded"
    model.version = "1"
    assert health.unready() == "no partitions assigned"
    loop.assigned = 3
    assert health.unready() is None
    loop.stopping = True
    assert health.unready() == "stopping"
    assert health.unhealthy() is None


def test_healthy_while_the_loop_turns(loop: Loop, clock: Clock) -> None:
    health = Health(healthy=(loop.stands_still,))
    clock.now += LOOP_LIMIT_S
    assert health.unhealthy() is None
    clock.now += 1
    assert health.unhealthy() == f"the loop has not turned for {LOOP_LIMIT_S + 1:.0f} s"
    loop.turned()
    assert health.unhealthy() is None


def test_idle_is_healthy_for_ever(loop: Loop, clock: Clock) -> None:
    clock.now += 100 * PROGRESS_LIMIT_S
    loop.turned()
    assert health_of_worker(Loaded("1"), loop, lambda: None).unhealthy() is None


def test_lag_without_progress_is_unhealthy(loop: Loop, clock: Clock) -> None:
    health = health_of_worker(Loaded("1"), loop, lambda: None)
    loop.lag = 7
    clock.now += PROGRESS_LIMIT_S + 1
    loop.turned()
    assert health.unhealthy() == f"lag of 7 and no commit for {PROGRESS_LIMIT_S + 1:.0f} s"
    loop.progressed()
    assert health.unhealthy() is None


def test_an_overdue_step_is_unhealthy(loop: Loop) -> None:
    names: list[str] = []
    health = health_of_worker(Loaded("1"), loop, lambda: names[0] if names else None)
    assert health.unhealthy() is None
    names.append("commit_transaction")
    assert health.unhealthy() == "commit_transaction is taking too long"


def test_without_checks_a_process_is_ready_and_healthy() -> None:
    assert (Health().unready(), Health().unhealthy()) == (None, None)
