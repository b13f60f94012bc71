"""Prometheus rules: valid, and every alert seen firing and silent."""

import subprocess
from pathlib import Path

import pytest

from tests.deploy.rules import RULE_TESTS, RULES, alerts, load
from tests.deploy.tools import DEPLOY, ROOT, need


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [need("promtool", "Prometheus"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def verdicts(name: str) -> set[bool]:
    """The states that the unit tests expect of the alert: firing, silent, or both."""
    return {
        bool(case.get("exp_alerts"))
        for path in RULE_TESTS
        for test in load(path)["tests"]
        for case in test.get("alert_rule_test", [])
        if case["alertname"] == name
    }


def test_the_rules_are_valid() -> None:
    done = promtool("check", "rules", *RULES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_configuration_is_valid() -> None:
    done = promtool("check", "config", DEPLOY / "prometheus" / "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.stem)
def test_the_rules_do_as_their_unit_tests_say(path: Path) -> None:
    done = promtool("test", "rules", path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", alerts())
def test_an_alert_is_seen_firing_and_silent(name: str) -> None:
    assert verdicts(name) == {True, False}


@pytest.mark.parametrize("name", alerts())
def test_an_alert_leads_to_its_section_of_the_runbook(name: str) -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    base = '{{ or $externalLabels.runbook "docs/runbook.md" }}'
    assert alerts()[name]["annotations"]["runbook_url"] == f"{base}#{name.lower()}"
    assert f"\n### {name}\n" in runbook


def test_the_runbook_has_no_section_of_an_alert_that_is_gone() -> None:
    lines = (ROOT / "docs" / "runbook.md").read_text().splitlines()
    assert {line[4:] for line in lines if line.startswith("### FraudScorer")} == set(alerts())
