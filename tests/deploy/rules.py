"""The checked-in rules and dashboards, and every PromQL expression in them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.deploy.tools import DEPLOY

RULES = sorted((DEPLOY / "prometheus" / "rules").glob("*.yml"))
RULE_TESTS = sorted((DEPLOY / "prometheus" / "tests").glob("*.yml"))
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))

VARIABLES = {"$__rate_interval": "10s", "$job": "fraud-scorer", "$environment": ".*"}
"""Of dashboards, with the values they have at first."""

_LABELS = re.compile(r"(\{[^}]*\})")
_COMPARISON = re.compile(r"(==|!=|>=|<=|<|>)(?!\s*bool)")
_ABSENT = re.compile(r"absent\((.*)\)", re.DOTALL)
_METRIC = re.compile(r"\b(?:fraud_scorer|process)[a-z0-9_:]*\b|\bup\b")


class Expression(NamedTuple):
    """One expression and where it stands."""

    place: str
    text: str

    @property
    def metrics(self) -> set[str]:
        """Names of the series it reads."""
        return set(_METRIC.findall("".join(_LABELS.split(self.text)[::2])))

    @property
    def answer(self) -> str:
        """The expression so that it answers whether or not its condition holds.

        A comparison drops what does not meet it; with ``bool`` it answers 0 or 1. What is looked
        for a week back is looked for a second back: there is no week in a test.
        """
        text = _ABSENT.sub(r"\1", self.text)
        parts = _LABELS.split(text)
        parts[::2] = [_COMPARISON.sub(r"\1 bool", part) for part in parts[::2]]
        found = "".join(parts).replace("offset 1w", "offset 1s")
        for variable, value in VARIABLES.items():
            found = found.replace(variable, value)
        return found


def load(path: Path) -> Any:
    """A YAML file."""
    return yaml.safe_load(path.read_text())


def rules() -> Iterator[dict[str, Any]]:
    """Every recording and alert rule."""
    for path in RULES:
        for group in load(path)["groups"]:
            yield from group["rules"]


def alerts() -> dict[str, dict[str, Any]]:
    """Alert rules by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def dashboards() -> list[dict[str, Any]]:
    """Every dashboard."""
    return [json.loads(path.read_text()) for path in DASHBOARDS]


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Panels of a dashboard that show something."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def expressions() -> list[Expression]:
    """Every expression in rules and dashboards."""
    return [
        *(Expression(r.get("alert") or r["record"], r["expr"]) for r in rules()),
        *(shown for dashboard in dashboards() for shown in _shown(dashboard)),
    ]


def _shown(dashboard: dict[str, Any]) -> Iterator[Expression]:
    for note in dashboard["annotations"]["list"]:
        yield Expression(f"annotation {note['name']}", note["expr"])
    for panel in panels(dashboard):
        for target in panel["targets"]:
            yield Expression(f"{panel['title']} {target['refId']}", target["expr"])
