"""Texts that senders write become the values they mean, or are refused with the rule."""

import datetime as dt
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.expressions.nodes import Kind
from schemas.reading.amounts import number_reader
from schemas.reading.dates import NAMED, FormError, Week, date_reader, day_of_week
from schemas.reading.declared import Reading
from schemas.reading.value import value_reader
from schemas.reading.words import ReadingError


@pytest.mark.parametrize(
    ("thousands", "decimal", "text", "value"),
    [
        ("", ".", "1234.5", 1234.5),
        ("", ".", "-1234", -1234),
        ("", ".", "1e3", 1000),
        ("", ".", ".5", 0.5),
        ("", ".", "5.", 5),
        (",", ".", "1,234,567.89", 1234567.89),
        (",", ".", "12,34,567", 1234567),
        (".", ",", "1.234.567,89", 1234567.89),
        (".", ",", "12,5-", -12.5),
        ("'", ".", "12'345.60", 12345.6),
        (" ", ",", "12 345,60", 12345.6),
        (" ", ",", "12\u202f345,60", 12345.6),
        (",", ".", "(1,234.50)", -1234.5),
        (",", ".", "€ 1,234", 1234),
        (",", ".", "1,234 EUR", 1234),
        (",", ".", "-€1,234", -1234),
        (",", ".", "\u22121,234", -1234),
    ],
)
def test_numbers(thousands: str, decimal: str, text: str, value: float) -> None:
    assert number_reader(thousands, decimal, ("€", "EUR"))(text) == value


@pytest.mark.parametrize(
    "text",
    [
        *("", "-", ".", "1,2,3", "1,23", "1.234.5", "12a", "٣", "1_000", "nan", "inf", "1e999"),
        *("0x1", "1" * 101, "(1", "1)", "--1", "1 2"),
    ],
)
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(ReadingError, match=r"is not a number|is too large a number"):
        number_reader(",", ".")(text)


@given(st.decimals(-(10**9), 10**9, places=2), st.sampled_from([",", ".", "'", " "]))
def test_grouped_numbers_are_read_back(value: Any, mark: str) -> None:
    decimal = "," if mark == "." else "."
    text = f"{value:,.2f}".translate(str.maketrans(",.", mark + decimal))
    assert number_reader(mark, decimal)(text) == float(value)


@pytest.mark.parametrize(
    ("form", "text", "day"),
    [
        ("%Y-%m-%d", "2024-02-29", dt.date(2024, 2, 29)),
        ("%d/%m/%Y", "3/4/2024", dt.date(2024, 4, 3)),
        ("%m/%d/%Y", "3/4/2024", dt.date(2024, 3, 4)),
        ("%d.%m.%y", "03.04.68", dt.date(2068, 4, 3)),
        ("%d.%m.%y", "03.04.69", dt.date(1969, 4, 3)),
        ("%d %b %Y", "3 Sep 2024", dt.date(2024, 9, 3)),
        ("%d %B %Y", "3  september 2024", dt.date(2024, 9, 3)),
        ("%b. %d, %Y", "Sep. 3, 2024", dt.date(2024, 9, 3)),
        ("%Y%m%d", "20240903", dt.date(2024, 9, 3)),
        ("%Y-%m-%dT%H:%M:%S%z", "2024-09-03T23:59:59+02:00", dt.date(2024, 9, 3)),
        ("%d/%m/%Y %I:%M %p", "3/9/2024 11:05 pm", dt.date(2024, 9, 3)),
        ("unix_seconds", "1725321600", dt.date(2024, 9, 3)),
        ("unix_milliseconds", "1725407999999", dt.date(2024, 9, 3)),
        ("unix_days", "-1", dt.date(1969, 12, 31)),
        ("excel_days", "45538", dt.date(2024, 9, 3)),
    ],
)
def test_dates(form: str, text: str, day: dt.date) -> None:
    assert date_reader([form])(text) == day


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("%d/%m/%Y", "31/02/2024"),
        ("%d/%m/%Y", "3/4/24"),
        ("%d/%m/%Y", " 3/4/2024"),
        ("%d/%m/%Y", "3/4/2024 10:00"),
        ("%d/%m/%Y", "٣/4/2024"),
        ("%d %b %Y", "3 Foo 2024"),
        ("%Y-%m-%d %H:%M", "2024-01-31 24:00"),
        ("%Y-%m-%d", "0000-01-01"),
        ("unix_seconds", "tomorrow"),
        ("unix_days", "1e300"),
        ("unix_days", "nan"),
    ],
)
def test_what_is_no_date(form: str, text: str) -> None:
    with pytest.raises(ReadingError, match="is not a date as"):
        date_reader([form])(text)


@given(st.dates(dt.date(1000, 1, 1)), st.sampled_from(["%d.%m.%Y", "%Y/%m/%d", "%d %B %Y"]))
def test_dates_are_read_back(day: dt.date, form: str) -> None:
    assert date_reader([form])(day.strftime(form)) == day


def test_the_first_form_that_fits_counts() -> None:
    read = date_reader(["%d/%m/%Y", "%m/%d/%Y"])
    assert read("03/04/2024") == dt.date(2024, 4, 3)
    assert read("03/25/2024") == dt.date(2024, 3, 25)


def test_months_of_another_language() -> None:
    months = ["janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août"]
    months += ["septembre", "octobre", "novembre", "décembre"]
    assert date_reader(["%d %B %Y"], months)("3 Août 2024") == dt.date(2024, 8, 3)


