"""When a label became known is read from files, and no claim that is scored has it."""

import datetime as dt
from pathlib import Path

import msgspec
import pytest

from model.datasets.dataset import DatasetError, load, load_by_contract, write_jsonl
from model.features.facts import UNDATED
from model.samples.lines import as_reported
from schemas.__main__ import main
from schemas.contract.errors import ContractError
from schemas.decoding.decoder import ClaimDecoder
from schemas.tables.claims import open_claims
from schemas.tables.events import open_outgoing
from tests.schemas.contracts import small

LABEL = {"field": "/end/found", "fraud": ["f"], "honest": ["h"], "decided": "/end/on",
         "date": "%d.%m.%Y"}  # fmt: skip
CONTRACT = small({}, x_label=LABEL)
EVENTS = [
    {"claim_no": "a", "end": {"found": "f", "on": "31.01.2024"}},
    {"claim_no": "b", "end": {"found": "h"}},
    {"claim_no": "c", "end": {"on": "01.02.2024"}},
    {"claim_no": "d", "end": {"found": "h", "on": "soon"}},
]
CELLS = "claim_no;end.found;end.on\na;f;31.01.2024\nb;h;\nc;;01.02.2024\nd;h;soon\n"
DAY = dt.date(2024, 1, 31)


@pytest.fixture(params=["jsonl", "csv"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"claims.{request.param}"
    lines = b"".join(msgspec.json.encode(event) + b"\n" for event in EVENTS)
    path.write_bytes(CELLS.encode() if request.param == "csv" else lines)
    return path


def test_each_row_says_when_it_was_decided(file: Path) -> None:
    with open_claims(file, CONTRACT) as opened:
        rows = list(opened.rows)
    assert [row.decided for row in rows] == [DAY, None, dt.date(2024, 2, 1), None]
    assert [row.label for row in rows] == [True, False, None, None]
    assert rows[3].claim is None
    assert "soon" not in str(rows[3].fault)
    assert "end.on" in str(rows[3].fault).replace("$.", "")
    if opened.columns is not None:
        assert opened.columns.unused == ()


def test_a_data_set_knows_the_days_and_keeps_the_others_if_asked(file: Path) -> None:
    text = file.read_text().replace("soon", "02.02.2024")
    file.write_text(text)
    found = load_by_contract(str(file), CONTRACT, for_history=True)
    assert found.decided is not None
    assert found.decided.tolist() == [
        DAY.toordinal(), UNDATED, dt.date(2024, 2, 2).toordinal()
    ]  # fmt: skip
    assert [claim.claim_no for claim in found.others] == ["c"]
    assert not load_by_contract(str(file), CONTRACT).others


def test_check_counts_them(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    contract = tmp_path / "c.json"
    contract.write_bytes(CONTRACT.to_json())
    main(["check", "--contract", str(contract), "--data", str(file)])
    assert "decided: the day is known of 1 of 2 labels" in capsys.readouterr().out


def test_no_claim_is_sent_with_it(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    path.write_bytes(msgspec.json.encode(EVENTS[0]))
    with open_outgoing(path, ClaimDecoder(CONTRACT)) as outgoing:
        (row,) = outgoing.rows
    assert msgspec.json.decode(row.event) == {"claim_no": "a", "end": {}}
    assert as_reported(CONTRACT, EVENTS[0]) == {"claim_no": "a"}
    apart = small({}, x_label={**LABEL, "field": "found", "decided": "on"})
    assert as_reported(apart, {"claim_no": "a", "found": "f", "on": "31.01.2024"}) == {
        "claim_no": "a"
    }
    # It is part of the history that is replayed, not a member that nobody knows.
    assert ClaimDecoder(CONTRACT).read(msgspec.json.encode(EVENTS[0]))[1] == ()


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ({**LABEL, "date": "%d"}, r"x-label\.date"),
        ({**LABEL, "decided": "/end/~"}, r"x-label\.decided"),
        ({**LABEL, "decided": "lost"}, r"lost: lost is when the label was decided, which no claim"),
    ],
)
def test_what_is_refused(label: dict[str, object], message: str) -> None:
    lost = {"type": "string", "format": "date", "x-role": "time"}
    with pytest.raises(ContractError, match=message):
        small({"lost": lost}, x_label=label)


def test_json_lines_of_claims_have_it_next_to_the_label(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = [
        '{"claim_id": "a", "fraud": 1, "decided_at": "2024-01-31T23:59:59Z"}',
        '{"claim_id": "b", "fraud": 0, "decided_at": "2024-01-31"}',
        '{"claim_id": "c", "fraud": 0}',
    ]
    path.write_text("\n".join(lines))
    found = load(str(path), "jsonl", for_history=True)
    assert found.decided is not None
    assert found.decided.tolist() == [DAY.toordinal(), DAY.toordinal(), UNDATED]
    write_jsonl(found, path)
    again = load(str(path), "jsonl", for_history=True)
    assert again.decided is not None
    assert again.decided.tolist() == found.decided.tolist()
    path.write_text('{"claim_id": "c", "fraud": 0}')
    assert load(str(path), "jsonl", for_history=True).decided is None
    path.write_text('{"claim_id": "c", "fraud": 0, "decided_at": "soon"}')
    with pytest.raises(DatasetError, match="decided_at: 'soon' is not a day"):
        load(str(path), "jsonl", for_history=True)
    # Training without history does not look at it.
    assert len(load(str(path), "jsonl").claims) == 1
