"""Files that are taken for JSON lines and are none: one error says what they are."""

import gzip
import json
from pathlib import Path

import pytest

from model.__main__ import main as model_main
from model.datasets.dataset import DatasetError, load, load_by_contract
from schemas.__main__ import main as schemas_main
from schemas.decoding.decoder import ClaimDecoder
from schemas.tables.batches import open_batches
from schemas.tables.claims import open_claims
from schemas.tables.encoding import SAMPLE_BYTES
from schemas.tables.events import open_outgoing
from schemas.tables.lines import other_form
from schemas.tables.rows import TableError
from tests.schemas.contracts import FOLDER, shipped

ROWS = [{"claim_id": f"c{n}", "fraud": n % 2, "loss": {"place": "Köln"}} for n in range(4)]
MANY = ROWS * (SAMPLE_BYTES // 100)
LINES = "\n".join(map(json.dumps, ROWS))
PRETTY = "\n".join(json.dumps(row, indent=2) for row in ROWS)
ARRAY, OBJECTS, WIDE = "is one JSON array", "has JSON objects over several lines", "is UTF-16"


def by_line(rows: list[dict[str, object]]) -> str:
    return "[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (json.dumps(ROWS), ARRAY),
        ("\ufeff\n" + json.dumps(ROWS) + "\n", ARRAY),
        (json.dumps(ROWS, indent=2), ARRAY),
        (json.dumps(ROWS, indent="\t").replace("\n", "\r\n"), ARRAY),
        (by_line(ROWS), ARRAY),
        (json.dumps(MANY), ARRAY),
        (json.dumps(MANY, indent=2, ensure_ascii=False), ARRAY),
        (by_line(MANY), ARRAY),
        (json.dumps(ROWS, indent=2)[:100], ARRAY),
        ("[]", ARRAY),
        (PRETTY, OBJECTS),
        (json.dumps({"claims": MANY}, indent=1), OBJECTS),
        (PRETTY * 2_000, OBJECTS),
    ],
)
def test_what_is_over_several_lines(content: str, said: str) -> None:
    found = other_form(content.encode()[:SAMPLE_BYTES])
    assert found is not None
    assert found.startswith(said)
    assert "jq -c" in found


@pytest.mark.parametrize("form", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_what_is_in_another_encoding(form: str) -> None:
    found = other_form(LINES.encode(form))
    assert found is not None
    assert found.startswith(
        f"is {form[:6].upper()}, and JSON lines are UTF-8: convert it, as iconv"
    )


def test_what_is_packed() -> None:
    assert "gzip" in (other_form(gzip.compress(LINES.encode())) or "")


ONE = json.dumps(ROWS[0])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        LINES.encode(),
        b"\xef\xbb\xbf" + LINES.encode(),
        "\n".join(map(json.dumps, MANY)).encode(),
        ONE.encode(),
        b"not json\n" + ONE.encode(),
        b'{"claim_id": "cut", "loss":\n' + LINES.encode(),
        b"[\n" + LINES.encode(),
        b"[1]\n" + LINES.encode(),
        b"[1]\n[2]\n",
        b"[" * 100_000 + b"\n" + LINES.encode(),
        b'{"n": ' + b"9" * 5_000 + b"}\n" + LINES.encode(),
        json.dumps(ROWS[0], indent=2).encode() + b"\n" + LINES.encode(),
        b"\xff\xfe" + LINES.encode(),
        b'{"claim_id": "' + b"x" * SAMPLE_BYTES + b'"}\n' + LINES.encode(),
        LINES.replace("\\u00f6", "\xf6").encode("latin-1"),
    ],
)
def test_what_is_read_line_by_line(content: bytes) -> None:
    """Some of their lines are claims, or it cannot be known what they are."""
    assert other_form(content[:SAMPLE_BYTES]) is None


FORMS = [
    (json.dumps(ROWS).encode(), ARRAY),
    (PRETTY.encode(), OBJECTS),
    (LINES.encode("utf-16"), WIDE),
]


@pytest.mark.parametrize(("content", "said"), FORMS)
@pytest.mark.parametrize("name", ["claims.json", "claims.jsonl", "claims.ndjson.gz"])
def test_every_reader_says_it_once(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    decoder = ClaimDecoder(shipped("auto"))
    with pytest.raises(TableError, match=f"{name}: {said}"), open_claims(path, decoder.contract):
        pass
    with pytest.raises(TableError, match=f"{name}: {said}"), open_batches(path, decoder):
        pass
    with pytest.raises(TableError, match=f"{name}: {said}"), open_outgoing(path, decoder):
        pass
    with pytest.raises(DatasetError, match=f"{name}: {said}"):
        load_by_contract(str(path), decoder.contract)
    with pytest.raises(DatasetError, match="gzip" if name.endswith(".gz") else f"{name}: {said}"):
        load(str(path), "jsonl")


@pytest.mark.parametrize(("content", "said"), FORMS)
def test_commands_say_it_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, said: str
) -> None:
    path = tmp_path / "claims.json"
    path.write_bytes(content)
    train = ["train", "--data", str(path), "--output", str(tmp_path / "m")]
    assert model_main([*train, "--format", "jsonl"]) == 1
    assert model_main([*train, "--contract", "auto"]) == 1
    assert schemas_main(["draft", "--data", str(path), "--label", "fraud"]) == 2
    check = ["check", "--contract", str(FOLDER / "auto.yaml"), "--data", str(path)]
    assert schemas_main(check) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert all(f"claims.json: {said}" in line for line in lines)
