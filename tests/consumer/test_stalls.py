"""Actions on an open transaction, and when; the test plays the brokers."""

from collections.abc import Sequence

import pytest

from consumer.errors import KafkaStoppedError
from consumer.intake.source import Stall
from consumer.publishing.leftovers import Leftovers
from consumer.session.stalls import AGAIN_S, LIMIT_S, Blocked, Stalls
from consumer.settings.settings import Settings
from tests.consumer.fakes import Clock

SETTINGS = Settings(
    instance_id="w1", consumer_group="g", librdkafka={"transaction.timeout.ms": "15000"}
)
BLOCKED = Blocked("alerts", 3, 41, frozenset({"g/w1", "g/w2"}))


class Reached(Leftovers):
    """Writes down whose transactions it is asked to end."""

    def __init__(self) -> None:
        self.answers = True
        self.swept: list[str] = []

    def sweep_as(self, transactional_id: str) -> None:
        self.swept.append(transactional_id)

    def reachable(self) -> bool:
        return self.answers


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Told:
    """Its own sweeps, and the reports made."""

    def __init__(self) -> None:
        self.own = 0
        self.shown: list[tuple[list[Blocked], float]] = []

    def sweep(self) -> None:
        self.own += 1

    def show(self, blocked: Sequence[Blocked], seconds: float) -> None:
        self.shown.append((list(blocked), seconds))


class Asked(Stalls):
    """The brokers answer that one partition is blocked."""

    def _blocked(self, stall: Stall) -> list[Blocked]:
        return [BLOCKED]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def leftovers() -> Reached:
    return Reached()


@pytest.fixture
def stalls(told: Told, leftovers: Reached, clock: Clock) -> Stalls:
    return Asked(SETTINGS, told.sweep, leftovers, told.show, clock)


def stall(waited_s: float) -> Stall:
    return Stall(waited_s, [], {("alerts", 3): 41})


def test_its_own_first_and_not_again_at_once(
    stalls: Stalls, told: Told, leftovers: Reached, clock: Clock
) -> None:
    for waited, swept in ((0.5, 0), (1.0, 1), (3.0, 1)):
        stalls(stall(waited))
        assert told.own == swept
    clock.ahead_s += AGAIN_S
    stalls(stall(16.0))
    assert (told.own, leftovers.swept) == (2, [])


def test_others_once_nothing_alive_can_be_open(
    stalls: Stalls, told: Told, leftovers: Reached
) -> None:
    stalls(stall(19.9))
    assert leftovers.swept == []
    stalls(stall(20.0))
    assert leftovers.swept == ["g/w2"]
    assert told.shown == [([BLOCKED], 20.0)]
    stalls.over()
    assert told.shown[-1] == ([], 0.0)


def test_what_does_not_help_ends_with_the_way_to_help(stalls: Stalls) -> None:
    with pytest.raises(KafkaStoppedError) as stopped:
        stalls(stall(LIMIT_S + 1))
    text = str(stopped.value)
    assert "alerts[3]@41 (transactional id: g/w1, g/w2)" in text
    assert "kafka-transactions.sh" in text
    assert "abort --topic" in text


def test_nothing_is_swept_while_kafka_does_not_answer(
    stalls: Stalls, told: Told, leftovers: Reached
) -> None:
    leftovers.answers = False
    stalls(stall(25.0))
    assert (told.own, leftovers.swept, told.shown) == (0, [], [])
    with pytest.raises(KafkaStoppedError, match="no answer from Kafka for 201 s"):
        stalls(stall(LIMIT_S + 1))
