"""Transparent rules beside the model: read from a small file, evaluated on columns of a batch."""

import operator
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from model.columns import Fields
from model.vocabulary import clean
from schemas.alert import Decision, RuleHit
from schemas.claim import field_schemas

DEFAULT_FILE: Final = Path(__file__).with_name("rules.toml")

MAX_VERSION: Final = 2**31 - 1
"""An alert carries the version, in Avro as a long."""

Kind = Literal["number", "date", "text", "flag"]
Mask = npt.NDArray[np.bool_]

_OPERATORS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_CONDITION: Final = re.compile(r"\s*(\w+)\s*(<=|>=|==|!=|<|>)\s*(.+?)\s*")
_KINDS: Final[Mapping[str, Kind]] = {"boolean": "flag", "integer": "number", "number": "number"}


class RuleError(ValueError):
    """A rule file cannot be used; the message names the file, the rule and what is wrong."""


class _Side(NamedTuple):
    """A field, or if it has none a constant."""

    kind: Kind
    field: str | None
    constant: float | str = 0.0


class _Condition(NamedTuple):
    left: _Side
    compare: Callable[[Any, Any], Any]
    right: _Side


class _Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule as the file has it."""

    id: str
    version: Annotated[int, msgspec.Meta(ge=1, le=MAX_VERSION)]
    when: list[str]
    outcome: Decision
    text: str


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rule: list[_Rule]


class Rules:
    """Rules, ready to evaluate. `load` and `parse` make them."""

    def __init__(self, rules: Sequence[tuple[RuleHit, Sequence[_Condition]]]) -> None:
        self._rules = rules

    def __len__(self) -> int:
        return len(self._rules)

    def hits(self, fields: Fields) -> list[tuple[RuleHit, ...]]:
        """The rules that each claim meets, in the order of the file."""
        found: list[tuple[RuleHit, ...]] = [()] * len(fields)
        columns = _Columns(fields)
        for hit, conditions in self._rules:
            mask = np.ones(len(fields), dtype=bool)
            for condition in conditions:
                mask &= columns.holds(condition)
            for row in np.flatnonzero(mask).tolist():
                found[row] += (hit,)
        return found


def load(path: Path = DEFAULT_FILE) -> Rules:
    """Read a rule file.

    Raises:
        RuleError: it is missing or wrong.
    """
    try:
        return parse(path.read_text(encoding="utf-8-sig"), path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise RuleError(f"{path}: {error}") from error


def parse(text: str, name: str = "rules") -> Rules:
    """Rules from the text of a file of that name.

    Raises:
        RuleError: not TOML, not of the form that `rules.toml` describes, an id used twice, a
            condition about no field of a claim or between things that cannot be compared.
    """
    try:
        content = msgspec.convert(tomllib.loads(text), _File)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise RuleError(f"{name}: {error}") from error
    ids = [rule.id for rule in content.rule]
    for rule_id in ids:
        if ids.count(rule_id) > 1:
            raise RuleError(f"{name}: two rules have the id {rule_id}")
    return Rules([_prepared(rule, name) for rule in content.rule])


def _prepared(rule: _Rule, name: str) -> tuple[RuleHit, list[_Condition]]:
    hit = RuleHit(id=rule.id, version=rule.version, outcome=rule.outcome, text=rule.text)
    if not rule.when:
        raise RuleError(f"{name}, rule {rule.id}: no condition")
    return hit, [_condition(c, f"{name}, rule {rule.id}: {c!r}") for c in rule.when]


def _condition(text: str, where: str) -> _Condition:
    parts = _CONDITION.fullmatch(text)
    if parts is None:
        raise RuleError(f"{where} is no FIELD OPERATOR FIELD or VALUE")
    left, right = _field(parts[1]), _field(parts[3]) or _value(parts[3])
    if left is None or right is None:
        raise RuleError(f"{where}: {parts[1] if left is None else parts[3]} is no field of a claim")
    if left.kind != right.kind:
        raise RuleError(f"{where} compares a {left.kind} with a {right.kind}")
    if left.kind in ("text", "flag") and parts[2] not in ("==", "!="):
        raise RuleError(f"{where}: of a {left.kind} only == and != can be asked")
    return _Condition(left, _OPERATORS[parts[2]], right)


def _field(name: str) -> _Side | None:
    schema = field_schemas().get(name)
    if schema is None:
        return None
    shape = next(b for b in schema.get("anyOf", [schema]) if b.get("type") != "null")
    if shape["type"] == "string":
        return _Side("date" if shape.get("format") == "date" else "text", name)
    return _Side(_KINDS[shape["type"]], name)


def _value(text: str) -> _Side | None:
    # A value is written as in TOML, whose parser knows numbers, flags, texts and dates.
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return None
    if isinstance(value, bool):
        return _Side("flag", None, float(value))
    if isinstance(value, int | float):
        return _Side("number", None, float(value))
    if isinstance(value, str):
        return _Side("text", None, clean(value) or "")
    return _Side("date", None, float(value.toordinal())) if hasattr(value, "toordinal") else None


class _Columns:
    """Columns of a batch, each made at most once."""

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self._made: dict[str, npt.NDArray[Any]] = {}

    def holds(self, condition: _Condition) -> Mask:
        """Where a condition holds, shape (n_claims,)."""
        left, right = self._side(condition.left), self._side(condition.right)
        mask: Mask = np.asarray(condition.compare(left, right), dtype=bool)
        mask &= self._present(condition.left)
        mask &= self._present(condition.right)
        return mask

    def _side(self, side: _Side) -> Any:
        if side.field is None:
            return side.constant
        if side.field not in self._made:
            self._made[side.field] = self._column(side.field, side.kind)
        return self._made[side.field]

    def _column(self, name: str, kind: Kind) -> npt.NDArray[Any]:
        """Dates as ordinals, numbers and flags as floats with NaN, texts with '' for missing."""
        if kind == "date":
            return self._fields.day(name)
        if kind != "text":
            return self._fields.number(name)
        values = self._fields.raw(name)
        cleaned = {value: clean(value) or "" for value in set(values)}
        return np.array([cleaned[value] for value in values], dtype=object)

    def _present(self, side: _Side) -> Any:
        if side.field is None:
            return True
        column = self._made[side.field]
        return column != "" if side.kind == "text" else ~np.isnan(column)
