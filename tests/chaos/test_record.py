"""Rounds are kept with the code they were played with, and counted by fault, version and mode."""

import dataclasses
from pathlib import Path

import msgspec
import pytest

from tests.chaos import rounds
from tests.chaos.faults import BY_NAME
from tests.chaos.memory import StoreKind
from tests.chaos.record import ASIDE, ROOT, append, code, digest, digest_of, read, row
from tests.chaos.round import Case, Result


def played(*broken: str, kafka: str = "4.2.2", membership: str = "static") -> Result:
    assert membership in {"static", "dynamic"}
    case = Case(BY_NAME["broker-kill"], "classic", membership, "7:3", None, kafka)  # type: ignore[arg-type]
    return Result(case, broken, 1200, 20.04, {"w0": [-9, 0], "w1": [0]}, None)


def test_rows_come_back(tmp_path: Path) -> None:
    file = tmp_path / "kept" / "rounds.jsonl"
    added = [row(played(), "code"), row(played("stuck"), "code")]
    for one in added:
        append(file, one)
    assert read(file) == added
    assert added[1].codes == {"w0": [-9, 0], "w1": [0]}
    assert (added[1].broken, added[1].seconds, added[1].kafka) == (["stuck"], 20.0, "4.2.2")


def test_the_table_counts_by_fault_version_and_mode() -> None:
    results = [played(), played("stuck"), played(kafka="4.3.1"), played(membership="dynamic")]
    assert rounds.table(row(r, "code") for r in results) == (
        "| Fault | Kafka | classic, dynamic | classic, static | Rounds | Claims | Broken |\n"
        "| --- | --- | --: | --: | --: | --: | --: |\n"
        "| broker-kill | 4.2.2 | 1 | 2 (1 broken) | 3 | 3,600 | 1 |\n"
        "| broker-kill | 4.3.1 | 0 | 1 | 1 | 1,200 | 0 |\n"
        "| all |  | 1 | 3 (1 broken) | 4 | 4,800 | 1 |"
    )


def test_rounds_of_other_code_are_left_out_unless_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rounds.jsonl"
    append(file, row(played(), digest()))
    append(file, row(played("stuck"), "earlier"))
    assert rounds.main([str(file)]) == 0
    assert "1 rounds of other code left out" in capsys.readouterr().out
    assert rounds.main(["--all", str(file)]) == 1
    assert "broker-kill classic static seed 7:3 kafka 4.2.2: stuck" in capsys.readouterr().out


def test_the_digest_follows_what_the_code_does() -> None:
    same = digest_of(["def f():\n    return 1\n"])
    assert digest_of(['def f():\n    """Said."""\n\n    return 1  # why\n']) == same
    assert digest_of(["def f():\n    return 2\n"]) != same
    assert digest_of([]) != same


def test_the_digest_is_the_same_when_code_moves_to_another_module() -> None:
    f, g = "def f():\n    return 1\n", "def g():\n    return 2\n"
    together = digest_of([f"import a\n\n{f}\n{g}"])
    assert digest_of([g, f'"""Moved."""\nfrom b import c\n{f}']) == together
    assert digest_of([f]) != together


def test_the_digest_covers_the_code_of_transactions() -> None:
    assert {
        "batch.process", "intake.membership", "intake.offsets", "intake.source", "kafka.client",
        "kafka.producing", "kafka.watchdog", "publishing.delivery", "publishing.transactions",
        "worker.worker",
    } <= set(code())  # fmt: skip


def test_rounds_of_workers_that_remember_are_about_more_code() -> None:
    assert {"memory.log", "memory.pending", "memory.recall", "memory.tail"} <= set(code())
    assert not any(name.startswith("memory.") for name in code(None))
    assert digest("lmdb") != digest()


def test_rounds_with_a_database_are_about_what_fills_and_reads_it() -> None:
    more = set(code("postgresql")) - set(code("lmdb"))
    assert more >= {
        "memory.postgres.applier", "memory.postgres.connection", "memory.postgres.follower",
        "memory.postgres.reading", "memory.postgres.schema", "memory.postgres.store",
        "memory.postgres.writing",
    }  # fmt: skip
    assert digest("postgresql") != digest("lmdb")
    assert set(code("lmdb")) < set(code("postgresql"))


def test_a_row_says_where_claims_were_remembered(tmp_path: Path) -> None:
    """In LMDB, if it only says that they were."""
    file = tmp_path / "rounds.jsonl"
    stores: tuple[StoreKind | None, ...] = (None, "lmdb", "postgresql")
    for store in stores:
        case = dataclasses.replace(played().case, store=store)
        append(file, row(dataclasses.replace(played(), case=case), "code"))
    append(file, msgspec.structs.replace(row(played(), "code"), memory=True))
    assert [one.store for one in read(file)] == [*stores, "lmdb"]
    assert rounds.table(read(file)).splitlines()[0] == (
        "| Fault | Kafka | classic, static | classic, static, memory | "
        "classic, static, memory in PostgreSQL | Rounds | Claims | Broken |"
    )


def test_the_digest_leaves_aside_only_modules_that_are_there() -> None:
    places = [ROOT / "consumer" / name.replace(".", "/") for name in ASIDE]
    assert not [p for p in places if not (p.is_dir() or p.with_suffix(".py").exists())]
    assert not [name for name in code() if {name, name.partition(".")[0]} & ASIDE]
