"""Transparent rules alongside the model: read from a small file, evaluated on batch columns."""

import datetime as dt
import math
import operator
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from model.arrays import Flags
from model.features.columns import Fields
from model.features.vocabulary import clean
from model.files.trusted import FileError, read_trusted
from schemas.alert import Decision, RuleHit
from schemas.claim import Role, field_schemas, role_of

DEFAULT_FILE: Final = Path(__file__).parents[1] / "rules.toml"

MAX_VERSION: Final = 2**31 - 1
"""An alert carries the version; in Avro, as a long."""
MAX_RULES: Final = 1_000
MAX_CONDITIONS: Final = 100
MAX_CONDITION: Final = 500
MAX_TEXT: Final = 1_000
"""Characters. Every rule costs time per batch, and an alert carries all that its claim matches."""

Kind = Literal["number", "date", "text", "flag"]

_OPERATORS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
SENSITIVE: Final = frozenset({Role.PERSONAL, Role.PROTECTED})
"""Roles of fields that a rule may use only if it declares them."""
_CONDITION: Final = re.compile(r"\s*(\w+)\s*(<=|>=|==|!=|<|>)\s*(.+?)\s*")
_KINDS: Final[Mapping[str, Kind]] = {"boolean": "flag", "integer": "number", "number": "number"}


class RuleError(ValueError):
    """A rule file cannot be used; the message names the file, the rule and what is wrong."""


class _Side(NamedTuple):
    """A field, or otherwise a constant."""

    kind: Kind
    field: str | None
    constant: float | str = 0.0


class _Condition(NamedTuple):
    left: _Side
    compare: Callable[[Any, Any], Any]
    right: _Side
    written: str
    """The right side as written in the file, without quotation marks."""


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

    def __init__(self, rules: Sequence[tuple[RuleHit, Sequence[_Condition]]]) -> None:
        self._rules = rules

    def __len__(self) -> int:
        return len(self._rules)

    def hits(self, fields: Fields) -> list[tuple[RuleHit, ...]]:
        """The rules that each claim matches, in the order of the file."""
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
        RuleError: it is missing or invalid, or anyone can replace it.
    """
    try:
        return parse(read_trusted(path).decode("utf-8-sig"), path.name)
    except (FileError, UnicodeDecodeError) as error:
        raise RuleError(f"{path}: {error}") from error


def parse(text: str, name: str = "rules") -> Rules:
    """Rules from the text of a file with that name.

    Raises:
        RuleError: not TOML, not in the format that `rules.toml` describes, an id used twice, a
            condition that uses no claim field, compares incomparable things or is meaningless;
            or one on a personal or protected field that the rule does not list in
            `sensitive`, or whose value its text would reveal.
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
    return Rules([_prepared(rule, name) for rule in content.rule])


def _prepared(rule: _Rule, name: str) -> tuple[RuleHit, list[_Condition]]:
    hit = RuleHit(id=rule.id, version=rule.version, outcome=rule.outcome, text=rule.text)
    if not rule.when:
        raise RuleError(f"{name}, rule {rule.id}: no condition")
    conditions = [_condition(c, f"{name}, rule {rule.id}: {c!r}") for c in rule.when]
    _check_sensitive(rule, conditions, f"{name}, rule {rule.id}")
    return hit, conditions


def _check_sensitive(rule: _Rule, conditions: Sequence[_Condition], where: str) -> None:
    """A rule uses personal or protected fields deliberately or not at all.

    Its id and text are published in alerts, so they must not reveal the value it compares with.
    """
    used = {side.field for c in conditions for side in (c.left, c.right) if side.field}
    sensitive = sorted(name for name in used if role_of(name) in SENSITIVE)
    for name in sensitive:
        if name not in rule.sensitive:
            raise RuleError(
                f"{where}: {name} is a {role_of(name).value} field; if the rule is meant to use "
                f'it, add sensitive = ["{name}"]'
            )
    for name in rule.sensitive:
        if name not in sensitive:
            raise RuleError(f"{where}: sensitive lists {name}, but no condition needs it")
    for condition in conditions:
        if condition.left.field in sensitive and condition.right.field is None:
            _check_text(rule, condition, where)


def _check_text(rule: _Rule, condition: _Condition, where: str) -> None:
    shown, value = f"{rule.id} {rule.text}", condition.written
    reveals = bool(re.search(rf"(?<!\w){re.escape(value)}(?!\w)", shown, re.IGNORECASE))
    if condition.right.kind == "number":  # 25 may be written as 25.0 or 0x19
        numbers = map(float, re.findall(r"\d+(?:\.\d+)?", shown))
        reveals = reveals or abs(float(condition.right.constant)) in numbers
    if reveals:
        raise RuleError(
            f"{where}: its id or text reveals the value {value} of a personal or protected field, "
            "and both are published in alerts: reword it"
        )


def _condition(text: str, where: str) -> _Condition:
    parts = _CONDITION.fullmatch(text)
    if parts is None:
        raise RuleError(f"{where} is not FIELD OPERATOR FIELD or VALUE")
    left, right = _field(parts[1]), _field(parts[3]) or _value(parts[3])
    if left is None or right is None:
        raise RuleError(f"{where}: {parts[1] if left is None else parts[3]} is not a claim field")
    if left.kind != right.kind:
        raise RuleError(f"{where} compares a {left.kind} with a {right.kind}")
    if left.kind in ("text", "flag") and parts[2] not in ("==", "!="):
        raise RuleError(f"{where}: a {left.kind} can only be compared with == or !=")
    if _says_nothing(right.constant):
        raise RuleError(
            f"{where}: comparing with {parts[3]} is meaningless, as no claim contains it"
        )
    return _Condition(left, _OPERATORS[parts[2]], right, parts[3].strip("\"'"))


def _says_nothing(constant: float | str) -> bool:
    return constant == "" or (isinstance(constant, float) and not math.isfinite(constant))


def _field(name: str) -> _Side | None:
    schema = field_schemas().get(name)
    if schema is None:
        return None
    shape = next(b for b in schema.get("anyOf", [schema]) if b.get("type") != "null")
    if shape["type"] == "string":
        return _Side("date" if shape.get("format") == "date" else "text", name)
    return _Side(_KINDS[shape["type"]], name)


def _value(text: str) -> _Side | None:
    # A value is written as in TOML, whose parser handles numbers, flags, texts and dates.
    try:
        value = tomllib.loads(f"value = {text}")["value"]
        if isinstance(value, bool):
            return _Side("flag", None, float(value))
        if isinstance(value, int | float):
            return _Side("number", None, float(value))
    except (ValueError, OverflowError, RecursionError):  # not TOML, or a number too large
        return None
    if isinstance(value, str):
        return _Side("text", None, clean(value) or "")
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return _Side("date", None, float(value.toordinal()))
    return None


class _Columns:
    """Columns of a batch, each created at most once."""

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self._made: dict[str, npt.NDArray[Any]] = {}

    def holds(self, condition: _Condition) -> Flags:
        """Where a condition holds, shape (n_claims,)."""
        left, right = self._side(condition.left), self._side(condition.right)
        mask: Flags = np.asarray(condition.compare(left, right), dtype=bool)
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
