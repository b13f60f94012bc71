"""Lines of CSV as columns: the same claims, and back to single rows where lines are not plain."""

import sys
from pathlib import Path
from typing import Any

import pytest

from schemas.columnar.coded import Coded, coded
from schemas.columnar.parting import parted
from schemas.tables.batches import ClaimBatch, open_batches
from tests.schemas.contracts import decoder

pytest.importorskip("pyarrow")

HEADER = "claim_id,colour,loss_date,claim_amount,fault,police_report_filed"
ROWS = [f"c-{i},red,2026-01-{i % 28 + 1:02},{i / 8},third party,true" for i in range(300)]
FIELDS = ("claim_id", "loss_date", "claim_amount", "fault", "police_report_filed", "witnesses")


def read(folder: Path, rows: list[str], size: int = 100) -> list[ClaimBatch]:
    file = folder / "claims.csv"
    file.write_text("\n".join([HEADER, *rows]), encoding="utf-8", errors="surrogateescape")
    with open_batches(file, decoder("auto"), size) as opened:
        return list(opened.batches)


def values(batches: list[ClaimBatch]) -> list[tuple[Any, ...]]:
    claims = [
        (line, *(getattr(claim, name) for name in FIELDS))
        for batch in batches
        for line, claim in zip(batch.lines, batch.claims, strict=True)
    ]
    return claims + [tuple(found) for batch in batches for found in batch.rejected]


def in_columns(batch: ClaimBatch) -> bool:
    return isinstance(batch.claims.column("claim_amount"), Coded)  # type: ignore[attr-defined]


def test_plain_lines_are_never_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = read(tmp_path, ROWS)
    assert all(map(in_columns, batches))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    without = read(tmp_path, ROWS)
    assert not any(map(in_columns, without))
    assert values(batches) == values(without)
    assert [row[0] for row in values(batches)] == list(range(2, 302))


@pytest.mark.parametrize(
    "bad",
    [
        "c-x,red,2026-13-01,1,,", ",red,2026-01-01,1,,", "c-x,red,2026-01-01,-1,,", "c-x,red", "",
        "c-x,red,2026-01-01,1,\udcff,", "c-x,\udcff,2026-01-01,1,,",
        '"c-x",red,2026-01-01,1,"a,b",',
        "c-x,red,2026-01-01,١,,", "c-x,red,20260101,1,,", " c-x ,red, 2026-01-01 , 1 , ,TRUE",
    ],
)  # fmt: skip
def test_a_row_that_is_not_plain_changes_nothing_else(
    bad: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [*ROWS[:150], bad, *ROWS[150:]]
    found = values(read(tmp_path, rows))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert found == values(read(tmp_path, rows))
    assert len(found) >= len(ROWS)


@pytest.mark.parametrize("text", ["a,1\n\nb,2", "a,1\nb", "a,1\nb,2,3", "\ufeffa,1", "a,\udcff"])
def test_other_lines_are_left_to_the_reader_of_rows(text: str) -> None:
    assert parted(text, text.count("\n") + 1, ",", 2, {0, 1}) is None


def test_cells_are_texts_and_equal_ones_are_stored_once() -> None:
    found = parted("a;1;\nb;NULL;\na;nan; ", 3, ";", 3, {0, 1, 2})
    assert found is not None
    assert {n: column.tolist() for n, column in found.items()} == {
        0: ["a", "b", "a"], 1: ["1", "NULL", "nan"], 2: ["", "", " "],
    }  # fmt: skip
    assert list(found[0].values) == ["a", "b"]
    assert found[0].item(2) == "a"


def test_several_columns_are_coded_together() -> None:
    found = coded([("a", 1), ("b", 1), ("a", 1)])
    assert list(found.values) == [("a", 1), ("b", 1)]
    assert found.tolist() == [("a", 1), ("b", 1), ("a", 1)]
