"""Parquet: any value is a claim's or refused with its place; only what is used is read."""

import datetime as dt
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from schemas.drafting.draft import draft
from schemas.tables.claims import open_claims
from schemas.tables.opening import open_table
from schemas.tables.parquet import LIST
from schemas.tables.rows import TableError
from tests.schemas.contracts import small
from tests.schemas.test_batches import check

pa: Any = pytest.importorskip("pyarrow")
parquet: Any = pytest.importorskip("pyarrow.parquet")

CONTRACT = small(
    {
        "claim_no": {"type": "string", "x-role": "identifier"},
        "lost": {"type": "string", "format": "date", "x-role": "time", "x-from": "/loss/day"},
        "born": {"type": "string", "format": "date", "x-role": "personal"},
        "text": {"type": "string", "x-role": "feature", "x-from": ["text", "City"]},
    },
    x_label={"field": "Fraud", "fraud": ["Y"], "honest": ["N"]},
)
NEXT = 86_400 * 10**9 + 1
FAR = "a day outside the years 1 to 9999"
MARS = pa.timestamp("us", tz="Mars/Olympus")


def written(folder: Path, columns: dict[str, Any], **how: Any) -> Path:
    path = folder / "claims.parquet"
    parquet.write_table(pa.table(columns), path, **how)
    return path


def faults(path: Path) -> list[tuple[int, str]]:
    with open_claims(path, CONTRACT) as found:
        return [(row.line, str(row.fault)) for row in found.rows if row.fault]


def of(kind: Any, *numbers: int | None) -> Any:
    """A column of days or times, from what is in the file."""
    width = pa.int32() if kind.bit_width == 32 else pa.int64()
    return pa.array(numbers, width).view(kind)


@pytest.mark.parametrize(
    ("kind", "far"),
    [
        (pa.date32(), 3_000_000),
        (pa.date32(), -800_000),
        (pa.timestamp("ms"), 2**62),
        (pa.timestamp("us"), 2**62),
        (pa.timestamp("us"), -(2**62)),
        # the last second of the year 9999 in UTC is in the year 10000 in Berlin
        (pa.timestamp("ms", tz="Europe/Berlin"), 253_402_300_799_000),
    ],
)
def test_a_day_that_no_calendar_has_is_a_rejected_row(tmp_path: Path, kind: Any, far: int) -> None:
    path = written(tmp_path, {"claim_no": ["1", "2", "3"], "lost": of(kind, 1, far, None)})
    contract = small(
        {
            "claim_no": {"type": "string", "x-role": "identifier"},
            "lost": {"type": "string", "format": "date", "x-role": "time"},
        }
    )
    assert check(path, contract, 2) == (2, 1)
    with open_claims(path, contract) as found:
        first, bad, last = found.rows
    assert first.claim.lost == dt.date(1970, 1, 1 if kind.bit_width == 64 else 2)
    assert (bad.line, str(bad.fault)) == (2, f"column lost, {FAR}: is not a date")
    assert last.claim.lost is None


def test_a_day_of_a_nested_column_and_one_that_must_not_be_shown(tmp_path: Path) -> None:
    far = of(pa.date32(), 3_000_000, None)
    loss = pa.StructArray.from_arrays([far], ["day"])
    born = of(pa.date32(), None, 3_000_000)
    path = written(tmp_path, {"claim_no": ["1", "2"], "loss": loss, "born": born})
    assert faults(path) == [
        (1, f"column loss.day, {FAR}: is not a date"),
        (2, "column born: is not a date"),
    ]


def test_nanoseconds_are_days_with_and_without_pandas(tmp_path: Path) -> None:
    path = written(
        tmp_path, {"claim_no": ["1"], "loss.day": of(pa.timestamp("ns"), 86_400 * 10**9 + 1)}
    )
    with open_table(path) as table:
        (row,) = table.rows
    assert row.cells[1] == dt.datetime(1970, 1, 2)
    assert type(row.cells[1]) is dt.datetime


def test_a_draft_says_that_some_days_cannot_be_read(tmp_path: Path) -> None:
    days = [1, 3_000_000, *range(2, 50)]
    path = written(tmp_path, {"claim_no": [f"c{n}" for n in days], "Lost": of(pa.date32(), *days)})
    text = draft(path)
    assert "  # ? lost: 2.00% of the values do not read like this\n" in text
    assert "format: date" in text


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary(), pa.string_view()])
def test_a_text_in_another_encoding_is_a_rejected_row(tmp_path: Path, kind: Any) -> None:
    parts = pa.array([b"K\xf6ln", "Köln".encode(), None])
    text = parts if kind == pa.binary() else parts.view(pa.string())
    if kind in (pa.large_string(), pa.string_view()):
        text = parts.cast(pa.large_binary() if kind == pa.large_string() else pa.binary_view())
        text = text.view(kind)
    path = written(tmp_path, {"claim_no": ["1", "2", "3"], "City": text})
    assert faults(path) == [(1, "not UTF-8: column City")]
    with open_claims(path, CONTRACT) as found:
        assert [row.claim and row.claim.text for row in found.rows] == [None, "Köln", None]


