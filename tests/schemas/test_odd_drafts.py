"""Whatever is in a file: `check` accepts what `draft` writes, or `draft` says why it cannot."""

import contextlib
import csv
import io
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.__main__ import WRONG, main
from schemas.claim import Role
from schemas.contract.model import Contract
from schemas.contract.parse import load
from schemas.tables.claims import open_claims
from tests.harness.examples import many

ROWS = 60
Told = pytest.CaptureFixture[str]


def lines(folder: Path, make: Callable[[int], Any], name: str = "claims.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(f"{json.dumps(make(n))}\n" for n in range(ROWS)), encoding="utf-8")
    return path


def table(
    folder: Path, header: Sequence[str], make: Callable[[int], Sequence[Any]], name: str = "c.csv"
) -> Path:
    path = folder / name
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *map(make, range(ROWS))])
    return path


def passed(path: Path, told: Told, label: str | None = None) -> tuple[Contract, str]:
    """The contract that `draft` writes, and its text; `check` accepts every row."""
    assert main(["draft", "--data", str(path), *(["--label", label] if label else [])]) == 0
    text = told.readouterr().out
    contract = path.parent / "draft.yaml"
    contract.write_text(text, encoding="utf-8")
    code = main(["check", "--contract", str(contract), "--data", str(path)])
    shown = told.readouterr()
    assert code == 0, shown.out + shown.err + text
    assert f": {ROWS} rows accepted, 0 refused" in shown.out
    return load(contract), text


def refused(path: Path, told: Told, label: str | None = None) -> str:
    """What `draft` says instead of a contract."""
    assert main(["draft", "--data", str(path), *(["--label", label] if label else [])]) == WRONG
    return told.readouterr().err


def ids(path: Path, contract: Contract) -> list[str]:
    with open_claims(path, contract) as file:
        return [getattr(row.claim, contract.event.id) for row in file.rows]


@pytest.mark.parametrize(
    ("name", "first"), [("id", 1000), ("id", 1), ("claim_id", 1), ("claimNumber", 2.0)]
)
def test_numbers_of_json_are_ids(tmp_path: Path, capsys: Told, name: str, first: float) -> None:
    path = lines(tmp_path, lambda n: {name: first + n, "colour": "red" if n % 2 else "blue"})
    contract, text = passed(path, capsys)
    assert ids(path, contract)[:2] == [f"{first:.0f}", f"{first + 1:.0f}"]
    assert contract.fields[contract.event.id].role is Role.IDENTIFIER
    assert "number of the row" not in text


def test_lines_of_json_without_an_id_are_refused(tmp_path: Path, capsys: Told) -> None:
    path = lines(tmp_path, lambda n: {"amount": n % 9, "colour": "red"})
    said = refused(path, capsys)
    assert "claims.jsonl: no member names each claim, and lines of JSON have no numbers" in said
    assert """jq -nc 'foreach inputs as $e (0; . + 1; $e + {claim_id: "row-\\(.)"})' FILE""" in said


@pytest.mark.parametrize("first", ["c", ""])
@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_claim_id_that_repeats_is_the_id(
    tmp_path: Path, capsys: Told, form: str, first: str
) -> None:
    def claim_id(n: int) -> Any:
        return f"c{n % 50}" if first else n % 50 + 1

    if form == "csv":
        path = table(tmp_path, ["claim_id", "size"], lambda n: [claim_id(n), n % 7])
    else:
        path = lines(tmp_path, lambda n: {"claim_id": claim_id(n), "size": n % 7})
    contract, text = passed(path, capsys)
    assert list(contract.fields) == ["claim_id", "size"]
    assert contract.event.id == "claim_id"
    assert ids(path, contract)[50] == f"{first}{0 if first else 1}"
    assert "# ? claim_id: the id of the claim, and 10 of its values are in several rows" in text
    assert "x-row" not in text


def test_the_number_of_a_row_is_no_column(tmp_path: Path, capsys: Told) -> None:
    """A claim_id that most rows lack cannot be the id, and is not read as the number of the row."""
    path = table(tmp_path, ["Claim ID", "size"], lambda n: [f"c{n}" if n < 20 else "", n % 7])
    contract, _ = passed(path, capsys)
    assert contract.event.id == "row_id"
    assert contract.fields["claim_id"].role is Role.IDENTIFIER
    assert ids(path, contract)[0] == "row-00000001"


