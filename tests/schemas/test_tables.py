"""Files of claims: any delimiter and encoding, and a line for every row that cannot be read."""

import gzip
import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from schemas.contract.model import Contract
from schemas.reading.value import as_text
from schemas.tables.claims import Read, open_claims
from schemas.tables.encoding import delimiter_of, encoding_of
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


def rows(path: Path, contract: Contract = CONTRACT) -> list[Read]:
    with open_claims(path, contract) as found:
        return list(found.rows)


def written(folder: Path, content: str | bytes, name: str = "claims.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def seen(read: Read) -> tuple[Any, ...]:
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
        ("1," + "x" * 140_000 + ",5,Y\n", 2, "field larger than field limit"),
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


def test_values_of_personal_fields_are_not_shown(tmp_path: Path) -> None:
    path = written(tmp_path, "ClaimNo,holder\n1,Ada\n")
    assert faults(path) == [(2, "column holder: is not a number with . before the fraction")]


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("claims.csv", b"", "line 1: no names of columns"),
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
    assert delimiter_of("a,b;c,d\n1,2;3,4\n1,2,9;4,5\n") == ";"
    assert delimiter_of("one column\n1\n") == ","
