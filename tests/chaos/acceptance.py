"""``python -m tests.chaos.acceptance``: two workers that remember, killed and started again.

They, and the process of the outcomes, are killed while motor claims and late outcomes flow in the
order of their days; with ``--store postgresql`` so are two that fill the database. When all is
scored: each claim has one alert and one record in the log, each outcome one finding; each store is
what the log says; no alert knew what could not be known, or did not know what had long been known;
`check-history` finds none that is wrong; and `entity` lists the claims of a telephone.
"""

import argparse
import contextlib
import heapq
import json
import operator
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from confluent_kafka import Producer

from schemas.memory import FactKind, read_key
from tests.broker import wait
from tests.broker.native import NativeKafka
from tests.broker.read import QUIET, Record, end_offsets, read_all
from tests.chaos import known
from tests.chaos.database import RoundDatabase
from tests.chaos.memory import STORES, read_alerts, source_of
from tests.chaos.traffic import MOTOR, train
from tests.database.native import NativePostgres
from tests.database.provide import database
from tests.harness import process
from tests.integration import remembered
from tests.integration.stage import Stage, Worker
from tests.integration.traffic import Row

PARTITIONS: Final = 4
CHUNKS: Final = 100
"""In which claims and outcomes are sent."""
PAUSE_S: Final = 0.3
"""Between two of them, at least."""
BETWEEN_KILLS_S: Final = 2.0, 5.0
WORKERS: Final = "w0", "w1"
APPLIERS: Final = "a0", "a1"
"""They fill a database."""
OUTCOMES: Final = "outcomes"
CHECKED: Final = 10_000
"""Alerts that `check-history` computes again; all are compared with a replay here."""


class Accepted(NamedTuple):
    """What was found."""

    claims: int
    findings: int
    kills: Mapping[str, int]
    """By process."""
    seconds: float
    """From the first claim to the last commit."""
    rows: Mapping[str, int]
    """Of each store, or of the database; all are what the log says."""
    checked: Mapping[str, Any]
    """By `check-history`."""
    of_a_telephone: int
    """Claims that `entity` listed."""
    broken: Sequence[str]

    def __str__(self) -> str:
        kills = ", ".join(f"{name} {count} times" for name, count in self.kills.items())
        rows = ", ".join(f"{name} {count:,}" for name, count in self.rows.items())
        verdicts = "equal", "fewer", "wrong", "gone", "others"
        said = ", ".join(f"{self.checked.get(name, 0):,} {name}" for name in verdicts)
        return "\n".join(
            [
                f"{self.claims:,} claims and {self.findings:,} outcomes in {self.seconds:.0f} s; "
                f"killed: {kills}",
                f"rows of stores that are what the log says: {rows}",
                f"check-history of {self.checked.get('checked', 0):,} alerts: {said}",
                f"claims of a telephone, as listed: {self.of_a_telephone}",
                *(f"BROKEN {one}" for one in self.broken),
            ]
        )


