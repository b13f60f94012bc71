"""A deadline outside the Kafka client."""

import threading
from collections.abc import Iterator

import pytest

from consumer.kafka.watchdog import Watchdog
from tests.broker import wait


@pytest.fixture
def expired() -> threading.Event:
    return threading.Event()


def watched(seconds: float, expired: threading.Event) -> Iterator[Watchdog]:
    made = Watchdog(seconds, expired.set)
    yield made
    made.close()


@pytest.fixture
def quick(expired: threading.Event) -> Iterator[Watchdog]:
    yield from watched(0.2, expired)


@pytest.fixture
def slow(expired: threading.Event) -> Iterator[Watchdog]:
    yield from watched(3_600, expired)


def test_a_stuck_step_ends_the_process(
    quick: Watchdog, expired: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    with quick.step("commit_transaction"):
        assert expired.wait(wait.GENEROUS)
    assert "stuck: commit_transaction" in caplog.text


def test_it_is_overdue_at_half_of_its_time(quick: Watchdog) -> None:
    with quick.step("flush"):
        assert wait.until(quick.overdue, "half of the time") == "flush"
    assert quick.overdue() is None


def test_steps_in_time_leave_no_trace(slow: Watchdog, expired: threading.Event) -> None:
    with slow.step("produce"):
        assert slow.overdue() is None
    with pytest.raises(KeyError), slow.step("produce"):
        raise KeyError
    assert slow.overdue() is None
    assert not slow._deadlines
    assert not expired.is_set()


def test_each_step_is_a_sign_of_life(expired: threading.Event) -> None:
    signs: list[str] = []
    watchdog = Watchdog(3_600, expired.set, lambda: signs.append("step"))
    with watchdog.step("init_transactions"):
        assert len(signs) == 1
    with pytest.raises(KeyError), watchdog.step("commit_transaction"):
        raise KeyError
    assert len(signs) == 4
    watchdog.close()


def test_each_thread_has_a_step_of_its_own(quick: Watchdog, expired: threading.Event) -> None:
    inside, leave = threading.Event(), threading.Event()

    def commit() -> None:
        with quick.step("commit"):
            inside.set()
            leave.wait(wait.GENEROUS)

    thread = threading.Thread(target=commit)
    thread.start()
    try:
        assert inside.wait(wait.GENEROUS)
        with quick.step("produce"):
            pass
        assert expired.wait(wait.GENEROUS), "the other thread's step is no longer watched"
    finally:
        leave.set()
        thread.join()
