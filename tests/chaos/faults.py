"""The catalogue of faults. Each starts the workers, does its harm, and leaves a way to recover."""

import shutil
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import NamedTuple

from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType

from consumer.memory.view import LogFact
from model.history.facts import DAY
from model.history.keys import fingerprint
from schemas.memory import FactKey, FactKind, Naming, RememberedClaim
from tests.broker import topics
from tests.broker.proxy import END_TXN, PRODUCE, TXN_OFFSET_COMMIT, Direction
from tests.broker.transactions import coordinator_of
from tests.chaos import filling, known, memory
from tests.chaos.hooks import Plan, Point
from tests.chaos.memory import StoreKind
from tests.chaos.stage import PARTITIONS, SESSION_S, TRANSACTION_S, Stage, plan

Act = Callable[[Stage], None]

STEPS: Sequence[Point] = (
    "consume:after",
    "begin:after",
    "produce:after",
    "offsets:before",
    "offsets:after",
    "commit:before",
    "commit:after",
)


class Fault(NamedTuple):
    """One way to do harm."""

    name: str
    act: Act
    nodes: int = 1
    bad_from_start: bool = True
    """True if records that become dead letters are sent from the start."""
    dead_letter_bytes: int | None = None
    """Largest record of the dead-letter topic."""
    live_dead_letters: bool = True
    """True if the live reader can read dead letters: their topic stays."""
    stores: Sequence[StoreKind] = ()
    """What it is about, if that is what workers remember: only rounds with such a store have it."""


def killed_at(point: Point) -> Act:
    def act(stage: Stage) -> None:
        worker = stage.start(plan(stage, point, "kill"))
        stage.hit()
        stage.back(worker)

    return act


def stopped_for(seconds: float, points: Sequence[Point]) -> Act:
    def act(stage: Stage) -> None:
        nap = stage.random.choice((0.0, 0.5, 1.5))
        worker = stage.start(plan(stage, stage.random.choice(points), "stop", nap))
        stage.hit()
        stage.fleet.sleep(seconds)
        worker.signal(signal.SIGCONT)
        stage.progress()

    return act


def stopped_while_broker_stalls(stage: Stage) -> None:
    """The broker stalls so long that it is fenced and loads its coordinators again, twice."""
    points: Sequence[Point] = ("offsets:before", "offsets:after", "commit:before")
    worker = stage.start(
        plan(stage, stage.random.choice(points), "stop", stage.random.choice((0.0, 1.5)))
    )
    stage.hit()
    for _ in range(2):
        stage.kafka.node.pause()
        stage.fleet.sleep(stage.random.uniform(2.2, 3.5))
        stage.kafka.node.resume()
        stage.fleet.sleep(stage.random.uniform(0, 1))
        worker.signal(signal.SIGCONT)
    stage.progress()


def terminated(stage: Stage) -> None:
    worker = stage.start(plan(stage, stage.random.choice(STEPS), "term"))
    stage.hit()
    stage.back(worker)


def churn(stage: Stage) -> None:
    stage.running()
    for i in range(4):
        joined = stage.fleet.add(f"x{i}", mutant=stage.mutant)
        stage.fleet.until(joined.up, f"{joined.name} to be up")
        stage.fleet.sleep(2)
        if i % 2:
            joined.keep, joined.gone = False, True
            joined.signal(signal.SIGKILL)
        else:
            stage.fleet.stop(joined)
        stage.fleet.sleep(2)
    stage.progress()


def zombie(stage: Stage) -> None:
    """A second process with the first one's instance id, while the first sleeps or works."""
    old = stage.running()
    old.keep, old.gone = False, True
    if asleep := stage.random.random() < 0.7:
        old.signal(signal.SIGSTOP)
    stage.fleet.add("w0-again", instance="w0", mutant=stage.mutant)
    stage.fleet.sleep(stage.random.choice((1.0, SESSION_S + 2)))
    if asleep:
        old.signal(signal.SIGCONT)
    stage.progress(200)