def test_no_entity_is_the_id_and_nothing_withheld_is_the_amount(
    tmp_path: Path, capsys: Told
) -> None:
    path = table(tmp_path, ["policy no", "claimed income"], lambda n: [f"P-{n}", n % 7 + 0.5])
    contract, _ = passed(path, capsys)
    assert contract.event.id == "policy_no"
    assert contract.entities == {}
    assert contract.event.amount is None


def test_a_phone_is_no_number(tmp_path: Path, capsys: Told) -> None:
    path = table(tmp_path, ["id", "call"], lambda n: [f"c{n}", f"+49 171 {100 + n % 9}"])
    contract, _ = passed(path, capsys)
    assert contract.fields["call"].kind == "text"
    assert contract.entities["call"].kind == "phone"


@pytest.mark.parametrize("words", [["Y"], [""], ["Y", ""], ["Y" * 201, "N" * 201], ["a  b", "A B"]])
def test_a_label_without_words_for_both_is_said(
    tmp_path: Path, capsys: Told, words: list[str]
) -> None:
    path = table(tmp_path, ["id", "fraud"], lambda n: [f"c{n}", words[n % len(words)]])
    contract, text = passed(path, capsys, "fraud")
    assert contract.label is None
    assert "# ? no x-label: fraud has no words" in text
    assert "fraud" not in contract.fields


@pytest.mark.parametrize(
    ("words", "fraud", "honest"),
    [
        (["Y", "Y", "open"], ("Y",), ("open",)),
        (["N", "sued", "N", "open", "open"], ("sued",), ("N",)),
        (["Y", "y", "n", "maybe"], ("Y", "y"), ("n",)),
        ([True, False], ("true",), ("false",)),
        ([0, 1, 0], ("1",), ("0",)),
    ],
)
def test_words_of_a_label(
    tmp_path: Path, capsys: Told, words: list[Any], fraud: tuple[str], honest: tuple[str]
) -> None:
    path = lines(tmp_path, lambda n: {"id": f"c{n}", "found": words[n % len(words)]})
    contract, _ = passed(path, capsys, "found")
    assert contract.label is not None
    assert (contract.label.fraud, contract.label.honest) == (fraud, honest)


@pytest.mark.parametrize(
    "name",
    [
        "Claims 2024: motor.csv",
        "a # b.csv",
        "x\nx-label: {field: a}.csv",
        "x\u2028version: 2.csv",
        "x\x85y.csv",
        'x"\\.csv',
        "\ufeff.csv",
        f"{'x' * 200}.csv",
        os.fsdecode(b"bad\xff.csv"),
    ],
)
def test_names_of_files(tmp_path: Path, capsys: Told, name: str) -> None:
    path = table(tmp_path, ["id", "size"], lambda n: [f"c{n}", n % 7], name)
    contract, text = passed(path, capsys)
    assert contract.about.version == 1
    assert contract.label is None
    assert text.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    "name",
    [
        *("Amount\n(EUR)", "Height 5'9\"", "a\\b", "a\tb", "a\u2028b", "a: b # c", "- a", "? a"),
        *("null", "true", "no", "1", "~", "2024-01-31", "0x1F", "1_000", ".inf", "*a", "&a", "!a"),
        *("{a}", "[a]", "a, b", "'a'", "%a", "@a", "`a", "|", ">", "=", "<<", "/a", "/a/b", "a~b"),
        *("/a~b", "/", "missing", "class", "__a", "\U000e0001a", "ﬁ", "日本", "²", "x" * 300),
    ],
)
@pytest.mark.parametrize("form", ["csv", "json"])
def test_names_of_columns(tmp_path: Path, capsys: Told, name: str, form: str) -> None:
    """Of an id, as it is written into more places."""
    if form == "csv":
        path = table(tmp_path, [name, "size"], lambda n: [f"c{n}", n % 7])
    else:
        path = lines(tmp_path, lambda n: {name: f"c{n}", "size": n % 7})
        if any(c in name for c in '"\\\n\t'):
            said = refused(path, capsys)
            assert "no member names each claim" in said
            return
    contract, _ = passed(path, capsys)
    if name != "/":
        assert ids(path, contract)[1] == "c1"


def test_columns_that_no_contract_can_name_are_left_out(tmp_path: Path, capsys: Told) -> None:
    header = ["id", "Date", "size", "Date", "x" * 301, '"', "fraud", '""']
    path = table(tmp_path, header, lambda n: [f"c{n}", "a", n % 7, "b", "c", "d", "YN"[n % 2], "e"])
    contract, text = passed(path, capsys, "fraud")
    assert list(contract.fields) == ["id", "size"]
    assert text.count("# ? left out: Date: 2 columns are called this: give each a name") == 2
    assert ": its name is longer than 300 characters: shorten it" in text
    assert "contains a quotation mark, a backslash or a control character: give it another" in text


