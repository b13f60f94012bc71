"""Ready and healthy, judged by what the worker does."""

import pytest

from consumer.telemetry.health import LOOP_LIMIT_S, PROGRESS_LIMIT_S, Health


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
def health(clock: Clock) -> Health:
    return Health(clock=clock)


def test_ready_with_a_model_and_partitions(health: Health) -> None:
    assert health.unready() == "no model loaded"
    health.model = "1"
    assert health.unready() == "no partitions assigned"
    health.assigned = 3
    assert health.unready() is None
    health.stopping = True
    assert health.unready() == "stopping"


def test_healthy_while_the_loop_turns(health: Health, clock: Clock) -> None:
    clock.now += LOOP_LIMIT_S
    assert health.unhealthy() is None
    clock.now += 1
    assert health.unhealthy() == f"the main loop has been stuck for {LOOP_LIMIT_S + 1:.0f} s"
    health.turned()
    assert health.unhealthy() is None


def test_idle_is_healthy_for_ever(health: Health, clock: Clock) -> None:
    clock.now += 100 * PROGRESS_LIMIT_S
    health.turned()
    assert health.unhealthy() is None


def test_lag_without_progress_is_unhealthy(health: Health, clock: Clock) -> None:
    health.lag = 7
    clock.now += PROGRESS_LIMIT_S + 1
    health.turned()
    assert health.unhealthy() == f"a lag of 7 and no commit for {PROGRESS_LIMIT_S + 1:.0f} s"
    health.progressed()
    assert health.unhealthy() is None


def test_an_overdue_step_is_unhealthy(clock: Clock) -> None:
    overdue: list[str] = []
    health = Health(lambda: overdue[0] if overdue else None, clock)
    assert health.unhealthy() is None
    overdue.append("commit_transaction")
    assert health.unhealthy() == "commit_transaction is taking too long"
