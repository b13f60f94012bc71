"""Regular expressions that no text makes expensive, and the others."""

import re

import pytest

from schemas.reading.patterns import PatternError, check_pattern


@pytest.mark.parametrize(
    "pattern",
    [
        r"^[A-Z]{2}-\d{4,10}$",
        r"^([A-Z]{2}-)?\d+$",
        r"^(\d{3}-){2}\d{4}$",
        r"[A-Z]",
        r"^(AB|CD)\d*$",
        r"^(?:PKW|LKW|KRAD)-(?:DE|AT|CH)-\d{2,4}-?[A-Z]{0,3}$",
        r"^\w+@\w+$",
        r"\d+",
        r"^(?:[A-Z]\d)+$",
        "",
    ],
)
def test_what_costs_little_is_accepted(pattern: str) -> None:
    check_pattern(pattern, 200)
    assert re.compile(pattern)


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "is no regular expression"),
        ("^(a+)+$", "a repeat inside a repeat"),
        ("^(a*)*$", "a repeat inside a repeat"),
        ("^(a?){30}a{30}$", "a repeat inside a repeat"),
        ("^((ab?)c)+$", "a repeat inside a repeat"),
        ("^(?>(a+)b)+$", "a repeat inside a repeat"),
        ("^(a|aa)+$", "a choice inside a repeat"),
        (r"^(\w+) \1$", "a reference to a group"),
        ("^(?=a+)", "a look ahead or behind"),
        ("(?<!a)b", "a look ahead or behind"),
        ("^" + "a?" * 30 + "$", "1,073,741,824 combinations"),
        ("^" + "(a|aa|b)" * 20 + "$", "3,486,784,401 combinations"),
        ("^" + "a{0,10}" * 12 + "b$", "combinations"),
        ("^(?:(?:){1000}){1000}" * 2, "1,000,000,000,000 combinations"),
        (r"^\d?\d?\d?\d?\d?\d?\d?\w*\w*\w*$", "3 parts of it .* 128 combinations"),
        (r"^\w*\w*\w*\w*$", "4 parts of it can be of any length"),
        (r"\w*\w*\w*x", "4 parts of it can be of any length"),
    ],
)
def test_what_some_text_makes_expensive_is_refused(pattern: str, why: str) -> None:
    with pytest.raises(PatternError, match=why):
        check_pattern(pattern, 200)


def test_what_is_short_may_be_divided_in_more_ways() -> None:
    check_pattern(r"^\w*\w*\w*\w*$", 60)
    with pytest.raises(PatternError, match="for a text of 20,000 characters: 2 parts"):
        check_pattern(r"\w+x", 20_000)
