"""Workers with the flaws of the loops people write; the checker must catch each.

They are made by patching the launched worker, so that everything else is the real thing.
"""

import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

from confluent_kafka import TopicPartition
from msgspec import structs

from tests.chaos.hooks import replace

REBALANCE_S = 10.0
"""A rebalance that takes longer is not waited for."""


def fresh_metadata() -> None:
    """Group metadata is fetched when offsets are sent, and giving up partitions waits for nothing.

    So the fence is always the newest, also for offsets of partitions that are lost by now. A commit
    that a rebalance overtakes goes on when it is over: no race has to be lost for the flaw to show.
    """
    from consumer.intake.source import ClaimSource
    from consumer.publishing.transactions import ExactlyOnce
    from consumer.session.session import Session

    made, settle, commit = ClaimSource.__init__, Session.settle, ExactlyOnce._commit
    revoked, assigned = ClaimSource._on_revoke, ClaimSource._on_assign
    consumers: list[Any] = []
    over = threading.Event()

    def impatient(self: Any, *arguments: Any) -> None:
        made(self, *arguments)
        self._settle = lambda: None
        consumers.append(self._consumer)

    def going_on(self: Any) -> bool:
        return bool(self._busy() or settle(self))

    def give_up(self: Any, *arguments: Any) -> None:
        over.clear()
        revoked(self, *arguments)

    def take(self: Any, *arguments: Any) -> None:
        assigned(self, *arguments)
        over.set()

    def late(self: ExactlyOnce, filled: Any, _: Any, done: Any) -> None:
        time.sleep(0.2)  # a rebalance is served meanwhile, if one is due
        over.wait(REBALANCE_S)
        commit(self, filled, consumers[-1].consumer_group_metadata(), done)

    _patch(ClaimSource, "__init__", impatient)
    _patch(ClaimSource, "_on_revoke", give_up)
    _patch(ClaimSource, "_on_assign", take)
    _patch(Session, "settle", going_on)
    _patch(ExactlyOnce, "_commit", late)
    _trusting()


def dropped_messages() -> None:
    """Records of a poll that served a rebalance are dropped, and nothing is rewound."""
    from consumer.intake.source import ClaimSource

    rewind = ClaimSource.rewind

    def naive(self: ClaimSource, *, aborted: bool) -> None:
        if aborted:
            rewind(self, aborted=aborted)

    _patch(ClaimSource, "rewind", naive)
    _trusting()


def _trusting() -> None:
    """As other loops are: no receipts, no sweep, no look at the outputs before reading."""
    from consumer.intake.takeover import TakeOver
    from consumer.kafka.receipts import Receipts
    from consumer.publishing.leftovers import Leftovers

    def plain(_: Receipts, offsets: Any, __: Any, ___: Any) -> list[TopicPartition]:
        return [TopicPartition(topic, part, offset) for (topic, part), offset in offsets.items()]

    def nothing(*_: Any) -> None: ...

    _patch(Receipts, "write", plain)
    _patch(Leftovers, "clear", nothing)
    _patch(Leftovers, "sweep", nothing)
    _patch(TakeOver, "step", _believing)


def random_id() -> None:
    """A separate transactional id for each start, and claims read uncommitted."""
    from consumer.kafka.client import consumer_config, producer_config

    replace(
        producer_config,
        lambda settings: {**producer_config(settings), "transactional.id": uuid.uuid4().hex},
    )
    replace(
        consumer_config,
        lambda settings: {**consumer_config(settings), "isolation.level": "read_uncommitted"},
    )
    _trusting()


def commit_first() -> None:
    """Offsets are committed before the outcomes are produced, without a transaction."""
    from consumer.kafka.client import producer_config
    from consumer.kafka.producing import produce
    from consumer.publishing.delivery import AtLeastOnce, make_publisher

    def plain(settings: Any) -> Any:
        config = producer_config(settings)
        return {n: v for n, v in config.items() if not n.startswith("transaction")}

    def publish(self: Any, publication: Any, _: Any, done: Callable[[], None]) -> None:
        self._commit([TopicPartition(t, p, o) for (t, p), o in publication.offsets.items()])
        for output in publication.outputs:
            produce(self._producer, output.topic, output.records)
        self._producer.flush()
        done()

    def unsafe(settings: Any, watchdog: Any, commit: Any, _: Any, leftovers: Any) -> AtLeastOnce:
        return AtLeastOnce(settings, watchdog, commit, leftovers)

    replace(producer_config, plain)
    replace(make_publisher, unsafe)
    _patch(AtLeastOnce, "publish", publish)


def no_sweep() -> None:
    """A transaction left open by a broker stays open until the next commit of the same id."""
    _trusting()


def sweep_believed() -> None:
    """Open transactions are swept as aborted without checking whether they had been committed."""
    from consumer.intake.takeover import TakeOver

    _patch(TakeOver, "step", _believing)


def memory_uncommitted() -> None:
    """The log is followed uncommitted."""
    from consumer.kafka.client import make_onlooker
    from consumer.memory import tail

    def reading(settings: Any, _: str, config: Any) -> Any:
        return make_onlooker(settings, "read_uncommitted", config)

    _patch(tail, "make_onlooker", reading)


def memory_apart() -> None:
    """What is remembered goes out before its transaction, and not in it."""

    def first(publish: Callable[[], None], remember: Callable[[], None]) -> None:
        remember()
        publish()

    _apart(first)


def memory_afterwards() -> None:
    """What is remembered goes out when its transaction is committed, and not in it."""

    def last(publish: Callable[[], None], remember: Callable[[], None]) -> None:
        publish()
        remember()

    _apart(last)


