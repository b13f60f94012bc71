"""Transparent rules alongside the model: read from a small file, evaluated on batch columns."""

import datetime as dt
import re
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
import numpy as np

from model.features.expressions import holds
from model.features.facts import ClaimFacts
from model.files.trusted import FileError, read_trusted
from schemas.alert import Decision, RuleHit
from schemas.contract.model import Contract
from schemas.expressions.grammar import parse as parse_expression
from schemas.expressions.nodes import (
    Constant,
    ExpressionError,
    Kind,
    Node,
    constants_of,
    facts_of,
)

SHIPPED: Final = Path(__file__).parents[1] / "rules"
"""Folder of the rules that come with the product, in files named after their contracts."""

MAX_VERSION: Final = 2**31 - 1
"""An alert carries the version; in Avro, as a long."""
MAX_RULES: Final = 1_000
MAX_CONDITIONS: Final = 100
MAX_CONDITION: Final = 500
MAX_TEXT: Final = 1_000
"""Characters. Every rule costs time per batch, and an alert carries all that its claim matches."""


class RuleError(ValueError):
    """A rule file cannot be used; the message names the file, the rule and what is wrong."""


class _Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule as written in the file."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    version: Annotated[int, msgspec.Meta(ge=1, le=MAX_VERSION)]
    when: Annotated[
        list[Annotated[str, msgspec.Meta(max_length=MAX_CONDITION)]],
        msgspec.Meta(max_length=MAX_CONDITIONS),
    ]
    outcome: Decision
    text: Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
    sensitive: list[str] = []


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rule: Annotated[list[_Rule], msgspec.Meta(max_length=MAX_RULES)]


class Rules:
    """Rules, ready to evaluate. Created by `load` and `parse`."""

    def __init__(self, rules: Sequence[tuple[RuleHit, Sequence[Node]]]) -> None:
        self._rules = rules

    def __len__(self) -> int:
        return len(self._rules)

    def looks_at(self) -> dict[str, tuple[str, ...]]:
        """Names of the facts that the conditions of each rule use, by the rule's id."""
        return {
            hit.id: tuple(dict.fromkeys(fact.name for node in nodes for fact in facts_of(node)))
            for hit, nodes in self._rules
        }

    def hits(self, facts: ClaimFacts) -> list[tuple[RuleHit, ...]]:
        """The rules that each claim matches, in the order of the file."""
        found: list[tuple[RuleHit, ...]] = [()] * len(facts)
        for hit, conditions in self._rules:
            mask = np.ones(len(facts), dtype=bool)
            for condition in conditions:
                mask &= holds(condition, facts)
            for row in np.flatnonzero(mask).tolist():
                found[row] += (hit,)
        return found


def shipped_rules(contract: Contract) -> Rules:
    """The rules that come with the product for contracts of that name; there may be none."""
    file = SHIPPED / f"{contract.about.name}.toml"
    if not file.is_file():
        return Rules([])
    try:
        return load(file, contract)
    except RuleError as error:
        raise RuleError(
            f"{error}. These rules come with the product for contracts named "
            f"{contract.about.name}: give this one another name, or set RULES_FILE"
        ) from error


def load(path: Path, contract: Contract) -> Rules:
    """Read a rule file.

    Raises:
        RuleError: it is missing or invalid, or anyone can replace it.
    """
    return parse(read_text(path), contract, path.name)


def read_text(path: Path) -> str:
    """The text of a rule file.

    Raises:
        RuleError: it is missing, or anyone can replace it.
    """
    try:
        return read_trusted(path).decode("utf-8-sig")
    except (FileError, UnicodeDecodeError) as error:
        raise RuleError(f"{path}: {error}") from error


def parse(text: str, contract: Contract, name: str = "rules") -> Rules:
    """Rules for claims of a contract, from the text of a file with that name.

    Raises:
        RuleError: not TOML, not in the format that `rules/auto.toml` describes, an id used twice, a
            condition that is not an expression or not true or false; or one on a personal or
            protected field that the rule does not list in `sensitive`, or whose value its text
            would reveal.
    """
    try:
        content = msgspec.convert(tomllib.loads(text), _File)
    except (
        ValueError,
        RecursionError,
    ) as error:  # ValueError: TOML's, or a number that is too long
        raise RuleError(f"{name}: {error}") from error
    for rule_id, count in Counter(rule.id for rule in content.rule).items():
        if count > 1:
            raise RuleError(f"{name}: two rules have the id {rule_id}")
    return Rules([_prepared(rule, contract, name) for rule in content.rule])


def _prepared(rule: _Rule, contract: Contract, name: str) -> tuple[RuleHit, list[Node]]:
    hit = RuleHit(id=rule.id, version=rule.version, outcome=rule.outcome, text=rule.text)
    if not rule.when:
        raise RuleError(f"{name}, rule {rule.id}: no condition")
    where = f"{name}, rule {rule.id}"
    conditions = [_condition(c, contract, f"{where}: {c!r}") for c in rule.when]
    _check_sensitive(rule, conditions, contract, where)
    return hit, conditions


def _condition(text: str, contract: Contract, where: str) -> Node:
    try:
        node = parse_expression(text, _kinds(contract), time=contract.event.time)
    except ExpressionError as error:
        raise RuleError(f"{where}, {error}") from None
    if node.kind != "flag":
        raise RuleError(f"{where} is a {node.kind}: a condition is true or false, as with > or ==")
    return node


def _kinds(contract: Contract) -> dict[str, Kind]:
    """Kinds of the facts that conditions use: the claim's own, and derived ones."""
    return {name: contract.kind_of(name) for name in (*contract.fields, *contract.derived)}


def _check_sensitive(
    rule: _Rule, conditions: Sequence[Node], contract: Contract, where: str
) -> None:
    """A rule uses personal or protected fields deliberately or not at all.

    Its id and text are published in alerts, so they must not reveal the values it compares with.
    """
    used = {fact.name for condition in conditions for fact in facts_of(condition)}
    sensitive = sorted(filter(contract.is_withheld, used))
    for name in sensitive:
        if name not in rule.sensitive:
            what = (
                f"a {contract.fields[name].role.value} field"
                if name in contract.fields
                else "derived from a personal or protected field"
            )
            raise RuleError(
                f"{where}: {name} is {what}; if the rule is meant to use it, "
                f'add sensitive = ["{name}"]'
            )
    for name in rule.sensitive:
        if name not in sensitive:
            raise RuleError(f"{where}: sensitive lists {name}, but no condition needs it")
    for condition in conditions:
        if any(fact.name in sensitive for fact in facts_of(condition)):
            for constant in constants_of(condition):
                _check_text(rule, constant, where)


def _shown(constant: Constant) -> str:
    """A constant as a text would show it."""
    if constant.kind == "date":
        return dt.date.fromordinal(int(constant.value)).isoformat()
    return f"{constant.value:g}" if isinstance(constant.value, float) else constant.value


def _check_text(rule: _Rule, constant: Constant, where: str) -> None:
    shown, value = f"{rule.id} {rule.text}", _shown(constant)
    reveals = bool(re.search(rf"(?<!\w){re.escape(value)}(?!\w)", shown, re.IGNORECASE))
    if constant.kind == "number":  # 25 may be written as 25.0 or 0x19
        numbers = map(float, re.findall(r"\d+(?:\.\d+)?", shown))
        reveals = reveals or abs(float(constant.value)) in numbers
    if reveals:
        raise RuleError(
            f"{where}: its id or text reveals the value {value} of a personal or protected field, "
            "and both are published in alerts: reword it"
        )