def test_columns_with_the_names_of_pointers(tmp_path: Path, capsys: Told) -> None:
    header = ["/claim/no", "a", "/a", "/a/b", "/b/c", "b.d"]
    path = table(tmp_path, header, lambda n: [f"c{n}", "x", n % 7, n % 5, n % 4, n % 3])
    contract, _ = passed(path, capsys)
    places = {field.places[0] for field in contract.fields.values()}
    assert places == {("claim", "no"), ("a",), ("/a",), ("/a/b",), ("b", "c"), ("b.d",)}


def test_a_label_that_two_columns_could_be_is_refused(tmp_path: Path, capsys: Told) -> None:
    path = table(tmp_path, ["id", "fraud", "fraud"], lambda n: [f"c{n}", "YN"[n % 2], n % 7])
    assert "column fraud cannot be the label: 2 columns are called this" in refused(
        path, capsys, "fraud"
    )


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda n: "x" if n % 2 else {"b": 1}, "a is a value in some rows, and an object in"),
        (lambda n: "x" if n % 2 else {}, "in 30 of 60 rows an object without members"),
        (lambda n: "x" if n % 2 else ["y"], "in 30 of 60 rows a list, and no field is read"),
        (lambda n: [n], "in 60 of 60 rows a list, and no field is read"),
        (lambda n: [True, 5, "x"][n % 3], "true or false in 20 of 60 rows, and something else"),
        (lambda n: {"": n}, "/a/ has a name that is empty: give it another name"),
        (lambda n: {'"': n}, "contains a quotation mark"),
        (lambda n: json.loads('{"a":' * 9 + "1" + "}" * 9), "leads more than 8 deep"),
    ],
)
def test_members_that_no_field_can_be_read_from_are_left_out(
    tmp_path: Path, capsys: Told, make: Callable[[int], Any], why: str
) -> None:
    path = lines(tmp_path, lambda n: {"id": f"c{n}", "a": make(n), "size": n % 7})
    contract, text = passed(path, capsys)
    assert list(contract.fields) == ["id", "size"]
    assert why in text


def test_a_member_without_a_name_is_left_out(tmp_path: Path, capsys: Told) -> None:
    path = lines(tmp_path, lambda n: {"id": f"c{n}", "": n})
    contract, text = passed(path, capsys)
    assert list(contract.fields) == ["id"]
    assert ": it has no name" in text


@pytest.mark.parametrize(
    "make",
    [
        lambda n: {"b": n % 7} if n % 2 else None,
        lambda n: {"b": n % 7} if n % 2 else {},
        lambda n: "" if n % 2 else n,
        lambda n: " " if n % 2 else "2024-01-31",
        lambda n: ["2024-01-31", "2024-1-5"][n % 2],
        lambda n: "" if n % 2 else True,
        lambda n: "n/a" if n % 2 else True,
        lambda n: "n/a" if n % 2 else n,
        lambda n: ["yes", "no", ""][n % 3],
        lambda n: ["5", 5, 2.5, "n/a"][n % 4],
        lambda n: ["12.5", ""][n % 2],
        lambda n: [1, 0, None][n % 3],
        lambda n: [1e200, -1e150, 10**120][n % 3],
        lambda n: " " * 60 + "x",
        lambda n: "x" * 30_000,
        lambda n: None,
    ],
)
def test_values_of_json(tmp_path: Path, capsys: Told, make: Callable[[int], Any]) -> None:
    path = lines(tmp_path, lambda n: {"id": f"c{n}", "a": make(n)})
    contract, _ = passed(path, capsys)
    assert len(contract.fields) == 2


def test_columns_beyond_what_a_contract_has_are_refused(tmp_path: Path, capsys: Told) -> None:
    path = table(tmp_path, [f"c{n}" for n in range(5_000)], lambda n: [n] * 5_000)
    assert "c.csv: 5,000 columns, and a contract has at most 1,000 fields" in refused(path, capsys)
    path = table(tmp_path, [f"c{n}" for n in range(1_000)], lambda n: ["x"] * 1_000)
    assert "c.csv: 1,000 columns and none with an id" in refused(path, capsys)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ('[{"id":"a"},{"id":"b"}]', "is one JSON array, and not one object per line"),
        ('[\n{"id":"a"},\n{"id":"b"}\n]', "jq -c '.[]'"),
        ('{\n"id":"a"\n}\n', "jq -c ."),
        ('"a"\n' * 9, "no rows that can be read: line 1: is not an object"),
        ('{"id":"a","x":1e400}\n' * 9, "no rows that can be read: line 1: "),
        ("", "no rows that can be read"),
    ],
)
def test_files_without_rows(tmp_path: Path, capsys: Told, content: str, what: str) -> None:
    path = tmp_path / "claims.json"
    path.write_text(content)
    said = refused(path, capsys)
    assert what in said
    assert ("jq" in said) == (content[:1] in {"[", "{"} and "1e400" not in content)
    assert ("too large or too small a number" in said) == ("1e400" in content)


