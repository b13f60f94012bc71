"""Rounds as rows of a file: one JSON object a line, of one or more harness processes at once."""

import ast
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from tests.chaos.memory import StoreKind
from tests.chaos.round import Result

ROOT: Final = Path(__file__).parents[2]
BEGINNINGS: Final = frozenset({"worker.assembly", "memory.tail"})
"""What is put together from the settings; a worker is given its memory."""
FILLING: Final = frozenset({"memory.postgres.applier", "memory.postgres.follower"})
"""Of a memory in PostgreSQL: who fills it, and who looks how far it is."""
ASIDE: Final = frozenset(
    {
        "batch.alerts", "batch.cut", "batch.decode", "batch.edges", "batch.records",
        "batch.revisions", "dead_letters", "errors", "models", "registry", "settings", "telemetry",
        "worker.dead_letter_budget", "worker.observe", "worker.wanted",
    }
)  # fmt: skip
"""Modules and rooms a worker uses that do not decide whether an outcome is lost or doubled. What is
not named here counts, so that a new one is never forgotten."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One round."""

    code: str
    """Digest of the code it was played with."""
    kafka: str
    fault: str
    protocol: str
    membership: str
    seed: str
    mutant: str | None
    records: int
    seconds: float
    broken: list[str]
    codes: dict[str, list[int]]
    """Exit codes of each worker, in order."""
    memory: bool | StoreKind = False
    """Where the workers remembered claims. True: in LMDB, before there was another store."""

    @property
    def store(self) -> StoreKind | None:
        """Where the workers remembered claims; None if they did not."""
        return ("lmdb" if self.memory else None) if isinstance(self.memory, bool) else self.memory


def row(result: Result, code: str) -> Row:
    """The row of a round."""
    case = result.case
    return Row(
        code=code,
        kafka=case.kafka,
        fault=case.fault.name,
        protocol=case.protocol,
        membership=case.membership,
        seed=case.seed,
        mutant=case.mutant,
        records=result.records,
        seconds=round(result.seconds, 1),
        broken=list(result.broken),
        memory=case.store or False,
        codes={worker: list(codes) for worker, codes in result.codes.items()},
    )


def append(file: Path, added: Row) -> None:
    """Add a row, in one write: others may be adding theirs."""
    file.parent.mkdir(parents=True, exist_ok=True)
    opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(opened, msgspec.json.encode(added) + b"\n")
    finally:
        os.close(opened)


def read(file: Path) -> list[Row]:
    """Every row of the file."""
    return [msgspec.json.decode(line, type=Row) for line in file.read_bytes().splitlines()]


def digest(store: StoreKind | None = None) -> str:
    """Of the present code that rounds are about: what it does, not how it is documented.

    Args:
        store: where the workers of these rounds remember claims; None if they do not, and run
            nothing of that room.
    """
    return digest_of(map(_source, code(store)))


def _of_memory(name: str) -> bool:
    return name.startswith("memory.")


def code(store: StoreKind | None = "lmdb") -> list[str]:
    """Modules of the consumer that decide whether an outcome is lost or doubled, or remembered
    otherwise than the log says.

    Args:
        store: where claims are remembered; None if they are not.
    """
    found: set[str] = set()
    due: set[str] = set(BEGINNINGS | FILLING if store == "postgresql" else BEGINNINGS)
    while due:
        found |= due
        due = {used for name in due for used in _imported(name) if not _aside(used)} - found
    return sorted(name for name in found if store or not _of_memory(name))


def _aside(name: str) -> bool:
    return name in ASIDE or name.partition(".")[0] in ASIDE


def _imported(name: str) -> set[str]:
    nodes = ast.walk(ast.parse(_source(name)))
    modules = (n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.module)
    return {m.removeprefix("consumer.") for m in modules if m.startswith("consumer.")}


def _source(name: str) -> str:
    return (ROOT / "consumer" / f"{name.replace('.', '/')}.py").read_text()


def digest_of(sources: Iterable[str]) -> str:
    """Of the statements in sources, whichever module they stand in: without imports and text."""
    found = sorted(
        ast.unparse(_undocumented(statement))
        for source in sources
        for statement in ast.parse(source).body
        if not isinstance(statement, ast.Import | ast.ImportFrom) and not _is_text(statement)
    )
    return hashlib.sha256("\n".join(found).encode()).hexdigest()[:16]


def _undocumented(statement: ast.stmt) -> ast.stmt:
    for node in ast.walk(statement):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [s for s in body if not _is_text(s)] or [ast.Pass()]  # type: ignore[attr-defined]
    return statement


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