def test_columns_that_nobody_asks_for_are_not_read(tmp_path: Path) -> None:
    columns = {
        "unknown": pa.array([b"\xff", b"\xff"]).view(pa.string()),
        "loss": pa.StructArray.from_arrays([of(MARS, 1, 1), of(pa.date32(), 0, 1)], ["at", "day"]),
        "Fraud": pa.array(["Y", "N"]).dictionary_encode(),
        "also": of(MARS, 1, 1),
        "claim_no": ["1", "2"],
    }
    path = written(tmp_path, columns)
    with open_claims(path, CONTRACT) as found:
        assert found.columns is not None
        assert found.columns.unused == ("unknown", "loss.at", "also")
        rows = list(found.rows)
    days = [dt.date(1970, 1, 1), dt.date(1970, 1, 2)]
    assert [(r.claim.claim_no, r.claim.lost, r.label) for r in rows] == [
        ("1", days[0], True),
        ("2", days[1], False),
    ]
    assert check(path, CONTRACT, 1) == (2, 0)


def test_a_file_of_which_nothing_is_read_has_rows(tmp_path: Path) -> None:
    numbered = small({"claim_no": {"type": "string", "x-role": "identifier", "x-row": "c-{}"}})
    assert check(written(tmp_path, {"City": ["a", "b"]}), numbered, 1) == (2, 0)


def test_a_zone_that_is_not_known_is_named_with_its_column(tmp_path: Path) -> None:
    path = written(tmp_path, {"claim_no": ["1"], "loss.day": of(MARS, 1)})
    with pytest.raises(TableError, match=r"column loss\.day: timestamp\[us, tz=Mars/Olympus\]"):
        faults(path)


GROWTH = """
import sys
from pathlib import Path
import psutil
from schemas.tables.opening import open_table
from schemas.tables.parquet import LIST

now = psutil.Process().memory_info
with open_table(Path(sys.argv[1])) as table:
    before, seen = now().rss, []
    for row in table.only(frozenset({0, 1})).rows:
        if row.line % 500 == 0:
            seen.append(now().rss)
    print(row.line, max(seen) - before)
"""


@pytest.mark.slow
def test_memory_is_that_of_some_rows_whatever_a_group_has(tmp_path: Path) -> None:
    size, rows = 4_000, 60_000
    texts = pa.array([f"{n:08}" * (size // 8) for n in range(rows)])
    numbers = pa.array(map(str, range(rows)))
    columns = {"claim_no": numbers, "City": texts, "unknown": texts}
    path = written(tmp_path, columns, row_group_size=rows, compression=None, use_dictionary=False)
    command = [sys.executable, "-c", GROWTH, str(path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    read, growth = map(int, said.split())
    assert read == rows
    assert growth < size * rows / 2


@pytest.mark.slow
@pytest.mark.parametrize("encoded", ["dictionary", "nested", "DELTA_BYTE_ARRAY", "fixed"])
def test_a_small_file_whose_rows_repeat_a_long_text_is_read_bit_by_bit(
    tmp_path: Path, encoded: str
) -> None:
    """The file has the text once; to have it once for each row would take a gigabyte."""
    size, rows = 300_000, 4_096
    text = pa.array(["x" * size], pa.binary(size) if encoded == "fixed" else pa.string())
    columns = {
        "claim_no": pa.array(map(str, range(rows))),
        "City": pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), text),
    }
    if encoded == "nested":
        columns["City"] = pa.StructArray.from_arrays([columns["City"]], ["City"])
    if encoded == "DELTA_BYTE_ARRAY":
        columns["City"] = columns["City"].cast(pa.string())
        how: dict[str, Any] = {"use_dictionary": ["claim_no"]}
        how["column_encoding"] = {"City": encoded}
    else:
        how = {"store_schema": False, "dictionary_pagesize_limit": 1 << 30}
    path = written(tmp_path, columns, compression="zstd", **how)
    assert path.stat().st_size < 200_000
    command = [sys.executable, "-c", GROWTH, str(path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    read, growth = map(int, said.split())
    assert read == rows
    assert growth < size * rows / 8


def test_texts_are_the_same_however_they_are_encoded(tmp_path: Path) -> None:
    values = [
        "a",
        None,
        "",
        "Köln",
        *(f"city {n % 7}" for n in range(9_000)),
        *map(str, range(999)),
    ]
    nested = pa.array([{"City": value} for value in values])
    columns = {"claim_no": pa.array(map(str, range(len(values)))), "n": nested}
    found = []
    for how in (
        {},
        {"use_dictionary": False},
        {"use_dictionary": False, "column_encoding": "DELTA_BYTE_ARRAY"},
        {"dictionary_pagesize_limit": 100, "row_group_size": 700},
        {"dictionary_pagesize_limit": 1_000},
    ):
        with open_table(written(tmp_path, columns, **how)) as table:
            assert table.header == ("claim_no", "n.City")
            found.append([row.cells for row in table.rows])
    assert found == [[(str(n), value) for n, value in enumerate(values)]] * len(found)


def test_lists_are_not_read(tmp_path: Path) -> None:
    """One of them may have more members than there is memory, in a few bytes."""
    lists = pa.array([["a", "b"], None])
    nested = pa.array([{"lists": [1], "City": "c"}, {"lists": None, "City": "d"}])
    columns = {"claim_no": pa.array(["1", "2"]), "text": lists, "n": nested}
    path = written(tmp_path, columns)
    with open_table(path) as table:
        assert table.header == ("claim_no", "text", "n.lists", "n.City")
        assert [row.cells for row in table.rows] == [("1", LIST, LIST, "c"), ("2", LIST, LIST, "d")]
    with open_table(path) as table:
        some = [row.cells for row in table.only(frozenset({0, 2, 3})).rows]
        assert some == [("1", None, LIST, "c"), ("2", None, LIST, "d")]
    assert [line for line, _ in faults(path)] == [1, 2]
    assert "a list, and no field is read from one" in faults(path)[0][1]
