"""``python -m model score``: a file is scored as its claims are in a worker."""

import csv
import datetime as dt
import gzip
import io
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from consumer.batch.process import process
from model.__main__ import main
from model.datasets import synthetic
from model.offline.forms import CsvForm
from model.offline.rejected import RejectedRows
from model.offline.results import Results
from model.scoring.load import load
from schemas.alert import Band, Decision, ReasonItem
from schemas.dead_letter import HEADER_OF
from schemas.decoding.rows import CellFault
from schemas.decoding.size import MAX_CLAIM_BYTES
from schemas.tables.batches import Rejected
from tests.harness.kafka import FakeMessage

CLAIMS = synthetic.generate(600, 11)[0]
BAD = b'{"claim_id":"c","claim_amount":-1}'


@pytest.fixture(scope="module")
def alerts(model_dir: Path) -> dict[str, Any]:
    """What a worker publishes about the claims, by id."""
    messages = [FakeMessage(msgspec.json.encode(c), n) for n, c in enumerate(CLAIMS)]
    made = process(messages, load(model_dir), dt.datetime(2026, 1, 1, tzinfo=dt.UTC)).alerts
    found = [msgspec.json.decode(record.value or b"") for record in made]
    return {alert["claim_id"]: alert for alert in found}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The claims as CSV, and one row that is no claim."""
    names = CLAIMS[0].__struct_fields__
    path = tmp_path / "claims.csv"
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        rows = csv.DictWriter(file, (*names, "colour"), delimiter=";")
        rows.writeheader()
        rows.writerows(
            {k: str(v).lower() if isinstance(v, bool) else v for k, v in fields.items()}
            for fields in map(msgspec.to_builtins, CLAIMS)
        )
        rows.writerow({"claim_id": "c", "claim_amount": "much"})
    return path


def run(model: Path, data: Path, *more: str) -> int:
    return main(["score", "--model", str(model), "--data", str(data), *more])


def test_json_lines_say_what_alerts_say(
    model_dir: Path, data: Path, alerts: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(model_dir, data) == 3
    said = capsys.readouterr()
    found = [msgspec.json.decode(line) for line in said.out.splitlines()]
    assert [row.pop("line") for row in found] == list(range(2, 602))
    assert len(found) == len(CLAIMS)
    for row in found:
        alert = alerts[row["claim_id"]]
        assert row == {name: alert[name] for name in row}
    assert any(row["reasons"] for row in found)
    assert (
        "rejected: claims.csv, line 602: column claim_amount, 'much': is not a number" in said.err
    )
    assert "not in the contract: columns colour" in said.err
    assert "600 claims scored by" in said.err


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet", "jsonl.gz"])
def test_every_form_of_output(
    ending: str, model_dir: Path, data: Path, alerts: dict[str, Any], tmp_path: Path
) -> None:
    output, rejected = tmp_path / f"scored.{ending}", tmp_path / "rejected.csv"
    assert run(model_dir, data, "--output", str(output), "--rejected", str(rejected)) == 3
    wanted = [alerts[claim.claim_id] for claim in CLAIMS]
    rows: list[dict[str, Any]]
    if ending == "parquet":
        parquet: Any = pytest.importorskip("pyarrow.parquet")
        rows = parquet.read_table(output).to_pylist()
        assert [r["reasons"] for r in rows] == [[i["text"] for i in a["reasons"]] for a in wanted]
        assert [r["fraudulent"] for r in rows] == [a["fraudulent"] for a in wanted]
    elif ending == "jsonl.gz":
        rows = list(map(msgspec.json.decode, gzip.decompress(output.read_bytes()).splitlines()))
    else:
        content = output.read_bytes()
        text = (gzip.decompress(content) if ending.endswith("gz") else content).decode()
        rows = list(csv.DictReader(text.splitlines()))
        joined = ["; ".join(item["text"] for item in alert["reasons"]) for alert in wanted]
        assert [row["reasons"] for row in rows] == joined
        assert [r["fraudulent"] for r in rows] == [str(a["fraudulent"]).lower() for a in wanted]
    for name in ("fraud_probability", "percentile"):
        assert [float(row[name]) for row in rows] == [alert[name] for alert in wanted]
    for name in ("claim_id", "decision", "band"):
        assert [row[name] for row in rows] == [alert[name] for alert in wanted]
    assert rejected.read_text().splitlines()[0] == "line,column,value,rule"
    assert (
        rejected.read_text().splitlines()[1].startswith("602,claim_amount,'much',is not a number")
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        ["claims.csv", output.name, "rejected.csv"]
    )


def test_all_rows_are_claims(model_dir: Path, tmp_path: Path) -> None:
    data, output = tmp_path / "a.jsonl", tmp_path / "b.csv"
    data.write_bytes(b"".join(msgspec.json.encode(claim) + b"\n" for claim in CLAIMS[:50]))
    assert run(model_dir, data, "--output", str(output)) == 0
    assert len(output.read_text().splitlines()) == 51


def test_many_bad_rows_are_counted_and_not_listed(
    model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "a.jsonl"
    data.write_bytes((BAD + b"\n") * 500)
    assert run(model_dir, data) == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("rejected: a.jsonl, line") == 20
    assert "rejected 500: column $.claim_amount: must be at least 0" in said.err


def test_columns_give_the_results_of_rows(
    model_dir: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyarrow")
    output = tmp_path / "scored.csv"
    data.write_bytes(b"".join(data.read_bytes().splitlines(keepends=True)[:-1]))
    assert run(model_dir, data, "--output", str(output)) == 0
    by_columns = output.read_bytes()
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert run(model_dir, data, "--output", str(output)) == 0
    assert output.read_bytes() == by_columns


def test_csv_is_quoted_as_the_standard_library_does(model_dir: Path, tmp_path: Path) -> None:
    ids = ["a,b", 'a"b', "a\nb", "a\rb", "é", " c "]
    data, output = tmp_path / "a.jsonl", tmp_path / "b.csv"
    data.write_bytes(b"".join(msgspec.json.encode({"claim_id": i}) + b"\n" for i in ids))
    assert run(model_dir, data, "--output", str(output)) == 0
    with output.open(newline="", encoding="utf-8") as file:
        assert [row["claim_id"] for row in csv.DictReader(file)] == ids


def test_a_day_of_parquet_that_no_calendar_has_is_a_rejected_row(
    model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pa: Any = pytest.importorskip("pyarrow")
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    days = pa.array([20_000, 3_000_000], pa.int32()).view(pa.date32())
    data = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"claim_id": ["a", "b"], "loss_date": days}), data)
    assert run(model_dir, data) == 3
    said = capsys.readouterr()
    assert [msgspec.json.decode(line)["claim_id"] for line in said.out.splitlines()] == ["a"]
    assert "rejected: a.parquet, line 2: column loss_date, a day outside the years" in said.err


FORMULAS = [
    "=1+1",
    "+1",
    "-2",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1",
    "'a",
    "''=1",
    '=A1&"x,y"',
]


def test_no_cell_of_csv_is_a_formula_and_ids_can_be_had_back(
    model_dir: Path, tmp_path: Path
) -> None:
    ids = [*FORMULAS, "a=1", "a'", "1-2"]
    data, output = tmp_path / "a.jsonl", tmp_path / "b.csv"
    data.write_bytes(b"".join(msgspec.json.encode({"claim_id": i}) + b"\n" for i in ids))
    assert run(model_dir, data, "--output", str(output)) == 0
    with output.open(newline="", encoding="utf-8") as file:
        found = [row["claim_id"] for row in csv.DictReader(file)]
    assert found == [f"'{i}" for i in FORMULAS] + ["a=1", "a'", "1-2"]
    assert [cell.removeprefix("'") for cell in found] == ids
    lines = tmp_path / "b.jsonl"
    assert run(model_dir, data, "--output", str(lines)) == 0
    exact = map(msgspec.json.decode, lines.read_bytes().splitlines())
    assert [row["claim_id"] for row in exact] == ids


def test_no_cell_of_rejected_rows_is_a_formula(tmp_path: Path) -> None:
    with (tmp_path / "rejected.csv").open("w+b") as file:
        rows = RejectedRows("a.csv", file)
        faults = (CellFault("=1+1", repr("=2"), "-3"), CellFault("", "", "@"))
        list(rows.add([Rejected(line, fault) for line, fault in enumerate(faults, start=2)]))
        rows.close()
        file.seek(0)
        assert file.read().decode().splitlines()[1:] == ["2,'=1+1,'=2','-3", "3,,,'@"]


def test_a_text_of_a_reason_is_no_formula() -> None:
    item = ReasonItem(code="a", text="=1", feature="a", value=1.0, contribution=0.5)
    file = io.BytesIO()
    plain = ([2], ["a"], [0.5], [True], [Decision.REFER], [Band.HIGH], [1.0])
    CsvForm(file).write(Results(*plain, [(item,)], [()], [("-x",)]))
    (row,) = csv.DictReader(file.getvalue().decode().splitlines())
    assert (row["reasons"], row["reason_codes"], row["data_quality"]) == ("'=1", "a", "'-x")


def test_json_lines_are_read_as_by_a_worker(model_dir: Path, tmp_path: Path) -> None:
    """Members that the contract does not know are flagged, and a claim has a largest size."""
    events = [msgspec.to_builtins(claim) for claim in CLAIMS[:3]]
    events[0] |= {"colour": "red", "weight": 2}
    lines = [msgspec.json.encode(event) for event in events]
    fits = lines[1][:-1] + b" " * (MAX_CLAIM_BYTES - len(lines[1])) + b"}"
    large = lines[2][:-1] + b" " * (MAX_CLAIM_BYTES + 1 - len(lines[2])) + b"}"
    values = [lines[0], fits, large]
    made = process(
        list(map(FakeMessage, values, range(3))), load(model_dir), dt.datetime.now(dt.UTC)
    )
    wanted = [msgspec.json.decode(record.value or b"") for record in made.alerts]
    data, output = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    data.write_bytes(b"\r\n".join([*values, b""]))
    rejected = tmp_path / "r.csv"
    assert run(model_dir, data, "--output", str(output), "--rejected", str(rejected)) == 3
    found = list(map(msgspec.json.decode, output.read_bytes().splitlines()))
    assert [row["data_quality"] for row in found] == [alert["data_quality"] for alert in wanted]
    assert {"unknown_field:colour", "unknown_field:weight"} <= {*found[0]["data_quality"]}
    assert [row["line"] for row in found] == [1, 2]
    headers = dict(made.dead_letters[0].headers or ())
    said = f"3,$,,{headers[HEADER_OF['message']]!s}"
    assert rejected.read_text().splitlines()[1] == said


@pytest.mark.parametrize(
    ("output", "code", "why"),
    [
        ("claims.csv", 1, "is the file of --data"),
        ("missing/a.csv", 1, "is not a folder"),
        (".", 2, "the name ends in none of"),
        ("a.xlsx", 2, "the name ends in none of"),
        ("a.parquet.gz", 2, "leave .gz out"),
    ],
)
def test_outputs_that_cannot_be_are_refused_first(
    output: str,
    code: int,
    why: str,
    model_dir: Path,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = data.read_bytes()
    try:
        found = run(model_dir, data, "--output", str(tmp_path / output))
    except SystemExit as end:
        found = end.code  # type: ignore[assignment]
    assert found == code
    assert why in capsys.readouterr().err
    assert data.read_bytes() == before


def test_a_file_that_breaks_off_leaves_what_was_there(
    model_dir: Path, data: Path, tmp_path: Path
) -> None:
    torn, output = tmp_path / "torn.csv.gz", tmp_path / "scored.csv"
    output.write_text("of yesterday")
    torn.write_bytes(gzip.compress(data.read_bytes())[:-2_000])
    assert run(model_dir, torn, "--output", str(output)) == 1
    assert output.read_text() == "of yesterday"
    assert not list(tmp_path.glob(".*"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing(
    number: signal.Signals, model_dir: Path, data: Path, tmp_path: Path
) -> None:
    output = tmp_path / "scored.csv"
    big = tmp_path / "big.csv"
    lines = data.read_bytes().splitlines(keepends=True)
    big.write_bytes(lines[0] + b"".join(lines[1:-1]) * 40)
    command = [sys.executable, "-m", "model", "score", "--model", str(model_dir)]
    with subprocess.Popen(
        [*command, "--data", str(big), "--output", str(output)], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        process.stderr.readline()  # of what is unused: it has begun
        process.send_signal(number)
        assert process.wait() == 128 + number
    assert not output.exists()
    assert not list(tmp_path.glob(".*"))
