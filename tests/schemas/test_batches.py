"""Claims of files, many at once, are those that are read one by one; and events of them."""

import csv
import gzip
import io
import tracemalloc
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple

from model.samples import dwellings, health
from schemas.contract.model import Contract
from schemas.contract.parse import parse
from schemas.decoding.decoder import ClaimDecoder
from schemas.tables.batches import CHARACTERS, open_batches
from schemas.tables.claims import open_claims
from schemas.tables.events import key_of, open_outgoing
from tests.harness.examples import many
from tests.schemas.contracts import decoder, shipped

pa: Any = pytest.importorskip("pyarrow")
csv_of_arrow: Any = pytest.importorskip("pyarrow.csv")
parquet: Any = pytest.importorskip("pyarrow.parquet")

AUTO = shipped("auto")
COLUMNS = ("claim_id", "policy_number", "loss_date", "claim_amount", "witnesses", "vehicle_make")
CELLS = st.sampled_from(
    [
        *("", " ", "c-1", " c-1 ", "P" * 300, "2026-01-02", "2026-13-02", "1e3", "1,000", "-5"),
        *("7", "7.5", "-0", ".5", "5.", "nan", "inf", "1_0", "٣", '"', "a\nb", "é", "9" * 120),
    ]
)


def flat(event: dict[str, Any], path: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in event.items():
        found |= flat(value, f"{path}{name}.") if isinstance(value, dict) else {path + name: value}
    return found


def table(events: list[dict[str, Any]], delimiter: str = ",") -> str:
    text = io.StringIO()
    rows = list(map(flat, events))
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, names, delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def check(file: Path, contract: Contract, size: int) -> tuple[int, int]:
    """Batches, and events that are decoded again, are the same as row by row."""
    with open_claims(file, contract) as claims:
        rows = list(claims.rows)
    accepted = [row for row in rows if row.fault is None]
    values = [astuple(row.claim) for row in accepted]
    read = ClaimDecoder(contract)
    with open_batches(file, read, size) as batched:
        batches = list(batched.batches)
    assert [line for batch in batches for line in batch.lines] == [row.line for row in accepted]
    assert [tuple(found) for batch in batches for found in batch.rejected] == [
        (row.line, row.fault) for row in rows if row.fault is not None
    ]
    found = [c for batch in batches for c in batch.claims]
    assert [tuple(getattr(c, name) for name in contract.fields) for c in found] == values
    with open_outgoing(file, read) as outgoing:
        sent = [row for row in outgoing.rows if row.fault is None]
    assert [astuple(read.decode(row.event)) for row in sent] == values
    return len(accepted), len(rows) - len(accepted)


def test_nothing_inside_a_long_cell_becomes_a_claim(tmp_path: Path) -> None:
    file = tmp_path / "claims.csv"
    note = "x" * 140_000 + "\nEVIL,999\n" + "x" * 9
    plain = "".join(f"c-{n},plain\n" for n in range(300))
    content = f'claim_id,note\n{plain}q,"{note}"\nl,{"x" * 200_000}\n{plain}'
    file.write_text(content, encoding="utf-8")
    assert check(file, AUTO, 128) == (602, 0)
    with open_outgoing(file, ClaimDecoder(AUTO)) as outgoing:
        assert all("EVIL" not in str(row.claim.claim_id) for row in outgoing.rows)


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_batch_of_long_rows_has_few(tmp_path: Path, form: str) -> None:
    """A row may have eight million characters, and a batch thousands of rows."""
    long = "y" * 900_000
    file = tmp_path / f"claims.{form}"
    if form == "jsonl":
        file.write_text("".join(f'{{"claim_id": "c-{n}", "x": "{long}"}}\n' for n in range(40)))
    else:
        file.write_text("claim_id,x\n" + "".join(f'c-{n},"{long}"\n' for n in range(40)))
    with open_batches(file, ClaimDecoder(AUTO)) as batched:
        sizes = [len(batch.lines) for batch in batched.batches]
    assert sizes == [9, 9, 9, 9, 4]


@pytest.mark.slow
@given(
    st.lists(st.tuples(*[CELLS] * len(COLUMNS)), min_size=1, max_size=12),
    st.sampled_from((1, 3, 100)),
)
def test_a_batch_is_the_same_as_its_rows(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]], size: int
) -> None:
    file = tmp_path_factory.getbasetemp() / "rows.csv"
    text = io.StringIO()
    csv.writer(text).writerows([COLUMNS, *rows])
    file.write_text(text.getvalue(), encoding="utf-8", newline="")
    check(file, AUTO, size)