class Flow:
    """Sends claims and outcomes in the order of their days, in a thread of its own."""

    def __init__(self, stage: Stage, claims: Sequence[Row], outcomes: Sequence[Row]) -> None:
        """Nothing is sent yet.

        Args:
            stage: the topics.
            claims: in their order.
            outcomes: in theirs.
        """
        tagged = (
            [(row.at_ms, stage.claims, row) for row in claims],
            [(row.at_ms, stage.environ["OUTCOMES_TOPIC"], row) for row in outcomes],
        )
        self._rows = list(heapq.merge(*tagged, key=operator.itemgetter(0)))
        self._bootstrap = stage.bootstrap
        self.failed: list[str] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def over(self) -> bool:
        """True once all is sent."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        producer = Producer(
            {"bootstrap.servers": self._bootstrap, "enable.idempotence": True, **QUIET}
        )
        size = -(-len(self._rows) // CHUNKS)
        for first in range(0, len(self._rows), size):
            for at_ms, topic, row in self._rows[first : first + size]:
                producer.produce(topic, row.value, row.key, timestamp=at_ms)
                producer.poll(0)
            if producer.flush(120):
                self.failed.append("not everything could be sent")
                return
            time.sleep(PAUSE_S)


class Members:
    """The processes, each of which can be killed and is started again at once."""

    def __init__(self, stage: Stage, names: Sequence[str]) -> None:
        self._stage = stage
        self.kills = Counter[str]()
        self._running = {name: self._started(name) for name in names}

    def ready(self) -> None:
        """Wait until all handle what comes."""
        for name in (*WORKERS, OUTCOMES):
            self._running[name].ready()

    def kill(self, name: str) -> None:
        """Kill one and start it again."""
        self._running[name].kill()
        self.kills[name] += 1
        self._running[name] = self._started(name)

    def check(self) -> bool:
        """True while all run.

        Raises:
            RuntimeError: one has ended by itself.
        """
        return all(member.check() for member in self._running.values())

    def stop(self) -> list[str]:
        """End all in good order; what went wrong."""
        codes = {name: member.stop() for name, member in self._running.items()}
        return [f"{name} ended with {code}" for name, code in codes.items() if code]

    def _started(self, name: str) -> Worker:
        if name == OUTCOMES:
            return self._stage.command("outcomes", INSTANCE_ID=name)
        if name in APPLIERS:
            return self._stage.command("memory", "apply", INSTANCE_ID=name)
        return self._stage.worker(name)


def play(
    stage: Stage,
    model: Path,
    claims: int,
    findings: int,
    *,
    kills: int,
    seed: int,
    filled: RoundDatabase | None = None,
    tell: Callable[[str], object] = lambda _: None,
) -> Accepted:
    """Let claims and outcomes flow, kill, and look at what is there in the end.

    Args:
        stage: fresh topics.
        model: one that asks for the history of motor claims.
        claims: how many.
        findings: how many outcomes of them.
        kills: at least so many, and as long as anything flows.
        seed: of claims and of all draws.
        filled: a database to remember in, empty; by default, each worker has a store.
        tell: called with what is being done.
    """
    chance = random.Random(seed)
    _prepare(stage, model, filled)
    events = remembered.events(claims, seed)
    late = remembered.findings(events)
    outcomes = sorted(chance.sample(late, findings), key=lambda row: row.at_ms)
    names = (*WORKERS, OUTCOMES, *(APPLIERS if filled else ()))
    members = Members(stage, names)
    members.ready()
    flow, started = Flow(stage, remembered.claims(events), outcomes), time.monotonic()
    flow.start()
    tell("claims and outcomes flow, processes are killed")
    while not flow.over or members.kills.total() < kills:
        end = time.monotonic() + chance.uniform(*BETWEEN_KILLS_S)
        while time.monotonic() < end:
            members.check()
            time.sleep(0.1)
        members.kill(chance.choice(names))
    memory = stage.environ["MEMORY_TOPIC"]
    wait.until(
        lambda: members.check() and stage.drained() and _findings(stage, memory) >= findings,
        "the last claim and finding",
        1_800,
    )
    took = time.monotonic() - started
    if filled:
        tell("the database catches up")
        ends = {
            partition: end for (_, partition), end in end_offsets(stage.bootstrap, [memory]).items()
        }
        wait.until(lambda: members.check() and filled.has(ends), "the last record in it", 1_800)
    broken = [*flow.failed, *members.stop()]
    tell("alerts and log are compared with what was sent")
    log = read_all(stage.bootstrap, memory)
    broken += _once(stage, log, claims, findings)
    tell("histories in alerts are compared with a replay")
    alerts = read_alerts(read_all(stage.bootstrap, stage.alerts))
    broken += [
        f"{promise}: {len(found)} ({found[0]})"
        for promise, found in known.check(alerts, log).items()
        if found
    ]
    rows = {}
    for name in APPLIERS[:1] if filled else WORKERS:
        tell(f"the store of {name} is compared with the log")
        verified = _asked(stage, "memory", "verify", INSTANCE_ID=name)
        rows[name] = verified["rows"]
        broken += [] if verified["equal"] else [f"the store of {name}: {verified}"]
    tell("check-history")
    checked = _asked(stage, "check-history", "--alerts", str(min(CHECKED, claims)))
    broken += [f"check-history: {checked['first_wrong']}"] if checked["wrong"] else []
    telephone, ids = _shared(events)
    listed = _asked(stage, "entity", f"--phone={telephone}")
    broken += [] if {one["claim_id"] for one in listed["claims"]} == ids else ["entity: others"]
    return Accepted(
        claims, findings, members.kills, took, rows, checked, len(listed["claims"]), broken
    )


def _prepare(stage: Stage, model: Path, filled: RoundDatabase | None) -> None:
    remembered.remembering(stage, model)
    if filled:
        stage.environ["MEMORY_STORE"] = filled.url
    made = stage.command("topics", "--partitions", str(PARTITIONS))
    assert made.wait() == 0
    end_offsets(stage.bootstrap, [stage.environ["MEMORY_TOPIC"]])  # waits for its leaders
    remembered.keep_everything(stage, stage.claims, stage.environ["OUTCOMES_TOPIC"])


def _findings(stage: Stage, memory: str) -> int:
    """At least so many findings are in the log."""
    done = sum(end_offsets(stage.bootstrap, [memory]).values())
    if done < sum(stage.committed().values()):
        return 0
    return sum(not _is_claim(row) for row in read_all(stage.bootstrap, memory))


def _is_claim(row: Record) -> bool:
    return read_key(row.key).kind is FactKind.CLAIM


def _once(stage: Stage, log: Sequence[Record], claims: int, findings: int) -> Iterator[str]:
    """What is not there once."""
    sent = Counter(row.place for row in read_all(stage.bootstrap, stage.claims))
    found = Counter(row.place for row in read_all(stage.bootstrap, stage.environ["OUTCOMES_TOPIC"]))
    alerts = read_alerts(read_all(stage.bootstrap, stage.alerts))
    if (len(sent), len(found)) != (claims, findings):
        yield f"sent were {len(sent)} claims and {len(found)} outcomes"
    if Counter(place for place, _ in alerts) != sent:
        yield "not one alert for each claim"
    if Counter(map(source_of, filter(_is_claim, log))) != sent:
        yield "not one record in the log for each claim"
    if Counter(source_of(row) for row in log if not _is_claim(row)) != found:
        yield "not one finding in the log for each outcome"


def _shared(events: Sequence[Mapping[str, Any]]) -> tuple[str, set[str]]:
    """A telephone that several claims state, and the ids of these; they write it differently."""
    by_number: dict[str, list[Mapping[str, Any]]] = {}
    for event in events:
        digits = "".join(filter(str.isdigit, str(event.get("phone") or "")))
        by_number.setdefault(digits.removeprefix("44").removeprefix("0"), []).append(event)
    # One digit again and again is a placeholder, which names nobody, however many claims state it.
    found = max((of for number, of in by_number.items() if len({*number}) > 1), key=len)
    return str(found[0]["phone"]), {str(event["claim_no"]) for event in found}


def _asked(stage: Stage, *arguments: str, **settings: str) -> dict[str, Any]:
    """What a command says in JSON, whatever its exit code."""
    done = subprocess.run(
        process.module("fraud_scorer", *arguments, "--json"),
        env=process.environment({**stage.environ, **settings}),
        cwd=process.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.stdout:
        raise RuntimeError(f"{arguments[0]} ended with {done.returncode}: {done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> int:
    """Play it on a Kafka of its own."""
    made = argparse.ArgumentParser(prog="python -m tests.chaos.acceptance", description=__doc__)
    made.add_argument("--claims", type=int, default=200_000)
    made.add_argument("--findings", type=int, default=2_000)
    made.add_argument("--kills", type=int, default=20, help="at least (%(default)s)")
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--store", choices=STORES, default="lmdb", help="(%(default)s)")
    options = made.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        kafka = stack.enter_context(NativeKafka())
        model = train(folder / "model", options.seed, MOTOR)
        stage = Stage(kafka.bootstrap, folder, model, PARTITIONS)
        stack.callback(stage.close)
        used = None
        if options.store == "postgresql":
            server = stack.enter_context(NativePostgres())
            url = stack.enter_context(database(server.url))
            used = RoundDatabase(server, url, f"{stage.claims}.memory")
        started = time.monotonic()

        def tell(what: str) -> None:
            sys.stderr.write(f"{time.monotonic() - started:6.0f} s  {what}\n")

        found = play(
            stage,
            model,
            options.claims,
            options.findings,
            kills=options.kills,
            seed=options.seed,
            filled=used,
            tell=tell,
        )
    sys.stdout.write(f"{found}\n")
    return 1 if found.broken else 0


if __name__ == "__main__":
    sys.exit(main())
