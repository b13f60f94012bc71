"""Files of claims: any delimiter and encoding, and a line for every row that cannot be read."""

import csv
import gzip
import json
import os
import struct
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from schemas.__main__ import main
from schemas.contract.model import Contract
from schemas.decoding.decoder import ClaimDecoder
from schemas.reading.value import as_text
from schemas.tables.claims import ReadRow, open_claims
from schemas.tables.encoding import SAMPLE_BYTES, delimiter_of, encoding_of
from schemas.tables.events import open_outgoing
from schemas.tables.opening import open_table
from schemas.tables.rows import TableError
from tests.schemas.contracts import small

TEXT = {"type": "string", "x-role": "feature"}
NUMBER = {"type": "number", "minimum": 0, "x-role": "feature"}
CONTRACT = small(
    {
        "claim_no": {"type": "string", "x-role": "identifier", "x-from": "ClaimNo"},
        "city": {**TEXT, "x-from": ["/loss/city", "City"]},
        "amount": {**NUMBER, "x-from": "Est. Amount", "x-read": {"thousands": ","}},
        "holder": {"type": "number", "x-role": "personal"},
        "hurt": {"type": "boolean", "x-role": "feature"},
    },
    x_label={"field": "Fraud", "fraud": ["Y"], "honest": ["N"]},
)
HEADER = "ClaimNo,City,Est. Amount,Fraud\n"


def rows(path: Path, contract: Contract = CONTRACT) -> list[ReadRow]:
    with open_claims(path, contract) as found:
        return list(found.rows)


