"""A process that is killed while it takes records in leaves the state before, or the one after."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.consumer.memory.logs import Log, dumped, fed, many_claims, opened

BATCH = 200
RECORDS = 40_000


class Deadly(dict[int, int]):
    """Positions that kill the process when they are read: the transaction has the facts by then."""

    def items(self) -> Any:
        """Kill."""
        os.kill(os.getpid(), signal.SIGKILL)


def takes_in(folder: Path, how: str) -> None:
    """Take in records batch after batch, saying so after each; in a process of its own."""
    log = many_claims(RECORDS)
    view = opened(folder, log.bounds)
    for start in range(0, RECORDS, BATCH):
        end = start + BATCH
        deadly = how == "inside" and start == 3 * BATCH
        view.apply(log.facts[start:end], Deadly() if deadly else {0: end})
        sys.stdout.write(".")
        sys.stdout.flush()


def is_as_told(folder: Path, log: Log, scratch: Path) -> int:
    """The position of a store whose facts are those before it; the test fails if they are not."""
    view = opened(folder, log.bounds)
    end = view.positions().get(0, 0)
    view.close()
    fed(scratch, log, log.facts[:end])
    assert dumped(folder)[b"claims"] == dumped(scratch)[b"claims"]
    assert dumped(folder)[b"facts"] == dumped(scratch)[b"facts"]
    assert dumped(folder)[b"totals"] == dumped(scratch)[b"totals"]
    return int(end)


def child(folder: Path, how: str) -> subprocess.Popen[bytes]:
    """A process that takes in records."""
    code = (
        "from pathlib import Path; from tests.consumer.memory.test_killed import takes_in; "
        f"takes_in(Path({str(folder)!r}), {how!r})"
    )
    root = Path(__file__).parents[3]
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=root)


def test_killed_inside_the_transaction_the_state_before_stays(tmp_path: Path) -> None:
    process = child(tmp_path / "killed", "inside")
    said, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert len(said) == 3
    end = is_as_told(tmp_path / "killed", many_claims(RECORDS), tmp_path / "other")
    assert end == 3 * BATCH


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_killed_at_any_moment_positions_fit_the_facts(seed: int, tmp_path: Path) -> None:
    rng, said = random.Random(seed), 0
    process = child(tmp_path / "killed", "anywhere")
    assert process.stdout is not None
    for _ in range(rng.randrange(1, 40)):
        said += len(process.stdout.read(1))
    time.sleep(rng.random() * 0.01)
    process.kill()
    said += len(process.stdout.read())
    process.wait()
    process.stdout.close()
    end = is_as_told(tmp_path / "killed", many_claims(RECORDS), tmp_path / "other")
    assert end in {said * BATCH, (said + 1) * BATCH}
    # It goes on from there.
    log = many_claims(RECORDS)
    view = opened(tmp_path / "killed", log.bounds)
    view.apply(log.facts[end:], {0: RECORDS})
    view.close()
    assert is_as_told(tmp_path / "killed", log, tmp_path / "whole") == RECORDS
