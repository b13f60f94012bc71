"""No value of a personal or protected field leaves in words, nor of a fact derived from one."""

import numpy as np
import pytest

from model.features.facts import ClaimFacts
from model.scoring.phrases import phrase
from model.scoring.reasons import Explainer
from model.scoring.rules import RuleError, parse
from schemas.decoding.decoder import ClaimDecoder
from tests.model.test_reasons import Stub, reasons_of
from tests.schemas.contracts import small

CONTRACT = small(
    {
        "amount": {"type": "number", "x-role": "feature"},
        "age": {"type": "number", "x-role": "protected"},
        "born": {"type": "string", "format": "date", "x-role": "personal"},
        "seen": {"type": "string", "format": "date", "x-role": "time"},
    },
    x_derived={
        "per_year": {"expression": "amount / age", "x-text": "{} a year"},
        "twice": "per_year * 2",
        "days_old": "days_between(seen, born)",
        "unknown_age": "missing(age)",
        "doubled": "amount * 2",
    },
)
WITHHELD = ("per_year", "twice", "days_old", "unknown_age", "age", "born")
CLAIM = ClaimDecoder(CONTRACT).decode(
    b'{"claim_no": "a", "amount": 88, "age": 44, "born": "1980-01-01", "seen": "2024-01-01"}'
)


def test_what_is_derived_from_such_a_field_is_withheld() -> None:
    names = (*CONTRACT.fields, *CONTRACT.derived)
    assert {name for name in names if CONTRACT.is_withheld(name)} == set(WITHHELD)


@pytest.mark.parametrize("name", WITHHELD)
def test_its_phrase_and_its_reason_do_not_show_it(name: str) -> None:
    assert phrase(CONTRACT, name, 2.0) == f"{name.replace('_', ' ')} (not shown)"
    assert phrase(CONTRACT, name, None) == f"{name.replace('_', ' ')} (not shown)"
    for code in (2.0, float("nan")):
        explainer = reasons_of(Stub(1.0), name, contract=CONTRACT)
        ((item,), _) = explainer.explain([CLAIM], np.array([[code]]))[0]
        assert (item.code, item.value) == (f"{name}.withheld", None)
        assert item.text == f"{name.replace('_', ' ')} (not shown)"


def test_what_is_derived_from_others_is_shown() -> None:
    explainer = reasons_of(Stub(1.0), "doubled", contract=CONTRACT)
    ((item,), _) = explainer.explain([CLAIM], np.array([[176.0]]))[0]
    assert (item.value, item.text) == (176.0, "doubled: 176")


def rule(condition: str, text: str = "Told.", sensitive: str = "") -> str:
    marked = f'sensitive = ["{sensitive}"]\n' if sensitive else ""
    return (
        f'[[rule]]\nid = "r"\nversion = 1\noutcome = "refer"\ntext = "{text}"\n'
        f"when = ['{condition}']\n{marked}"
    )


@pytest.mark.parametrize(
    ("name", "condition"),
    [
        ("per_year", "per_year > 1"),
        ("twice", "doubled > 0 and twice == 4"),
        ("days_old", "days_old > 365"),
        ("unknown_age", "not unknown_age"),
    ],
)
def test_a_rule_about_it_must_say_so(name: str, condition: str) -> None:
    with pytest.raises(RuleError, match=rf'{name} is derived from .*add sensitive = \["{name}"\]'):
        parse(rule(condition), CONTRACT)
    rules = parse(rule(condition, sensitive=name), CONTRACT)
    assert [hit.id for hit in rules.hits(ClaimFacts(CONTRACT, [CLAIM]))[0]] == ["r"]


def test_the_text_of_such_a_rule_does_not_show_the_value() -> None:
    with pytest.raises(RuleError, match="reveals the value 365"):
        parse(rule("days_old > 365", "Older than 365 days.", "days_old"), CONTRACT)


def test_a_rule_about_other_derived_facts_needs_no_mark() -> None:
    rules = parse(rule("doubled == 176"), CONTRACT)
    assert len(rules.hits(ClaimFacts(CONTRACT, [CLAIM]))[0]) == 1
    with pytest.raises(RuleError, match="sensitive lists doubled, but no condition"):
        parse(rule("doubled == 176", sensitive="doubled"), CONTRACT)


def test_a_fact_with_the_name_of_a_field_goes_before_it() -> None:
    """In reasons and in rules: what is said is what the model saw."""
    contract = small(
        {
            "kind": {"type": "string", "x-role": "feature"},
            "more": {"type": "string", "x-role": "feature"},
            "open": {"type": "boolean", "x-role": "feature"},
        },
        x_derived={"kind": "coalesce(kind, more)", "open": "coalesce(open, false) or kind == 'x'"},
    )
    claim = ClaimDecoder(contract).decode(b'{"claim_no": "a", "more": "x", "open": false}')
    facts = ClaimFacts(contract, [claim])
    assert len(parse(rule('kind == "x" and open'), contract).hits(facts)[0]) == 1
    columns = facts.features(["kind", "open"])
    assert columns["kind"] == ["x"]
    assert np.asarray(columns["open"]).tolist() == [1.0]
    explainer = Explainer(Stub(2.0, 1.0), ["kind", "open"], contract, {"kind": ("x",)})
    ((kind, opened), _) = explainer.explain([claim], np.array([[0.0, 1.0]]))[0]
    assert (kind.value, opened.value) == ("x", True)