def broker_killed(stage: Stage) -> None:
    stage.running()
    stage.kafka.node.kill()
    stage.fleet.sleep(stage.random.uniform(0.2, 4))
    stage.kafka.node.start()
    stage.kafka.ready()
    stage.progress()


def outage(stage: Stage) -> None:
    """Every broker is killed with a transaction open, and away for longer than it may last."""
    points: Sequence[Point] = ("produce:after", "offsets:before", "offsets:after", "commit:before")
    worker = stage.start(plan(stage, stage.random.choice(points), "stop"))
    stage.hit()
    stage.kafka.kill()
    worker.signal(signal.SIGCONT)
    stage.fleet.sleep(TRANSACTION_S + stage.random.uniform(0.5, 4))
    stage.kafka.start()
    stage.kafka.ready()
    stage.progress()


def killed_at_commit(stage: Stage) -> None:
    """The broker is killed up to 2 ms after it answered a commit: its markers may be missing."""
    stage.running()
    node, moment = stage.kafka.node, stage.random.choice((0.0, stage.random.uniform(0, 0.002)))

    def kill() -> None:
        time.sleep(moment)
        node.kill_soon()

    stage.network().after_answer(END_TXN, kill)
    stage.fleet.until(lambda: not node.running, "the broker to be killed")
    if stage.random.random() < 0.5:
        stage.fleet.sleep(TRANSACTION_S + stage.random.uniform(0.5, 4))
    node.start()
    stage.kafka.ready()
    stage.progress()


def killed_while_revoking(stage: Stage) -> None:
    """A worker dies while it gives partitions up, and is back before its session ends."""
    point: Point = stage.random.choice(("revoke:before", "revoke:after"))
    env = {"KAFKA_SESSION_TIMEOUT_MS": "6000"}  # room for a start on a busy machine
    trap = Plan(point=point, action="kill", mark=str(stage.mark))
    worker = stage.fleet.add("w0", trap, mutant=stage.mutant, env=env)
    stage.progress(100)
    stage.fleet.add("w1", mutant=stage.mutant, env=env)
    stage.hit()
    stage.back(worker)


def broker_paused(stage: Stage) -> None:
    stage.running()
    stage.kafka.node.pause()
    stage.fleet.sleep(stage.random.uniform(1, TRANSACTION_S + 2))
    stage.kafka.node.resume()
    stage.progress()


def all_killed(stage: Stage) -> None:
    """Workers, broker, and the database with those that fill it, at once."""
    stage.running()
    for member in stage.fleet.members:
        member.signal(signal.SIGKILL)
    stage.kafka.node.kill()
    if stage.database is not None:
        stage.database.server.kill()
        stage.database.heal()
    stage.kafka.node.start()
    stage.kafka.ready()
    for member in stage.fleet.members:
        stage.back(member)


def coordinator_moved(stage: Stage) -> None:
    """The node that coordinates a worker's transactions goes away and comes back."""
    stage.running()
    port = coordinator_of(stage.kafka.direct, f"{stage.names.group}/w0")
    node = next(n for n in stage.kafka.nodes if n.direct_port == port)
    if stage.random.random() < 0.5:
        node.kill()
    else:
        node.stop()
    stage.progress()
    node.start()
    stage.kafka.ready()
    stage.progress()


def network_cut(stage: Stage) -> None:
    stage.running()
    stage.network().cut()
    stage.fleet.sleep(stage.random.uniform(0.2, TRANSACTION_S + 1))
    stage.network().heal()
    stage.progress()


def records_unanswered(stage: Stage) -> None:
    """Records are written, but the answer is lost with the network, until the session is over."""
    stage.running()
    met = stage.network().met.get(PRODUCE, 0)
    stage.network().cut_answers(PRODUCE, stage.random.choice((1, 2, 4)))
    stage.fleet.until(lambda: stage.network().met.get(PRODUCE, 0) > met, "a lost answer")
    stage.network().cut()
    stage.fleet.sleep(SESSION_S + stage.random.uniform(0.2, 2))
    stage.network().heal()
    stage.progress()


def network_held(stage: Stage) -> None:
    """One direction goes silent; what was in transit arrives later."""
    stage.running()
    stage.network().hold(stage.random.choice(list(Direction)))
    stage.fleet.sleep(stage.random.uniform(1, TRANSACTION_S + 2))
    stage.network().heal()
    stage.progress()


