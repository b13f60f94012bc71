"""Reading expressions: what they mean, and what is refused, where and why."""

import pytest

from schemas.expressions.grammar import parse
from schemas.expressions.nodes import (
    MAX_DEPTH,
    MAX_LENGTH,
    Constant,
    ExpressionError,
    Fact,
    Kind,
    Node,
    facts_of,
)

KINDS: dict[str, Kind] = {
    "amount": "number",
    "limit": "number",
    "lost": "date",
    "reported": "date",
    "area": "text",
    "police": "flag",
}


def written(node: Node) -> str:
    """The tree with every operation in brackets."""
    if isinstance(node, Constant):
        return repr(node.value)
    if isinstance(node, Fact):
        return node.name
    return f"({node.name} {' '.join(map(written, node.operands))})"


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("amount + limit * 2", "(+ amount (* limit 2.0))"),
        ("amount - limit - 1", "(- (- amount limit) 1.0)"),
        ("(amount - limit) / -2", "(/ (- amount limit) (negative 2.0))"),
        ("--amount", "(negative (negative amount))"),
        ("---amount", "(negative amount)"),
        ("not police or police and amount > 1", "(or (not police) (and police (> amount 1.0)))"),
        ("0 < amount <= limit", "(and (< 0.0 amount) (<= amount limit))"),
        ("lost >= 2024-01-31", "(>= lost 738916.0)"),
        ("police == false", "(== police 0.0)"),
        ("area in ('urban', \"it's\")", "(in area 'urban' \"it's\")"),
        ("area not in ['urban']", "(not (in area 'urban'))"),
        ("missing(area) and not missing(lost)", "(and (missing area) (not (missing lost)))"),
        ("days_since(lost)", "(days_between reported lost)"),
        ("coalesce(amount, limit, 0)", "(coalesce amount limit 0.0)"),
        ("max(year(lost) - 2000, 0)", "(max (- (year lost) 2000.0) 0.0)"),
        ("1.5e3 * amount", "(* 1500.0 amount)"),
    ],
)
def test_what_is_read(text: str, tree: str) -> None:
    assert written(parse(text, KINDS, "reported")) == tree


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("amount / 2", "number"),
        ("amount > 2", "flag"),
        ("coalesce(lost, reported)", "date"),
        ("coalesce(area, 'none')", "text"),
        ("weekday(lost) in (5, 6)", "flag"),
    ],
)
def test_the_kind_of_the_result(text: str, kind: Kind) -> None:
    assert parse(text, KINDS).kind == kind


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "column 1: expected a value, a name or (, found the end"),
        ("amount +", "column 9: expected a value, a name or (, found the end"),
        ("amoun > 1", "column 1: there is no field amoun; did you mean amount?"),
        ("amount > 'x'", "column 10: > of a number and a text: both must be of one kind"),
        ("area < 'x'", "column 6: a text can only be compared with == or !="),
        ("reported - lost", "column 1: - needs a number, and this is a date: use days_between"),
        ("not amount", "column 5: not needs a flag, and this is a number"),
        ("amount and police", "column 1: and needs a flag, and this is a number"),
        ("amount limit", "column 8: expected the end, and, or, or an operator, found limit"),
        ("amount = 1", "column 8: = has no meaning here: == compares"),
        ("police & police", "column 8: & has no meaning here: write and"),
        ("area == 'x", "column 9: ' has no meaning here: the text has no closing quotation mark"),
        ("area == '  '", "column 9: no claim contains an empty text: use missing()"),
        ("lost > 2024-02-31", "column 8: 2024-02-31 is not a day of the calendar"),
        ("amount > 1e999", "column 10: 1e999 is too large"),
        ("(amount", "column 8: expected ), found the end"),
        ("amount in 3", "column 11: expected ( or [, found 3"),
        ("amount not 3", "column 12: expected in, found 3"),
        ("days_between(lost)", "column 1: days_between takes 2 operands, not 1"),
        ("weekday(amount)", "column 9: weekday needs a date, and this is a number"),
        ("coalesce(amount)", "column 1: coalesce takes 2 to 200 operands, not 1"),
        ("__import__('os')", "column 1: there is no field __import__"),
        ("amount.real", "column 7: . has no meaning here"),
        ("amount\x00", "column 7: \x00 has no meaning here"),
        ("days_since(lost)", "column 1: days_since counts to the claim's time, and x-event names"),
        ("1 +" * MAX_LENGTH, f"longer than {MAX_LENGTH:,} characters"),
        ("1+" * 400 + "1", "more than 300 words"),
        ("(" * (MAX_DEPTH + 1) + "1", f"nested more than {MAX_DEPTH} deep"),
        ("abs(" * (MAX_DEPTH + 1) + "1", f"nested more than {MAX_DEPTH} deep"),
    ],
)
def test_what_is_refused(text: str, fault: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        parse(text, KINDS)
    assert fault in str(refused.value)


def test_facts_that_are_used() -> None:
    node = parse("amount / coalesce(limit, amount) > 1 or police", KINDS)
    assert [fact.name for fact in facts_of(node)] == ["amount", "limit", "amount", "police"]