def test_many_different_numbers_and_one_that_is_none(tmp_path: Path) -> None:
    rows = [f"c-{i},{i / 7}" for i in range(1_000)]
    rows[500] = "c-500,1.2.3"
    rows[600] = "c-600,-1"
    rows[700] = "c-700,1e2"
    file = tmp_path / "a.csv"
    file.write_text("\n".join(["claim_id,claim_amount", *rows]))
    assert check(file, AUTO, 900) == (998, 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["health", "property"])
@pytest.mark.parametrize("form", ["jsonl", "csv", "utf-16", "gz", "parquet"])
def test_every_form_of_file_and_contract(name: str, form: str, tmp_path: Path) -> None:
    events = {"health": health, "property": dwellings}[name].generate(many(300), 5)
    endings = {"utf-16": "csv", "gz": "csv.gz"}
    file = tmp_path / f"events.{endings.get(form, form)}"
    if form == "jsonl":
        file.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in events))
    elif form == "parquet":
        text = io.BytesIO(table(events).encode())
        options = csv_of_arrow.ConvertOptions(strings_can_be_null=True)
        parquet.write_table(csv_of_arrow.read_csv(text, convert_options=options), file)
    elif form == "gz":
        file.write_bytes(gzip.compress(table(events, "|").encode()))
    else:
        encoding = "utf-16" if form == "utf-16" else "utf-8-sig"
        file.write_bytes(table(events, ";").encode(encoding))
    assert check(file, shipped(name), 128) == (len(events), 0)


def test_the_label_is_not_sent(tmp_path: Path) -> None:
    event = next(e for e in health.generate(500, 5) if "result" in e.get("review", {}))
    file = tmp_path / "a.jsonl"
    file.write_bytes(msgspec.json.encode(event))
    with open_outgoing(file, decoder("health")) as outgoing:
        (row,) = outgoing.rows
    del event["review"]["result"]
    assert msgspec.json.decode(row.event) == event
    assert key_of(shipped("health"), row.claim) == event["member"]["id"]


def test_days_of_parquet_are_sent_in_a_form_that_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    days = pa.array([20_000, None], pa.date32())
    columns = {"claim.number": ["H-1", "H-2"], "claim.submitted": days, "service.date": days}
    parquet.write_table(pa.table(columns), file)
    assert check(file, shipped("health"), 10) == (2, 0)


def test_a_file_of_any_length_takes_as_much_memory(tmp_path: Path) -> None:
    field = {"type": "string", "x-role": "identifier"}
    tree = {
        "title": "small",
        "x-contract": {"name": "small", "version": 1, "line_of_business": "any"},
        "x-event": {"id": "id"},
        "required": ["id"],
        "properties": {"id": field, "n": {"type": "number", "x-role": "feature"}},
    }
    read = ClaimDecoder(parse(tree))

    def peak(rows: int) -> int:
        file = tmp_path / f"{rows}.csv"
        file.write_text("id,n\n" + "".join(f"claim-{i},{i / 7}\n" for i in range(rows)))
        tracemalloc.start()
        try:
            with open_batches(file, read, 512) as batched:
                assert sum(len(batch.lines) for batch in batched.batches) == rows
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(40_000) < 1.5 * peak(8_000)


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_batch_of_long_rows_has_fewer(tmp_path: Path, form: str) -> None:
    cell = "x" * (CHARACTERS // 10)
    line = f'{{"claim_id":"c","x":"{cell}"}}\n' if form == "jsonl" else f'"c","{cell}"\n'
    file = tmp_path / f"long.{form}"
    file.write_text(("" if form == "jsonl" else "claim_id,x\n") + line * 25)
    with open_batches(file, ClaimDecoder(AUTO)) as batched:
        assert [len(batch.lines) for batch in batched.batches] == [10, 10, 5]