def test_rows_that_are_refused_are_counted(tmp_path: Path, capsys: Told) -> None:
    path = table(tmp_path, ["id", "size"], lambda n: [f"c{n}", n])
    with path.open("a") as file:
        file.write("too,many,cells\n")
    assert main(["draft", "--data", str(path)]) == 0
    what = "# ? 1 of 61 rows are refused, 1 of them: 3 cells, and the header has 2"
    assert what in capsys.readouterr().out


LETTERS = st.characters(exclude_categories=["Cs"])
NAMES = st.one_of(
    st.text(LETTERS, max_size=12),
    st.sampled_from(
        [
            *(
                "claim_id",
                "Claim ID",
                "id",
                "policy no",
                "amount",
                "loss date",
                "reported",
                "fraud",
            ),
            *("phone", "garage", "vin", "null", "yes", "/a", "/a/b", "a", "a.b", '"', "", " "),
        ]
    ),
)
TEXTS = st.one_of(
    st.text(LETTERS, max_size=12),
    st.sampled_from(
        [
            *("Y", "N", "yes", "no", "1", "0", "12.50", "1.234,5", "$ 5", "2024-01-31", "n/a", ""),
            *("31.01.2024", "+49 171 1234567", "a@b.org", "1e400", "nan", "007", "1" * 120),
        ]
    ),
)
VALUES = st.recursive(
    st.one_of(TEXTS, st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False)),
    lambda inner: st.one_of(st.dictionaries(NAMES, inner, max_size=3), st.lists(inner, max_size=2)),
    max_leaves=4,
)
FILES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), max_size=20)


def run(*arguments: str) -> tuple[int, str, str]:
    """The code of a command, and what it says."""
    with (
        contextlib.redirect_stdout(io.StringIO()) as out,
        contextlib.redirect_stderr(io.StringIO()) as err,
    ):
        code = main(arguments)
    return code, out.getvalue(), err.getvalue()


def held(path: Path, label: str | None) -> None:
    """`check` accepts what `draft` writes, and all rows but those it counts; or `draft` refuses."""
    labelled = [] if label is None else [f"--label={label}"]
    code, text, said = run("draft", "--data", str(path), *labelled)
    if code == WRONG:
        assert "no contract can be drafted: " not in said
        return
    contract = path.with_name("draft.yaml")
    contract.write_text(text, encoding="utf-8")
    code, _, said = run("check", "--contract", str(contract), "--data", str(path))
    assert code != WRONG, said
    assert (code == 0) == (" rows are refused, " not in text)


@settings(max_examples=many(150))
@given(
    header=st.lists(NAMES, min_size=1, max_size=6),
    values=st.lists(st.lists(TEXTS, min_size=1, max_size=4), min_size=6, max_size=6),
    name=FILES,
    labelled=st.booleans(),
)
def test_any_table(
    tmp_path_factory: pytest.TempPathFactory,
    header: list[str],
    values: list[list[str]],
    name: str,
    labelled: bool,
) -> None:
    text = io.StringIO(newline="")
    rows = [[own[n % len(own)] for own, _ in zip(values, header, strict=False)] for n in range(12)]
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([header, *rows])
    path = tmp_path_factory.mktemp("any") / f"{name[:20]}.csv"
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    held(path, header[-1].strip() if labelled else None)


@settings(max_examples=many(150))
@given(
    events=st.lists(st.dictionaries(NAMES, VALUES, max_size=5), min_size=1, max_size=4),
    own_id=st.booleans(),
    label=st.none() | NAMES,
)
def test_any_events(
    tmp_path_factory: pytest.TempPathFactory,
    events: list[dict[str, Any]],
    own_id: bool,
    label: str | None,
) -> None:
    path = tmp_path_factory.mktemp("any") / "events.jsonl"
    rows = [events[n % len(events)] | ({"claim_id": n} if own_id else {}) for n in range(12)]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    held(path, label)
