"""Expressions over columns give what those of one claim at a time give."""

import datetime as dt
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.features.expressions import Values, evaluate, holds
from schemas.expressions.grammar import parse
from schemas.expressions.nodes import Kind
from schemas.expressions.single import value_for
from tests.harness.examples import many

KINDS: dict[str, Kind] = {
    **dict.fromkeys(("a", "b"), "number"),
    **dict.fromkeys(("f", "g"), "flag"),
    **dict.fromkeys(("d", "e"), "date"),
    **dict.fromkeys(("t", "u"), "text"),
}
Row = Mapping[str, Any]


class Table:
    """Rows as columns; None is missing."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def column(self, name: str, kind: Kind) -> Values:
        values = [row[name] for row in self._rows]
        if kind == "text":
            found = np.empty(len(values), dtype=object)
            found[:] = values
            return found
        if kind == "date":
            values = [None if v is None else v.toordinal() for v in values]
        return np.array(values, dtype=np.float64)


numbers = st.one_of(
    st.integers(-3, 3), st.floats(allow_nan=False, allow_infinity=False), st.just(0.0)
)
words = st.sampled_from(["Urban", "urban ", "RURAL", "straße", "STRASSE", "x  y", "x y"])
rows = st.lists(
    st.fixed_dictionaries(
        {
            **dict.fromkeys(("a", "b"), st.none() | numbers),
            **dict.fromkeys(("f", "g"), st.none() | st.booleans()),
            **dict.fromkeys(("d", "e"), st.none() | st.dates()),
            **dict.fromkeys(("t", "u"), st.none() | words),
        }
    ),
    min_size=1,
    max_size=6,
)


def deeper(kinds: Mapping[str, st.SearchStrategy[str]]) -> dict[str, st.SearchStrategy[str]]:
    """Texts of expressions of each kind, made of those given."""

    def of(template: str, *names: str) -> st.SearchStrategy[str]:
        return st.tuples(*(kinds[n] for n in names)).map(lambda parts: template.format(*parts))

    number, flag, date, text = "number", "flag", "date", "text"
    sign = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
    return {
        "number": st.one_of(
            *(of(f"({{}} {op} {{}})", number, number) for op in "+-*/"),
            of("-{}", number),
            of("abs({})", number),
            of("min({}, {}, {})", number, number, number),
            of("max({}, {})", number, number),
            of("days_between({}, {})", date, date),
            of("weekday({})", date),
            of("year({})", date),
            of("coalesce({}, {})", number, number),
        ),
        "flag": st.one_of(
            of("({} and {})", flag, flag),
            of("({} or {})", flag, flag),
            of("(not {})", flag),
            st.tuples(kinds[number], sign, kinds[number]).map(lambda p: f"({' '.join(p)})"),
            st.tuples(kinds[date], sign, kinds[date]).map(lambda p: f"({' '.join(p)})"),
            of("({} == {})", text, text),
            of("({} != {})", text, text),
            of("({} in ({}, {}))", text, text, text),
            of("({} not in ({}, {}))", number, number, number),
            *(of("missing({})", kind) for kind in kinds),
            of("coalesce({}, {})", flag, flag),
        ),
        "date": of("coalesce({}, {})", date, date),
        "text": of("coalesce({}, {})", text, text),
    }


simple: dict[str, st.SearchStrategy[str]] = {
    "number": st.sampled_from(["a", "b", "0", "2.5"]),
    "flag": st.sampled_from(["f", "g", "true", "false"]),
    "date": st.sampled_from(["d", "e", "2024-02-29"]),
    "text": st.sampled_from(["t", "u", "'urban'"]),
}
once = deeper(simple)
twice = deeper({kind: simple[kind] | once[kind] for kind in simple})
texts = st.one_of(*(simple[kind] | once[kind] | twice[kind] for kind in simple))


@pytest.mark.slow
@settings(max_examples=many(600), deadline=None)
@given(texts, rows)
def test_a_batch_equals_its_rows(text: str, table: list[Row]) -> None:
    node = parse(text, KINDS)
    found = evaluate(node, Table(table))
    assert len(found) == len(table)
    for value, row in zip(found.tolist(), table, strict=True):
        expected = value_for(node, row)
        if isinstance(expected, dt.date):
            expected = float(expected.toordinal())
        if expected is None:
            assert value is None or math.isnan(value)
        else:
            assert value == expected
    if node.kind == "flag":
        assert holds(node, Table(table)).tolist() == [value_for(node, row) is True for row in table]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a > 1", [True, False, False]),
        ("not (a > 1)", [False, True, False]),
        ("missing(a)", [False, False, True]),
        ("a > 1 or missing(a)", [True, False, True]),
        ("a / 0 > 1 or a < 1", [False, True, False]),
        ("t == ' URBAN '", [True, False, False]),
        ("t not in ('rural', 'urban')", [False, False, False]),
    ],
)
def test_where_it_holds(text: str, expected: list[bool]) -> None:
    table = Table([{"a": 2, "t": "Urban"}, {"a": 0, "t": "rural"}, {"a": None, "t": None}])
    assert holds(parse(text, KINDS), table).tolist() == expected


@pytest.mark.parametrize("text", ["a / b > 1", "a * a > 1", "a - a > 1", "not (a / b > 1)"])
def test_numbers_that_cannot_be_held_are_missing_without_a_warning(text: str) -> None:
    table = Table([{"a": 0, "b": 0}, {"a": 1e308, "b": 0}, {"a": math.inf, "b": 1}])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not holds(parse(text, KINDS), table).any()
