"""``python -m tests.broker.soundness --kafka 4.3.1``: does a killed broker end what was begun?

Two cases, each in a number of kills with a few transactions under way:

* open: killed with transactions open, away for longer than they may last;
* commit: killed in the moment of their commits, up to 2 ms before or after the first answer.

What a restarted broker does is a race, which a busy machine decides otherwise than an idle one: so
a version is not sound because nothing was seen in a few kills on a busy one.
"""

import argparse
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from tests.broker import wait
from tests.broker.jars import version
from tests.broker.native import NativeKafka
from tests.broker.transactions import ENDED, transactions
from tests.broker.victim import LAST, PARTITIONS, TRANSACTION_S, Left, Victim

IDS: Final = 6
"""Transactions in flight at each kill."""
MOMENT_S: Final = 0.002
SETTLED_S: Final = 2.0


def kill_while_open(kafka: NativeKafka, away_s: float, seed: str) -> Counter[str]:
    """What the coordinator recorded, what is still open, and what the next commit publishes."""
    victims = _under_way(kafka)
    kafka.kill()
    _restart(kafka, victims, away_s)
    found: Counter[str] = Counter()
    for victim in victims:
        left = victim.left()
        then = victim.commit_next()
        found["transactions"] += 1
        found[f"noted as {left.state}"] += 1
        found["still open in the outputs"] += left.marked < PARTITIONS
        found["still open in the offsets"] += left.offset is None
        found["dead records published by the next commit"] += then.record
        found["dead offsets taken by the next commit"] += then.offset
    return found


def kill_at_commit(kafka: NativeKafka, away_s: float, seed: str) -> Counter[str]:
    """What the coordinator recorded, and where the markers are."""
    chosen = random.Random(seed)
    victims = _under_way(kafka)
    answered = threading.Event()

    def commit(victim: Victim) -> None:
        if victim.commit(1.0):
            answered.set()

    threads = [threading.Thread(target=commit, args=(victim,)) for victim in victims]
    for thread in threads:
        thread.start()
    if chosen.random() < 0.5:
        answered.wait(1.0)
    time.sleep(chosen.uniform(0, MOMENT_S))
    kafka.kill()
    for thread in threads:
        thread.join()
    _restart(kafka, victims, away_s)
    return Counter(mix(victim.left()) for victim in victims)


def mix(left: Left) -> str:
    """Describe where the markers of a transaction are."""
    outputs = {0: "no output", PARTITIONS: "all outputs"}.get(left.marked, "some outputs")
    offsets = {None: "offsets not", LAST: "offsets committed"}.get(left.offset, "offsets aborted")
    return f"{left.state}: {outputs} marked, {offsets}{' marked' if left.offset is None else ''}"


def _under_way(kafka: NativeKafka) -> list[Victim]:
    with ThreadPoolExecutor(IDS) as threads:
        victims = list(threads.map(lambda _: Victim(kafka.direct), range(IDS)))
        while not all(victim.in_time() for victim in victims):
            list(threads.map(Victim.begin, victims))
    return victims


def _restart(kafka: NativeKafka, victims: Sequence[Victim], away_s: float) -> None:
    end = time.monotonic() + away_s
    for victim in victims:
        victim.die()
    time.sleep(max(0.0, end - time.monotonic()))
    kafka.start()
    kafka.ready()
    # Each is asked for by name: a coordinator that is not elected yet answers with an empty list.
    wait.until(lambda: _ended(kafka, victims), "coordinators to note an end")
    time.sleep(SETTLED_S)


def _ended(kafka: NativeKafka, victims: Sequence[Victim]) -> bool:
    ended = {t.transactional_id for t in transactions(kafka.direct) if t.state in ENDED}
    return ended >= {victim.id for victim in victims}


CASES: Final = {"open": kill_while_open, "commit": kill_at_commit}


def main() -> int:
    made = argparse.ArgumentParser(prog="python -m tests.broker.soundness", description=__doc__)
    made.add_argument("--kafka", default=version(), help="version of Apache Kafka")
    made.add_argument("--case", choices=CASES, default="open")
    made.add_argument("--nodes", type=int, choices=(1, 3), default=1, help="all are killed")
    made.add_argument("--tries", type=int, default=10, help="how many kills")
    made.add_argument("--away", type=float, default=TRANSACTION_S + 1, help="seconds until restart")
    options = made.parse_args()
    total: Counter[str] = Counter()
    with NativeKafka(options.nodes, version=options.kafka) as kafka:
        for number in range(options.tries):
            found = CASES[options.case](kafka, options.away, f"{options.kafka}:{number}")
            total += found
            sys.stdout.write(f"{number + 1:3} {dict(found)}\n")
            sys.stdout.flush()
    sys.stdout.write(
        f"Kafka {options.kafka}, nodes {options.nodes}, {options.case}, away {options.away:g} s, "
        f"{options.tries} kills\n"
    )
    sys.stdout.write("".join(f"{count:5} {what}\n" for what, count in sorted(total.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
