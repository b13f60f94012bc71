"""Grafana: dashboards agree with its schema and with what is provisioned."""

import itertools
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.deploy.rules import VARIABLES, alerts, dashboards, load, panels
from tests.deploy.tools import DEPLOY

UNITS = {value for name, value in vars(units).items() if isinstance(value, str) and name[0] != "_"}

SERIES = re.compile(r"\b((?:fraud_scorer|process)[a-z0-9_:]*|up)\b({[^}]*})?")


def lost(written: Any, read: Any, path: str = "$") -> Iterator[str]:
    """Whatever reading with the schema's types drops or changes: it is not in the schema."""
    if isinstance(written, dict) and isinstance(read, dict):
        for name, value in written.items():
            if name in read:
                yield from lost(value, read[name], f"{path}.{name}")
            elif value is not None:
                yield f"{path}.{name}"
    elif isinstance(written, list) and isinstance(read, list) and len(written) == len(read):
        for place, (one, other) in enumerate(zip(written, read, strict=True)):
            yield from lost(one, other, f"{path}[{place}]")
    elif written != read:
        yield path


def as_read(dashboard: dict[str, Any]) -> Any:
    plugins.register_default_plugins()
    return msgspec.json.decode(JSONEncoder().encode(Dashboard.from_json(dashboard)))


@pytest.mark.parametrize("dashboard", dashboards(), ids=lambda dashboard: dashboard["uid"])
class TestDashboard:
    def test_agrees_with_the_schema(self, dashboard: dict[str, Any]) -> None:
        assert list(lost(dashboard, as_read(dashboard))) == []

    def test_the_check_finds_what_is_not_of_the_schema(self, dashboard: dict[str, Any]) -> None:
        broken = msgspec.json.decode(msgspec.json.encode(dashboard))
        panel = next(p for p in broken["panels"] if p["type"] == "timeseries")
        panel["options"]["legend"]["plcement"] = "bottom"
        panel["targets"][0]["expression"] = "up"
        assert [path.rpartition(".")[2] for path in lost(broken, as_read(broken))] == [
            "expression",
            "plcement",
        ]

    def test_reads_from_the_data_source_that_is_chosen_first_the_one_provisioned(
        self, dashboard: dict[str, Any]
    ) -> None:
        (source,) = load(DEPLOY / "grafana/provisioning/datasources/prometheus.yml")["datasources"]
        variable = variables(dashboard)["datasource"]
        assert variable["query"] == source["type"]
        assert variable["current"]["value"] == source["uid"]
        assert variable["current"]["text"] == source["name"]
        wanted = {"type": source["type"], "uid": "${datasource}"}
        for panel in panels(dashboard):
            assert panel["datasource"] == wanted
            assert all(target["datasource"] == wanted for target in panel["targets"])

    def test_every_series_is_of_the_environment_and_the_jobs_that_are_chosen(
        self, dashboard: dict[str, Any]
    ) -> None:
        found = variables(dashboard)
        assert found["job"]["current"]["value"] == VARIABLES["$job"]
        assert found["environment"]["allValue"] == VARIABLES["$environment"]
        shown = [target["expr"] for panel in panels(dashboard) for target in panel["targets"]]
        shown += [note["expr"] for note in dashboard["annotations"]["list"]]
        for expression in shown:
            series = SERIES.findall(expression)
            assert series, expression
            for name, labels in series:
                assert 'environment=~"$environment"' in labels, expression
                assert ":" in name or re.search(r'job=~?"\$job-', labels), expression
        assert "fraud-scorer-" not in " ".join(shown)

    def test_every_unit_is_one_of_grafana(self, dashboard: dict[str, Any]) -> None:
        found = {p["fieldConfig"]["defaults"].get("unit", "none") for p in panels(dashboard)}
        assert found <= UNITS

    def test_every_panel_says_what_it_shows(self, dashboard: dict[str, Any]) -> None:
        assert all(panel["title"] and panel["description"] for panel in panels(dashboard))

    def test_links_lead_to_sections_of_the_runbook(self, dashboard: dict[str, Any]) -> None:
        base = "${" + variables(dashboard)["runbook"]["name"] + "}"
        assert [link["url"] for link in dashboard["links"]] == [base]
        links = [link["url"] for panel in panels(dashboard) for link in panel.get("links", ())]
        assert links
        assert set(links) <= {f"{base}#{name.lower()}" for name in alerts()}

    def test_every_panel_says_what_it_means_that_there_is_nothing(
        self, dashboard: dict[str, Any]
    ) -> None:
        assert all(panel["fieldConfig"]["defaults"]["noValue"] for panel in panels(dashboard))

    def test_no_panel_hides_another(self, dashboard: dict[str, Any]) -> None:
        ids = [panel["id"] for panel in dashboard["panels"]]
        assert len(set(ids)) == len(ids)
        for one, other in itertools.combinations(dashboard["panels"], 2):
            assert apart(one["gridPos"], other["gridPos"]), (one["title"], other["title"])


def variables(dashboard: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {variable["name"]: variable for variable in dashboard["templating"]["list"]}


def apart(one: dict[str, int], other: dict[str, int]) -> bool:
    beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
    above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
    return beside or above


def test_the_dashboards_are_where_grafana_looks() -> None:
    (provider,) = load(DEPLOY / "grafana/provisioning/dashboards/fraud-scorer.yml")["providers"]
    compose = load(DEPLOY.parent / "docker-compose.yml")["services"]["grafana"]
    mounts = {inside: outside for outside, inside, *_ in (v.split(":") for v in compose["volumes"])}
    assert mounts[provider["options"]["path"]] == "./deploy/grafana/dashboards"
    assert mounts["/etc/grafana/provisioning"] == "./deploy/grafana/provisioning"
    home = compose["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (DEPLOY / "grafana" / "dashboards" / home.rpartition("/")[2]).is_file()