def network_slow(stage: Stage) -> None:
    stage.running()
    for direction in Direction:
        stage.network().delay(direction, stage.random.uniform(0.02, 0.4))
    stage.fleet.sleep(4)
    stage.network().heal()
    stage.progress()


def answer_late(api_key: int) -> Act:
    def act(stage: Stage) -> None:
        stage.running()
        met = stage.network().met.get(api_key, 0)
        seconds = stage.random.choice((1.0, SESSION_S + 1, TRANSACTION_S - 1, TRANSACTION_S + 3))
        stage.network().delay_answers(api_key, seconds, count=2)
        stage.fleet.until(lambda: stage.network().met.get(api_key, 0) > met, "a late answer")
        stage.fleet.sleep(seconds + 1)
        stage.progress()

    return act


def answer_lost(api_key: int) -> Act:
    def act(stage: Stage) -> None:
        stage.running()
        met = stage.network().met.get(api_key, 0)
        count = stage.random.choice((1, 3, 10))
        stage.network().cut_answers(api_key, count)
        stage.fleet.until(lambda: stage.network().met.get(api_key, 0) > met, "a lost answer")
        stage.progress(200)

    return act


def slow_model(stage: Stage) -> None:
    env = {"KAFKA_MAX_POLL_INTERVAL_MS": "3000"}
    stage.start(plan(stage, "score:before", "sleep", 5.0), env)
    stage.hit()
    stage.fleet.sleep(5)
    stage.progress()


def topic_missing(stage: Stage) -> None:
    """The dead-letter topic is gone when the first dead letter comes; then it is made again."""
    stage.running()
    topics.delete(stage.kafka.direct, stage.names.dead_letters)
    stage.traffic.bad = (b"not json",)
    stage.fleet.until(lambda: any(w.codes for w in stage.fleet.workers), "a worker to refuse")
    topics.create(stage.kafka.direct, stage.names.dead_letters, PARTITIONS)
    stage.progress()


def too_large(stage: Stage) -> None:
    """Not even a cut dead letter fits its topic until someone raises the topic's limit."""
    stage.running()
    stage.traffic.bad = (stage.random.randbytes(20_000),)
    stage.fleet.until(lambda: any(w.codes for w in stage.fleet.workers), "a worker to refuse")
    limit = ConfigEntry("max.message.bytes", "1000000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(
        ResourceType.TOPIC, stage.names.dead_letters, incremental_configs=[limit]
    )
    admin = AdminClient({"bootstrap.servers": stage.kafka.direct})
    admin.incremental_alter_configs([resource])[resource].result(60)
    stage.progress()


def model_replaced(stage: Stage) -> None:
    """Another model takes the folder's place while workers run and restart."""
    worker = stage.running()
    for model in (stage.pool.models[1], stage.pool.models[0]):
        stage.replace_model(model)
        stage.progress()
        ends = len(worker.codes)
        worker.signal(signal.SIGKILL)
        stage.back(worker, ends + 1)


def store_wiped(stage: Stage) -> None:
    """A worker is back on a new disk, when there is much that it has known for long."""
    worker = stage.running()
    stage.fleet.sleep(known.SLACK.total_seconds() + 1)
    stage.kill(worker)
    shutil.rmtree(stage.store_of(worker))
    stage.start_again(worker)
    stage.progress(200)


def store_of_another_worker(stage: Stage) -> None:
    """A worker is back with a copy of another's store, which is ahead of its own or behind."""
    worker = stage.running()
    other = stage.fleet.workers[1]
    stage.fleet.sleep(stage.random.uniform(0, 3))
    stage.kill(worker, other)
    own = stage.store_of(worker)
    shutil.rmtree(own)
    shutil.copytree(stage.store_of(other), own)
    stage.start_again(worker, other)