@pytest.mark.parametrize("form", ["%d/%m", "%Y", "%Q%d%m%Y", "%d%d%m%Y", "monday", "%"])
def test_forms_that_are_refused(form: str) -> None:
    with pytest.raises(FormError):
        date_reader([form])


def test_every_named_form_has_a_length_of_day() -> None:
    assert all(length > 0 for _, length in NAMED.values())


@pytest.mark.parametrize(
    ("said", "not_before", "day"),
    [
        (Week("Jan", "5", "Wednesday", "1994"), None, dt.date(1994, 1, 26)),
        (Week("january", "1", "monday", "1994"), None, dt.date(1994, 1, 3)),
        (Week("Jan", "1", "Tuesday", None), dt.date(1993, 12, 30), dt.date(1994, 1, 4)),
        (Week("Dec", "1", "Monday", None), dt.date(1993, 12, 10), dt.date(1993, 12, 13)),
    ],
)
def test_days_of_a_week(said: Week, not_before: dt.date | None, day: dt.date) -> None:
    assert day_of_week(said, not_before) == day


@pytest.mark.parametrize(
    "said",
    [
        Week("Foo", "1", "Monday", "1994"),
        Week("Jan", "6", "Monday", "1994"),
        Week("Jan", "1.5", "Monday", "1994"),
        Week("Jan", "1", "Mo", "1994"),
        Week("Jan", "1", "Monday", "0"),
        Week("Jan", "1", "Monday", "x"),
        Week("Jan", "1", "Monday", None),
        Week("", "", "", ""),
    ],
)
def test_what_is_no_day_of_a_week(said: Week) -> None:
    with pytest.raises(ReadingError, match=r"is not|needs"):
        day_of_week(said, None)


BANDS = Reading(table={"3 to 4": 3.5, "More than 20,000": 25_000, "none": None}, missing=("?",))
KEPT = Reading(table={"VW": "Volkswagen"}, otherwise="keep")
LOST = Reading(table={"VW": "Volkswagen"}, otherwise="missing")
SIGNS = Reading(true=("Y", "1"), false=("N", "0"))


@pytest.mark.parametrize(
    ("kind", "reading", "written", "value"),
    [
        ("number", BANDS, "3 to 4", 3.5),
        ("number", BANDS, " 3  TO 4 ", 3.5),
        ("number", BANDS, "more than 20000", 25_000),
        ("number", BANDS, "none", None),
        ("number", BANDS, "?", None),
        ("number", BANDS, "  ", None),
        ("number", BANDS, None, None),
        ("number", BANDS, 3.5, 3.5),
        ("number", BANDS, float("nan"), None),
        ("number", Reading(sign="drop"), "-5", 5),
        ("text", KEPT, "vw", "Volkswagen"),
        ("text", KEPT, "Honda", "Honda"),
        ("text", LOST, "Honda", None),
        ("text", Reading(case="lower"), "Urban", "urban"),
        ("text", Reading(case="upper"), "Urban", "URBAN"),
        ("text", Reading(table={"1": "urban"}), 1.0, "urban"),
        ("flag", SIGNS, "y", True),
        ("flag", SIGNS, "N", False),
        ("flag", SIGNS, 1, True),
        ("flag", SIGNS, False, False),
        ("flag", Reading(), "TRUE", True),
        ("date", Reading(), "2024-01-31", dt.date(2024, 1, 31)),
        ("date", Reading(), dt.datetime(2024, 1, 31, 10), dt.date(2024, 1, 31)),
        ("date", Reading(date="unix_days"), 0, dt.date(1970, 1, 1)),
    ],
)
def test_values(kind: Kind, reading: Reading, written: Any, value: Any) -> None:
    read = value_reader(kind, reading)
    assert read(written) == value
    assert read(written) == value


@pytest.mark.parametrize(
    ("kind", "reading", "written", "rule"),
    [
        ("number", BANDS, "5 to 8", "is not one of 3 to 4, More than 20,000, none"),
        ("number", Reading(), "many", "is not a number"),
        ("number", Reading(), True, "is not a number"),
        ("flag", SIGNS, "maybe", "is not one of y, 1, n, 0"),
        ("flag", SIGNS, 2, "is not one of y, 1, n, 0"),
        ("date", Reading(), True, "is not a date"),
        ("text", Reading(), [], "is not a text"),
    ],
)
def test_values_that_are_refused(kind: Kind, reading: Reading, written: Any, rule: str) -> None:
    with pytest.raises(ReadingError, match=rule):
        value_reader(kind, reading)(written)


def test_words_for_missing_of_the_whole_contract() -> None:
    assert value_reader("text", Reading(), ("N/K", "not known"))(" Not  Known ") is None
    assert value_reader("text", Reading(), ("N/K",))("N/K?") == "N/K?"


def test_what_a_sender_pads_is_not_remembered() -> None:
    """Blanks compress a thousandfold, and such texts are accepted."""
    read = value_reader("number", Reading())
    tracemalloc.start()
    try:
        values = [read(" " * 1_000_000 + str(n)) for n in range(50)]
        long = [value_reader("flag", Reading(true=("y" * 300,)))("y" * 300) for _ in range(2)]
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert values == list(range(50))
    assert long == [True, True]
    assert held < 1_000_000