def _apart(order: Callable[[Callable[[], None], Callable[[], None]], None]) -> None:
    """The commit of a transaction and the memory records of its batch, in this order."""
    from confluent_kafka import Producer

    from consumer.kafka.client import common_config
    from consumer.kafka.producing import produce
    from consumer.publishing.transactions import ExactlyOnce

    publish, commit = ExactlyOnce.publish, ExactlyOnce._commit
    plain: list[Any] = []
    kept: dict[int, Any] = {}

    def without(self: Any, publication: Any, metadata: Any, done: Callable[[], None]) -> None:
        own = self._settings.memory_topic
        rest = publication._replace(outputs=[o for o in publication.outputs if o.topic != own])
        kept[id(done)] = done, [o for o in publication.outputs if o.topic == own]
        publish(self, rest, metadata, done)

    def committing(self: Any, filled: Any, metadata: Any, done: Callable[[], None]) -> None:
        _, outputs = kept.pop(id(done))
        if not plain:
            plain.append(Producer(common_config(self._settings)))

        def remember() -> None:
            for output in outputs:
                produce(plain[0], output.topic, output.records)
            plain[0].flush()

        def publishing() -> None:
            commit(self, filled, metadata, done)

        order(publishing, remember)

    _patch(ExactlyOnce, "publish", without)
    _patch(ExactlyOnce, "_commit", committing)


def pending_kept() -> None:
    """Claims of an aborted batch stay among what is known."""
    from consumer.memory.pending import PendingClaims

    def careless(self: Any) -> None:
        self._uncommitted.clear()

    _patch(PendingClaims, "void", careless)


def own_counted() -> None:
    """An earlier copy of the claim counts for it."""
    _asked(lambda asked: asked._replace(claim=bytes(16)))


def same_day() -> None:
    """What becomes known on the day of the claim counts: claims, and findings a day early."""
    _asked(lambda asked: asked._replace(as_of=asked.as_of + 24 * 3_600_000))


def _asked(flawed: Callable[[Any], Any]) -> None:
    """The store is asked about something else than the alert says."""
    from consumer.memory.store import MemoryStore

    histories = MemoryStore.histories

    def asking(self: Any, asked: Sequence[Any], pending: Any) -> Any:
        return histories(self, list(map(flawed, asked)), pending)

    _patch(MemoryStore, "histories", asking)


def wall_clock() -> None:
    """A claim came in when it is scored."""
    from consumer.memory import recall

    _patch(recall, "known_at", lambda _, now: int(now.timestamp() * 1_000))


def from_the_end() -> None:
    """A store that is empty begins at the end of the log: what was before is never read."""
    from confluent_kafka import OFFSET_END

    from consumer.memory import tail

    _patch(tail, "OFFSET_BEGINNING", OFFSET_END)


def any_store() -> None:
    """A store is read on whatever it was filled with."""
    from consumer.memory.facts.folder import Folder

    def believed(folder: Any, _: object) -> None:
        folder.complete_s = time.time()

    _patch(Folder, "_outdated", believed)


def database_uncommitted() -> None:
    """Those that fill the database read the log uncommitted."""
    from consumer.memory.postgres.applier import Applier

    config = Applier._config

    def careless(self: Any) -> Any:
        return {**config(self), "isolation.level": "read_uncommitted"}

    _patch(Applier, "_config", careless)


def positions_first() -> None:
    """Positions are written before the facts, in a transaction of their own."""
    from consumer.memory.postgres import store as module

    store: Any = module
    apply = store.PostgresStore.apply

    def apart(self: Any, facts: Any, positions: Any) -> None:
        apply(self, [], positions)

        def later(on: Any) -> None:
            with on.transaction():
                store.write(on, facts)

        self._connection.run(later)

    _patch(store.PostgresStore, "apply", apart)


def any_database() -> None:
    """The database is read and filled on, whatever topic it was filled from."""
    from consumer.memory.postgres import store as module

    store: Any = module

    class Whichever(str):
        __slots__ = ()
        __hash__ = str.__hash__

        def __eq__(self, _: object) -> bool:
            return True

        def __ne__(self, _: object) -> bool:
            return False

    found = store.found

    def believed(*of: Any) -> Any:
        said = found(*of)
        return said and structs.replace(
            said, source=structs.replace(said.source, topic_id=Whichever(said.source.topic_id))
        )

    _patch(module, "found", believed)


def _believing(self: Any, committed: Sequence[TopicPartition]) -> Any:
    """Begin at the committed offsets, whatever the outputs hold."""
    from consumer.intake.takeover import Start

    starts = {(p.topic, p.partition): Start(p.offset) for p in committed}
    for place, start in starts.items():
        self._receipts.taken(place, start.offset, 0)
    return starts


def _patch(kind: type | ModuleType, name: str, flawed: Any) -> None:
    assert hasattr(kind, name)
    setattr(kind, name, flawed)


ALL: Mapping[str, Callable[[], None]] = {
    "fresh-metadata": fresh_metadata,
    "dropped-messages": dropped_messages,
    "random-id": random_id,
    "commit-first": commit_first,
    "no-sweep": no_sweep,
    "sweep-believed": sweep_believed,
    "memory-uncommitted": memory_uncommitted,
    "memory-apart": memory_apart,
    "memory-afterwards": memory_afterwards,
    "pending-kept": pending_kept,
    "own-counted": own_counted,
    "same-day": same_day,
    "wall-clock": wall_clock,
    "from-the-end": from_the_end,
    "any-store": any_store,
    "database-uncommitted": database_uncommitted,
    "positions-first": positions_first,
    "any-database": any_database,
}


def install(name: str) -> None:
    """Give the worker of this process the flaw."""
    ALL[name]()