def store_of_another_topic(stage: Stage) -> None:
    """A worker is back with a store of other records at the same positions."""
    worker = stage.running()
    stage.kill(worker)
    path = stage.store_of(worker)
    shutil.rmtree(path)
    with closing(memory.store(path, topics.fresh_name("id"))) as other:
        claims = [
            RememberedClaim(
                claim_id=f"other-{number}",
                known_at=number * DAY,
                key=fingerprint(memory.SECRET),
                entities=(Naming("phone", bytes(16)),),
            )
            for number in range(20)
        ]
        keys = [FactKey(FactKind.CLAIM, claim.claim_id, "other", 0, 0) for claim in claims]
        other.apply(list(map(LogFact, keys, claims)), dict.fromkeys(range(PARTITIONS), 5))
    stage.start_again(worker)


def abort_in_a_backlog(stage: Stage) -> None:
    """A worker that is alone is stopped past its session, with much to read before and after: what
    it scored comes again in other batches, in another order.
    """
    stage.fleet.sleep(stage.random.uniform(3, 5))
    points: Sequence[Point] = ("produce:after", "offsets:before", "offsets:after", "commit:before")
    trap = plan(stage, stage.random.choice(points), "stop")
    worker = stage.fleet.add("w0", trap, mutant=stage.mutant)
    stage.hit()
    stage.fleet.sleep(SESSION_S + 2)
    worker.signal(signal.SIGCONT)
    stage.progress(600)


ALL: Sequence[Fault] = (
    Fault("kill-after-consume", killed_at("consume:after")),
    Fault("kill-after-begin", killed_at("begin:after")),
    Fault("kill-after-produce", killed_at("produce:after")),
    Fault("kill-after-offsets", killed_at("offsets:after")),
    Fault("kill-before-commit", killed_at("commit:before")),
    Fault("kill-after-commit", killed_at("commit:after")),
    Fault("stop-past-session", stopped_for(SESSION_S + 2, STEPS)),
    Fault("stop-after-consume", stopped_for(SESSION_S + 2, ("consume:after",))),
    Fault("stop-before-offsets", stopped_for(SESSION_S + 2, ("produce:after", "offsets:before"))),
    Fault("stop-before-commit", stopped_for(SESSION_S + 2, ("offsets:after", "commit:before"))),
    Fault("stop-past-transaction", stopped_for(TRANSACTION_S + 3, STEPS)),
    Fault("stop-while-broker-stalls", stopped_while_broker_stalls),
    Fault("sigterm-mid-batch", terminated),
    Fault("join-leave", churn),
    Fault("zombie", zombie),
    Fault("broker-kill", broker_killed),
    Fault("broker-outage", outage),
    Fault("outage-all", outage, nodes=3),
    Fault("broker-kill-at-commit", killed_at_commit),
    Fault("killed-while-revoking", killed_while_revoking),
    Fault("broker-pause", broker_paused),
    Fault("kill-everything", all_killed),
    Fault("coordinator-move", coordinator_moved, nodes=3),
    Fault("network-cut", network_cut),
    Fault("network-hold", network_held),
    Fault("records-unanswered", records_unanswered),
    Fault("network-delay", network_slow),
    Fault("commit-answer-late", answer_late(END_TXN)),
    Fault("commit-answer-lost", answer_lost(END_TXN)),
    Fault("offsets-answer-late", answer_late(TXN_OFFSET_COMMIT)),
    Fault("offsets-answer-lost", answer_lost(TXN_OFFSET_COMMIT)),
    Fault("slow-model", slow_model),
    Fault("topic-missing", topic_missing, bad_from_start=False, live_dead_letters=False),
    Fault("record-too-large", too_large, bad_from_start=False, dead_letter_bytes=500),
    Fault("model-replaced", model_replaced),
    Fault("abort-in-a-backlog", abort_in_a_backlog, stores=memory.STORES),
    Fault("store-wiped", store_wiped, stores=["lmdb"]),
    Fault("store-of-another-worker", store_of_another_worker, stores=["lmdb"]),
    Fault("store-of-another-topic", store_of_another_topic, stores=["lmdb"]),
    *(Fault(name, act, stores=["postgresql"]) for name, act in filling.ACTS.items()),
)
BY_NAME = {fault.name: fault for fault in ALL}