def written(folder: Path, content: str | bytes, name: str = "claims.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def seen(read: ReadRow) -> tuple[Any, ...]:
    return read.claim.claim_no, read.claim.city, read.claim.amount, read.label


CITY = "Köln, Zürich"
WHOLE = f'ClaimNo,City,"Est. Amount",Fraud\n1,"{CITY}","1,234.5",Y\n2,,,\n3,x,0,N\n'
EXPECTED = [("1", CITY, 1234.5, True), ("2", None, None, None), ("3", "x", 0.0, False)]
FORMS = {
    "plain": WHOLE.encode(),
    "with a mark": b"\xef\xbb\xbf" + WHOLE.encode(),
    "latin-1": WHOLE.encode("latin-1"),
    "UTF-16": WHOLE.encode("utf-16"),
    "UTF-16 without a mark": WHOLE.encode("utf-16-le"),
    "Windows lines": WHOLE.replace("\n", "\r\n").encode(),
    "blank lines": WHOLE.replace("\n", "\n\n").encode(),
    **{
        name: "\n".join(
            sign.join(f'"{cell}"' for cell in line)
            for line in [
                ("ClaimNo", "City", "Est. Amount", "Fraud"),
                ("1", CITY, "1,234.5", "Y"),
                ("2", "", "", ""),
                ("3", "x", "0", "N"),
            ]
        ).encode()
        for name, sign in (("semicolons", ";"), ("tabs", "\t"), ("bars", "|"))
    },
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("packed", [False, True], ids=["", "gz"])
def test_csv(tmp_path: Path, form: str, *, packed: bool) -> None:
    content = gzip.compress(FORMS[form], mtime=0) if packed else FORMS[form]
    path = written(tmp_path, content, "claims.csv.gz" if packed else "claims.csv")
    assert [seen(read) for read in rows(path)] == EXPECTED


def test_the_reader_says_what_it_found(tmp_path: Path) -> None:
    path = written(tmp_path, "ClaimNo;Ort\n1;K\xf6ln\n".encode("latin-1"))
    with open_claims(path, CONTRACT) as found:
        assert found.notes == ("encoding cp1252", "delimiter semicolon")
        assert found.columns is not None
        assert found.columns.unused == ("Ort",)
        assert found.columns.absent == ("city", "amount", "holder", "hurt")


def test_names_of_columns_that_are_alike(tmp_path: Path) -> None:
    path = written(tmp_path, "claim-no,loss.city,EST_AMOUNT,HURT\n1,x,2,True\n")
    (read,) = rows(path)
    assert (read.claim.city, read.claim.amount, read.claim.hurt) == ("x", 2.0, True)


def faults(path: Path) -> list[tuple[int, str]]:
    return [(read.line, str(read.fault)) for read in rows(path) if read.fault]


@pytest.mark.parametrize("body", ["x" * 9_000_000, "," * 9_000_000, '"\n",' * 3_000_000])
def test_a_row_without_end_is_not_read(tmp_path: Path, body: str) -> None:
    path = written(tmp_path, HEADER + body)
    with pytest.raises(TableError, match=r"line \d+: a row of more than 8,000,000 characters"):
        rows(path)


@pytest.mark.parametrize("name", ["claims.parquet", "claims.csv", "claims.jsonl"])
def test_a_named_pipe_is_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(TableError, match="not a regular file"), open_table(tmp_path / name):
        pass


@pytest.mark.parametrize("size", [100_000, 131_071, 131_072, 140_000, 3_000_000])
@pytest.mark.parametrize("mark", ['"', ""], ids=["quoted", "bare"])
def test_nothing_inside_a_long_cell_becomes_a_row(tmp_path: Path, size: int, mark: str) -> None:
    forged = "\nEVIL,y,999,N\n" * 3 if mark else ""
    long = f"1,{mark}{'x' * (size // 2)}{forged}{'x' * (size // 2)}{mark},5,Y\n"
    found = rows(written(tmp_path, f"{HEADER}0,a,1,N\n{long}2,b,1,N\n"))
    assert [read.claim.claim_no for read in found if read.claim] == ["0", "2"]
    (refused,) = [read for read in found if read.fault]
    assert (refused.line, "at most 200 characters" in str(refused.fault)) == (3, True)


def test_a_long_cell_that_is_not_read_takes_nothing_with_it(tmp_path: Path) -> None:
    note = "x" * 140_000 + "\nEVIL,999,true,forged\n" + "x" * 9
    path = written(tmp_path, f'ClaimNo,note\n1,"{note}"\n2,b\n')
    assert [(read.claim.claim_no, read.line) for read in rows(path)] == [("1", 2), ("2", 5)]


def test_what_follows_an_error_of_the_reader_is_not_read(tmp_path: Path) -> None:
    note = "x" * 140_000 + "\nEVIL,y,9,N\n"
    path = written(tmp_path, f'{HEADER}1,"{note}",5,Y\n2,b,1,N\n')
    with open_claims(path, CONTRACT) as found:
        before = csv.field_size_limit(131_072)  # as another library in the process may
        try:
            with pytest.raises(TableError, match=r"claims\.csv, line 2: field larger than"):
                list(found.rows)
        finally:
            csv.field_size_limit(before)


def test_a_header_that_is_not_in_its_encoding_is_refused(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "ClaimNo,K\xf6ln,Zürich,Genève\n1,2,3,4\n".encode().replace("\xf6".encode(), b"\xf6"),
    )
    with pytest.raises(TableError, match="line 1: the name of column 2 is not in the file's"):
        rows(path)


def test_integers_of_any_length_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, '{"ClaimNo": "1", "Fraud": ' + "9" * 4_000 + "}\n", "c.jsonl")
    (read,) = rows(path)
    assert read.label is None
    assert as_text(10**4_000) == "1" + "0" * 4_000


@pytest.mark.parametrize(
    ("body", "line", "fault"),
    [
        ("1,x,many,Y\n", 2, "column Est. Amount, 'many': is not a number with . before"),
        ("1,x,-5,Y\n", 2, "column Est. Amount, '-5': must be at least 0"),
        (",x,5,Y\n", 2, "column ClaimNo, '': is required, and missing"),
        ("1,x\n", 2, "2 cells, and the header has 4"),
        ("1,x,5,Y,6\n", 2, "5 cells, and the header has 4"),
        ('0,a,1,N\n1,"x,5,Y\n2,x,5,Y\n', 3, "2 cells, and the header has 4, over 2 lines"),
        ("1," + "x" * 201 + ",5,Y\n", 2, "must have at most 200 characters"),
        ("1," + "x" * 140_000 + ",5,Y\n", 2, "must have at most 200 characters"),
    ],
)
def test_rows_that_cannot_be_read(tmp_path: Path, body: str, line: int, fault: str) -> None:
    path = written(tmp_path, HEADER + body)
    (found,) = faults(path)
    assert found[0] == line
    assert fault in found[1]


def test_a_row_in_another_encoding(tmp_path: Path) -> None:
    good = "".join(f"{n},Köln,1,N\n" for n in range(9))
    path = written(tmp_path, (HEADER + good).encode() + b"9,K\xf6ln,1,N\n10,x,1,Y\n")
    assert faults(path) == [(11, "cell 2 is not in the file's encoding")]
    assert len(rows(path)) == 11


CODES = "\x1b]0;owned\x07\x1b[2J\x9b31m"


@pytest.mark.parametrize(
    "header",
    [
        f"{CODES},City",
        f"{CODES}{'x' * 9_000},City",
        ",".join(f"column{n}" for n in range(200_000)),
        f"ClaimNo{CODES},Claim-No{CODES},City",
        ",".join(f"claim{'-' * n}no" for n in range(1_000)),
    ],
)
@pytest.mark.parametrize("command", ["read", "check", "draft"])
def test_a_message_has_no_codes_of_a_terminal_and_an_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], header: str, command: str
) -> None:
    path = written(tmp_path, f"{header}\n1{CODES},x\n")
    if command == "read":
        with pytest.raises(TableError) as error:
            rows(path)
        shown = str(error.value)
    else:
        contract = written(tmp_path, CONTRACT.to_json(), "own.json")
        given = ["--contract", str(contract)] if command == "check" else ["--label", "none"]
        assert main([command, "--data", str(path), *given]) == 2
        shown = capsys.readouterr().err.rstrip("\n")
    assert shown.isprintable()
    assert len(shown) < 5_000


