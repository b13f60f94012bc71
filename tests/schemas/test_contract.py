"""Contracts: what is refused, where in the file, and how to fix it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.contract.errors import ContractError
from schemas.contract.parse import from_bytes, load, parse
from schemas.contract.source import MAX_BYTES, read_text
from tests.schemas.contracts import document, shipped, small

NUMBER = {"type": "number", "x-role": "feature"}
TEXT = {"type": "string", "x-role": "feature"}
DAY = {"type": "string", "format": "date", "x-role": "time"}
FLAG = {"type": "boolean", "x-role": "feature"}


def refusal(tree: dict[str, Any]) -> ContractError:
    with pytest.raises(ContractError) as refused:
        parse(tree, "mine.yaml")
    assert str(refused.value).startswith(f"mine.yaml, {refused.value.path}: ")
    assert refused.value.fix.endswith(".")
    return refused.value


FIELDS: dict[str, tuple[dict[str, Any], str, str]] = {
    "no role": ({"type": "string"}, "", "lacks x-role, which is required"),
    "a role of its own": (
        {**TEXT, "x-role": "secret"},
        ".x-role",
        "is not one of identifier, time",
    ),
    "a misspelt keyword": ({**TEXT, "maxLenght": 3}, "", "has no member maxLenght"),
    "an object": ({"type": "object", "x-role": "feature"}, ".type", "is not one of "),
    "two types": ({**TEXT, "type": ["string", "number"]}, ".type", "is not one type"),
    "no type": ({**TEXT, "type": ["null"]}, ".type", "is not one type"),
    "a bound of a text": ({**TEXT, "minimum": 3}, ".minimum", "is for a number"),
    "a length of a number": ({**NUMBER, "maxLength": 3}, ".maxLength", "is for a text"),
    "a format of a number": ({**NUMBER, "format": "date"}, ".format", "has no format"),
    "no values": ({**NUMBER, "minimum": 3, "maximum": 2}, ".minimum", "above the maximum 2"),
    "no texts": ({**TEXT, "minLength": 300}, ".minLength", "above the maximum length"),
    "a pattern": ({**TEXT, "pattern": "("}, ".pattern", "is no regular expression"),
    "a time of day": ({**NUMBER, "x-role": "time"}, ".x-role", "time is for dates"),
    "a date to learn": ({**DAY, "x-role": "feature"}, ".x-role", "only differences of dates"),
    "a number that names": ({**NUMBER, "x-role": "identifier"}, ".x-role", "is a text"),
    "a pattern that repeats": (
        {**TEXT, "pattern": "a{99999999999999}"},
        ".pattern",
        "is no regular expression",
    ),
    "a pattern that divides": ({**TEXT, "pattern": "^(a+)+$"}, ".pattern", "may take too long"),
    "a control character": ({**TEXT, "x-from": "a\nb"}, ".x-from[0]", "a control character"),
    "a quotation mark": ({**TEXT, "x-from": ["a", 'b"']}, ".x-from[1]", "a quotation mark"),
    "no pointer": ({**TEXT, "x-from": ["a", "/a~b"]}, ".x-from[1]", "not a JSON Pointer"),
    "a pointer to nothing": ({**TEXT, "x-from": "/a//b"}, ".x-from[0]", "name that is empty"),
    "a deep pointer": ({**TEXT, "x-from": "/a" * 9}, ".x-from[0]", "more than 8 deep"),
    "a row": ({**TEXT, "x-row": "row {:>9}"}, ".x-row", "not a text with one {}"),
    "a row of a number": ({**NUMBER, "x-row": "{}"}, ".x-row", "is for a text"),
    "a phrase": ({**TEXT, "x-text": "made by {0}"}, ".x-text", "a bracket that is not {}"),
    "half a phrase": ({**FLAG, "x-text": {"true": "yes"}}, ".x-text", "texts for true and false"),
    "a form of a number": (
        {**NUMBER, "x-read": {"date": "%Y"}},
        ".x-read.date",
        "is for a date, and this is a number",
    ),
    "a form without a day": ({**DAY, "x-read": {"date": "%Y-%m"}}, ".x-read.date", "has no %d"),
    "an unknown directive": ({**DAY, "x-read": {"date": "%d.%m.%Q"}}, ".x-read.date", "%Q is not"),
    "a date twice": ({**DAY, "x-read": {"date": "%d%d%m%Y"}}, ".x-read.date", "twice"),
    "marks": (
        {**NUMBER, "x-read": {"thousands": ",", "decimal": ","}},
        ".x-read",
        "the marks of thousands and decimals",
    ),
    "a table of another kind": (
        {**NUMBER, "x-read": {"table": {"few": "2"}}},
        ".x-read.table.few",
        "is no number",
    ),
    "a flag in a table": (
        {**NUMBER, "x-read": {"table": {"few": True}}},
        ".x-read.table.few",
        "is no number",
    ),
    "a misspelt reading": (
        {**NUMBER, "x-read": {"tousands": ","}},
        ".x-read",
        "has no member tousands",
    ),
    "a mark that is a digit": (
        {**NUMBER, "x-read": {"thousands": ",1"}},
        ".x-read",
        "digits, letters or signs",
    ),
    "a currency with a digit": (
        {**NUMBER, "x-read": {"currency": ["EUR", "1€"]}},
        ".x-read.currency[1]",
        "contains a digit",
    ),
    "a currency that is a minus": (
        {**NUMBER, "x-read": {"currency": ["-"]}},
        ".x-read.currency[0]",
        "a minus",
    ),
    "a currency that is a typed minus": (
        {**NUMBER, "x-read": {"currency": ["\u2212 €"]}},
        ".x-read.currency[0]",
        "a minus",
    ),
    "a blank currency": ({**NUMBER, "x-read": {"currency": [" "]}}, ".x-read.currency[0]", "blank"),
    "true and false": (
        {**FLAG, "x-read": {"true": ["Yes", "Y"], "false": ["N", " y "]}},
        ".x-read.false",
        "' y ' has another meaning in true",
    ),
    "false as nothing else is said": (
        {**FLAG, "x-read": {"true": ["False"]}},
        ".x-read.false",
        "'false' has another meaning in true",
    ),
    "true and missing": (
        {**FLAG, "x-read": {"true": ["Y"], "false": ["N"], "missing": ["n"]}},
        ".x-read.false",
        "'N' has another meaning in missing",
    ),
    "a blank word": (
        {**FLAG, "x-read": {"true": ["Y"], "false": [" "]}},
        ".x-read.false",
        "a blank text always is",
    ),
    "words of a table that are alike": (
        {**NUMBER, "x-read": {"table": {"1,000 and more": 2, "1000 And  more": 3}}},
        ".x-read.table",
        "'1000 And  more' has another meaning in table",
    ),
    "a word of a table that is missing": (
        {**NUMBER, "x-read": {"table": {"None": 0}, "missing": ["none"]}},
        ".x-read.table",
        "'None' has another meaning in missing",
    ),
    "a table against a flag": (
        {**FLAG, "x-read": {"table": {"y": False}, "true": ["Y"], "false": ["N"]}},
        ".x-read.true",
        "'Y' has another meaning in table",
    ),
    "a month twice": (
        {**DAY, "x-read": {"months": [*"abcdefghijk", "A"]}},
        ".x-read.months",
        "two months have the same name",
    ),
    "a week without a year": (
        {**DAY, "x-read": {"week_date": {"month": "M", "week": "W", "weekday": "D"}}},
        ".x-read.week_date",
        "neither year nor not_before",
    ),
}


@pytest.mark.parametrize("case", FIELDS)
def test_fields_that_are_refused(case: str) -> None:
    field, below, what = FIELDS[case]
    error = refusal(document({"mine": field}))
    assert error.path == f"$.properties.mine{below}"
    assert what in str(error)


@pytest.mark.parametrize(
    "name",
    [
        "loss date",
        "1st",
        "x" * 65,
        "and",
        "missing",
        "class",
        "",
        "__init__",
        "__slots__",
        "__dict__",
        "__doc__",
        "a\n",
    ],
)
def test_names_that_are_refused(name: str) -> None:
    assert refusal(document({name: NUMBER})).path == f"$.properties.{name}"


def test_the_keyword_that_was_meant_is_named() -> None:
    assert "Write maxLength" in str(refusal(document({"mine": {**TEXT, "maxLenght": 3}})))


WHOLE: dict[str, tuple[Callable[[dict[str, Any]], Any], str, str]] = {
    "no title": (lambda d: d.pop("title"), "$", "lacks title, which is required"),
    "no properties": (
        lambda d: d.update(properties={}),
        "$.properties",
        "must have at least 1 member",
    ),
    "too many": (
        lambda d: d.update(properties={f"f{n}": NUMBER for n in range(1_001)}),
        "$.properties",
        "must have at most 1000 members",
    ),
    "no such id": (lambda d: d["x-event"].update(id="claim"), "$.x-event.id", "no field claim"),
    "an optional id": (lambda d: d.update(required=[]), "$.required", "is the claim's id"),
    "a required field": (lambda d: d["required"].append("no"), "$.required", "no field no"),
    "a time that is none": (lambda d: d["x-event"].update(time="n"), "$.x-event.time", "a number"),
    "null and required": (
        lambda d: d["properties"]["claim_no"].update(type=["string", "null"]),
        "$.properties.claim_no.type",
        "the field is required",
    ),
    "a place in a place": (
        lambda d: d["properties"]["n"].update({"x-from": "/claim_no/n"}),
        "$.properties",
        "$.claim_no is read as a value",
    ),
    "a label that is a field": (
        lambda d: d.update({"x-label": {"field": "n", "fraud": ["1"], "honest": ["0"]}}),
        "$.properties.n",
        "no claim has when it is scored",
    ),
    "a label that is both": (
        lambda d: d.update({"x-label": {"field": "y", "fraud": ["1"], "honest": ["1"]}}),
        "$.x-label",
        "1 is fraud and honest",
    ),
    "a label that is both by likeness": (
        lambda d: d.update({"x-label": {"field": "y", "fraud": ["Yes"], "honest": ["no", "yes "]}}),
        "$.x-label",
        "Yes is fraud and honest",
    ),
    "a word that is missing everywhere": (
        lambda d: (
            d.update({"x-missing": ["NO"]}),
            d["properties"].update({"f": {**FLAG, "x-read": {"true": ["y"], "false": ["no"]}}}),
        ),
        "$.properties.f.x-read.false",
        "'no' has another meaning in x-missing",
    ),
    "a derived fact": (
        lambda d: d.update({"x-derived": {"twice": "m * 2"}}),
        "$.x-derived.twice",
        "column 1: there is no field m",
    ),
    "a derived fact too early": (
        lambda d: d.update({"x-derived": {"more": "twice + 1", "twice": "n * 2"}}),
        "$.x-derived.more",
        "Move it below twice",
    ),
    "a derived fact of another kind": (
        lambda d: d.update({"x-derived": {"n": "n > 2"}}),
        "$.x-derived.n",
        "it is a flag, and the field of the same name a number",
    ),
    "the name of a derived fact": (
        lambda d: d.update({"x-derived": {"a b": "n"}}),
        "$.x-derived.a b",
        "is not a name",
    ),
    "an unknown x-": (lambda d: d.update({"x-roles": {}}), "$", "has no member x-roles"),
}


@pytest.mark.parametrize("case", WHOLE)
def test_documents_that_are_refused(case: str) -> None:
    change, path, what = WHOLE[case]
    tree = document({"n": dict(NUMBER)})
    change(tree)
    error = refusal(tree)
    assert error.path == path
    assert what in str(error)


TEXTS = {
    "not YAML": (b"title: [", "line 1, column 9"),
    "not an object": (b"- a", "is not an object"),
    "not UTF-8": (b"title: \xff", "is not UTF-8"),
    "a key twice": (b"title: a\ntitle: b", "line 2, column 1: title occurs twice"),
    "an alias": (b"a: &x 1\nb: *x", "an alias: write the value out"),
    "a tag": (b"a: !!python/object:os.system {}", "could not determine a constructor"),
    "a tag with nothing": (b'a: !!int ""', "'tag:yaml.org,2002:int'"),
    "a tag of a flag": (b"a: !!bool x", "'tag:yaml.org,2002:bool'"),
    "a tag of a day": (b"a: !!timestamp x", "'tag:yaml.org,2002:timestamp'"),
    "no number": (b"a: {b: 1e400}", "$.a.b: a number beyond 1e+300"),
    "a long number": (b"a: [" + b"9" * 400 + b"]", "$.a[0]: a number beyond 1e+300"),
    "half a character": (b'a: "\\ud800"', "$.a: a text with half of a surrogate pair"),
    "half a character in a name": (b'{"\\udfff": 1}', "$: a text with half of a surrogate"),
    "too large": (b"#" * (MAX_BYTES + 1), "larger than 1,000,000 bytes"),
    "too deep": (b"a: " + b"[" * 5_000, "nested too deeply"),
    "deep": (b"a: " + b"[" * 15 + b"]" * 15, "nested more than 12 deep"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_texts_that_are_refused(case: str) -> None:
    content, what = TEXTS[case]
    with pytest.raises(ContractError, match=r"^mine\.yaml, \$") as refused:
        from_bytes(content, "mine.yaml")
    assert what in str(refused.value)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b'{"a": 1, "a": 2}', "a occurs twice"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": ' + b"[" * 100_000, "nested too deeply"),
        (b"{", "line 1 column 2"),
        (b'{"a": 1e400}', "$.a: a number beyond 1e+300"),
        (b'{"a": "\\ud800"}', "$.a: a text with half of a surrogate pair"),
    ],
)
def test_json_that_is_refused(content: bytes, what: str) -> None:
    with pytest.raises(ContractError, match=r"^mine\.json, \$") as refused:
        from_bytes(content, "mine.json")
    assert what in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"none\.yaml, \$: cannot be read: No such file"):
        load(tmp_path / "none.yaml")


def test_yaml_is_read_without_surprises() -> None:
    found = read_text(b"{no: [no, yes, on, 1:30, 2024-01-31, 012, 1e3, ~, 'true', true, .5]}", "y")
    assert found == {
        "no": ["no", "yes", "on", "1:30", "2024-01-31", "012", 1000.0, None, "true", True, 0.5]
    }


def test_a_contract_survives_as_json() -> None:
    contract = shipped("auto")
    again = from_bytes(contract.to_json(), "contract.json")
    assert again.to_json() == contract.to_json()
    assert again.fields == contract.fields
    assert again.derived == contract.derived


def test_texts_and_numbers_without_bounds_get_some() -> None:
    fields = small({"text": TEXT, "number": NUMBER, "whole": {**NUMBER, "type": "integer"}}).fields
    assert fields["text"].said.max_length == 200
    assert (fields["number"].said.minimum, fields["number"].said.maximum) == (-1e15, 1e15)
    assert fields["whole"].said.multiple_of == 1


def test_words_of_a_table() -> None:
    cars = {**NUMBER, "x-read": {"table": {"3 to 4": 3.5, "1": 1, "one": 1, "?": None}}}
    contract = small({"cars": cars})
    assert contract.words("cars", 3.5) == "3 to 4"
    assert contract.words("cars", 1) == "1"
    assert contract.words("cars", 2.0) is None
    assert contract.words("claim_no", "x") is None


def test_words_that_say_the_same_twice_are_accepted() -> None:
    said = {"table": {"A": 1, "a": 1, "?": None, " ": None}, "missing": ["?", "n/a", "N/A"]}
    assert small({"n": {**NUMBER, "x-read": said}}, x_missing=["?"]).missing == ("?",)
