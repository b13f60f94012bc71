"""Faults of a database that workers read, and of the processes that fill it."""

import signal
from collections.abc import Callable, Mapping
from typing import Final

from consumer.memory.postgres.connection import IDLE_MS
from consumer.memory.postgres.store import PATIENCE_S
from tests.chaos.hooks import Point
from tests.chaos.stage import SESSION_S, Stage, plan

REBUILD: Final = ("memory", "rebuild")


def killed_at(point: Point) -> Callable[[Stage], None]:
    """One of those that fill the database dies at a step of its work."""

    def act(stage: Stage) -> None:
        stage.running()
        applier = stage.filling("a9", plan(stage, point, "kill"))
        stage.hit()
        stage.back(applier)

    return act


def stopped(stage: Stage) -> None:
    """One of them stops inside a transaction, with its locks; others take its partitions, and it
    goes on later, at times only when the server has ended its transaction.
    """
    stage.running()
    applier = stage.filling("a9", plan(stage, "facts:after", "stop"))
    stage.hit()
    stage.fleet.sleep(stage.random.choice((0.5, SESSION_S + 2, IDLE_MS / 1_000 + 5)))
    applier.signal(signal.SIGCONT)
    stage.progress()


def doubled(stage: Stage) -> None:
    """A second process with the first one's instance id, while the first sleeps or works."""
    stage.running()
    old = stage.fleet.appliers[0]
    old.keep, old.gone = False, True
    if asleep := stage.random.random() < 0.7:
        old.signal(signal.SIGSTOP)
    stage.filling(f"{old.name}-again", instance=old.name)
    stage.fleet.sleep(stage.random.choice((1.0, SESSION_S + 2)))
    if asleep:
        old.signal(signal.SIGCONT)
    stage.progress(200)


def away(stage: Stage) -> None:
    """Nobody fills the database for a while, in which a worker starts and waits for it."""
    worker = stage.running()
    appliers = stage.fleet.appliers
    stage.kill(*appliers)
    stage.fleet.sleep(stage.random.uniform(0.5, 8))
    worker.signal(signal.SIGKILL)
    stage.fleet.sleep(stage.random.uniform(0.5, 4))
    stage.start_again(*appliers)
    stage.back(worker)


def restarted(stage: Stage) -> None:
    """The database is killed, and is back while it is waited for."""
    stage.running()
    for _ in range(2):
        stage.filled.server.kill()
        stage.fleet.sleep(stage.random.uniform(0.2, 4))
        stage.filled.heal()
        stage.progress()


def gone_for_long(stage: Stage) -> None:
    """It is away for longer than it is waited for: processes end, and start in vain."""
    stage.running()
    stage.filled.server.kill()
    stage.fleet.sleep(PATIENCE_S + stage.random.uniform(2, 6))
    stage.filled.heal()
    stage.progress()


def dropped(stage: Stage) -> None:
    """Everything that was filled in is gone, tables included."""
    stage.running()
    stage.filled.drop()
    stage.progress(200)


def emptied(stage: Stage) -> None:
    """It is emptied by the command for that, while it is filled and read."""
    stage.running()
    command = stage.fleet.add("rebuild", arguments=REBUILD, keep=False)
    stage.fleet.until(lambda: command.codes == [0], "the database to be emptied")
    stage.progress(200)


def of_another_topic(stage: Stage) -> None:
    """It is that of a topic of the same name, which had other records at the same positions."""
    stage.running()
    members = stage.fleet.members
    stage.kill(*members)
    stage.filled.execute(
        "UPDATE {schema}.store SET topic_id = 'another'",
        "DELETE FROM {schema}.facts",
        "UPDATE {schema}.claim_records SET known_on = known_on - 1",
        "UPDATE {schema}.positions SET next_offset = next_offset + 5 WHERE next_offset > 0",
    )
    stage.start_again(*members)
    stage.progress()


ACTS: Mapping[str, Callable[[Stage], None]] = {
    "applier-kill-in-transaction": killed_at("facts:after"),
    "applier-kill-after-commit": killed_at("applied:after"),
    "applier-stop": stopped,
    "applier-doubled": doubled,
    "appliers-away": away,
    "database-kill": restarted,
    "database-away": gone_for_long,
    "database-dropped": dropped,
    "database-emptied": emptied,
    "database-of-another-topic": of_another_topic,
}