def test_what_is_said_of_columns_and_values_is_printable_and_bounded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ",".join(f"{n}{CODES}" for n in range(2_000))
    path = written(tmp_path, f"ClaimNo,amount{CODES},city{CODES},{more}\n1,x{CODES},x{CODES}\n")
    contract = small(
        {
            "claim_no": {"type": "string", "x-role": "identifier", "x-from": "ClaimNo"},
            "amount031m": {**NUMBER, "x-from": f"amount{''.join(filter(str.isalnum, CODES))}"},
        }
    )
    file = written(tmp_path, contract.to_json(), "own.json")
    content = path.read_text().replace(f"x{CODES},x{CODES}", ",".join(["y"] * 2_002))
    assert main(["check", "--data", str(written(tmp_path, content)), "--contract", str(file)]) == 1
    shown = capsys.readouterr().out
    assert "refused 1: column amount" in shown
    assert "and 1,951 more" in shown
    assert shown.replace("\n", "").isprintable()
    assert len(shown) < 9_000


def test_values_of_personal_fields_are_not_shown(tmp_path: Path) -> None:
    path = written(tmp_path, "ClaimNo,holder\n1,Ada\n")
    assert faults(path) == [(2, "column holder: is not a number with . before the fraction")]


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("claims.csv", b"", "line 1: no names of columns"),
        ("claims.csv", b"a," * 20_000 + b"a\n", "line 1: 20,001 columns; 20,000 are allowed"),
        ("claims.csv", b"City\nx\n", "no column claim_no|no column ClaimNo"),
        ("claims.csv", b"ClaimNo,claim_no\n1,2\n", None),
        ("claims.csv", b"claim_no,claim-no\n1,2\n", "several columns could be ClaimNo"),
        ("claims.xlsx", b"", "the name ends in none of"),
        ("claims.csv.gz", b"ClaimNo\n1\n", "Not a gzipped file"),
        (
            "claims.csv.gz",
            gzip.compress(b"ClaimNo\n1\n" * 9_999, mtime=0)[:-30],
            "copy it again|ended before",
        ),
        (
            "claims.jsonl.gz",
            gzip.compress(b'{"ClaimNo":"1"}\n', mtime=0)[:-9],
            "copy it again|ended before",
        ),
    ],
)
def test_files_that_cannot_be_read(
    tmp_path: Path, name: str, content: bytes, what: str | None
) -> None:
    path = written(tmp_path, content, name)
    if what is None:
        assert len(rows(path)) == 1
        return
    with pytest.raises(TableError, match=what) as error:
        rows(path)
    assert name in str(error.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="No such file"):
        rows(tmp_path / "none.csv")
    with pytest.raises(TableError, match="not a regular file"):
        rows(written(tmp_path, "x").parent.rename(tmp_path.with_suffix(".csv")))


@pytest.mark.parametrize("letter", ["é", "ß", "€", "漢", "😀"])
def test_a_sample_may_end_inside_a_character(tmp_path: Path, letter: str) -> None:
    code = letter.encode()
    for kept in range(1, len(code) + 1):
        assert encoding_of(b"a,b\n1," + code[:kept]) == "utf-8"
    for after in ("", "\n", "\r\n", ",", ",x", ",xy"):
        end = f"ClaimNo,City\n1,{letter}{after}".encode()
        assert encoding_of(end, whole=True) == "utf-8"
        path = written(tmp_path, end[:13] + b"0,a\n" + end[13:])
        assert letter in [read.claim.city for read in rows(path) if read.claim] or "," in after


@pytest.mark.parametrize("letter", ["é", "€", "😀"])
@pytest.mark.parametrize("before", range(5))
def test_a_letter_across_the_end_of_the_sample(tmp_path: Path, letter: str, before: int) -> None:
    start = "ClaimNo,City\n"
    filler = ("0," + "x" * 97 + "\n") * ((SAMPLE_BYTES - before - len(start) - 2) // 100 - 1)
    gap = SAMPLE_BYTES - before - len(start) - len(filler) - 2
    content = f"{start}{filler}1,{'x' * gap}{letter}\n2,Zo\xeb\n"
    assert content.encode().index(letter.encode()) == SAMPLE_BYTES - before
    found = rows(written(tmp_path, content))
    assert [read.claim.city for read in found[-2:]] == ["x" * gap + letter, "Zoë"]


def test_json_lines(tmp_path: Path) -> None:
    events = [
        {"ClaimNo": "1", "loss": {"city": CITY}, "Est. Amount": "1,234.5", "Fraud": "Y"},
        {"ClaimNo": "2", "City": None},
        {"ClaimNo": "3", "City": "x", "Est. Amount": 0, "Fraud": "N"},
        {"ClaimNo": 4},
    ]
    lines = "\ufeff" + "\n\n".join(map(json.dumps, events)) + "\n{"
    found = rows(written(tmp_path, lines, "claims.jsonl"))
    assert [seen(read) for read in found[:3]] == EXPECTED
    assert [(read.line, str(read.fault)) for read in found[3:]] == [
        (7, "column $.ClaimNo: is not a text, but a number"),
        (8, "column $: Input data was truncated"),
    ]


NOT_READ = [
    ('"Fraud": 1e999', False),
    (f'"Fraud": {"9" * 5_000}', False),
    ('"Fraud": "\xff"', False),
    ('"Fraud": "Y", "x": 1e999', True),
    ('"Fraud": "Y", "x": "\xff"', True),
    ('"Fraud": "Y", "\xff": 1', True),
    ('"x": 1e999', None),
]


@pytest.mark.parametrize(("members", "label"), NOT_READ)
def test_what_no_field_is_read_from_may_be_anything(
    tmp_path: Path, members: str, label: bool | None
) -> None:
    """A label that cannot be read is named; the event is sent without it, as nobody needs it."""
    line = f'{{"ClaimNo": "1", {members}}}\n{{"ClaimNo": "2"}}\n'.encode("latin-1")
    path = tmp_path / "claims.jsonl"
    path.write_bytes(line)
    first, second = rows(path)
    assert second.claim.claim_no == "2"
    if label is False:
        assert first.fault is not None
        assert first.fault.column == "$.Fraud"
    else:
        assert (first.label, first.fault) == (label, None)
    with open_outgoing(path, ClaimDecoder(CONTRACT)) as outgoing:
        sent = [row.event for row in outgoing.rows]
    assert all(b"Fraud" not in event for event in sent)
    assert (b"1e999" in sent[0]) == (b'"x": 1e999' in line)


def test_cells_of_parquet_that_python_has_no_value_for(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    texts = pa.py_buffer(b"\xff\xfeab")
    offsets = pa.py_buffer(struct.pack("<4i", 0, 2, 4, 4))
    days = pa.array([0, 0, 4_000_000], pa.int32()).cast(pa.date32())
    path = tmp_path / "claims.parquet"
    city = pa.StringArray.from_buffers(3, offsets, texts)
    pq.write_table(pa.table({"ClaimNo": ["1", "2", "3"], "City": city, "unused": days}), path)
    assert [(read.line, str(read.fault)) for read in rows(path)] == [
        (1, "not UTF-8: column City"), (2, "None"), (3, "None"),  # no field is read from `unused`
    ]  # fmt: skip


def test_parquet(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    table = pa.table(
        {
            "ClaimNo": ["1", "2", "3"],
            "loss": [{"city": CITY}, {"city": None}, {"city": "x"}],
            "Est. Amount": pa.array([Decimal("1234.5"), None, 0], pa.decimal128(9, 2)),
            "Fraud": ["Y", None, "N"],
        }
    )
    path = tmp_path / "claims.parquet"
    pq.write_table(table, path)
    assert [seen(read) for read in rows(path)] == EXPECTED
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(TableError, match=r"claims\.parquet"):
        rows(path)


def test_a_large_file_is_read_in_flat_memory(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + "1,x,1,Y\n" * 50_000)
    with open_table(path) as table:
        first = next(table.rows)
        assert first.line == 2
        assert sum(1 for _ in table.rows) == 49_999


def test_encodings_and_delimiters() -> None:
    assert encoding_of(b"") == "utf-8"
    assert encoding_of("é".encode() * 40 + b"\xe9") == "utf-8"
    assert encoding_of(b"\x81\xe9\xe9\xe9x") == "latin-1"
    assert encoding_of(b"K\xf6", whole=True) == "cp1252"
    assert delimiter_of("a,b;c,d\n1,2;3,4\n1,2,9;4,5\n") == ";"
    assert delimiter_of("one column\n1\n") == ","
