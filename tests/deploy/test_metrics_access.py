"""The worker's port behind a token and TLS: probes, Prometheus as documented, the image's check."""

import json
import os
import re
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import yaml

from consumer.__main__ import main, operations
from consumer.settings.settings import Settings
from consumer.telemetry.health import Health
from consumer.telemetry.metrics import Metrics
from tests.broker import ports, wait
from tests.deploy import processes
from tests.deploy.tools import ROOT, need
from tests.http.test_access import Pair, self_signed

TOKEN = "a-token-nobody-would-guess"


class Guarded(NamedTuple):
    port: int
    pair: Pair
    metrics: Metrics

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def get(self, path: str, token: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        context = ssl.create_default_context(cafile=str(self.pair.certificate))
        return httpx.get(self.url + path, headers=headers, verify=context)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    need("openssl", "OpenSSL")
    pair = self_signed(tmp_path_factory.mktemp("tls"))
    (port,) = ports.free_ports(1)
    settings = Settings(
        instance_id="i", metrics_port=port, metrics_token=TOKEN,
        metrics_tls_cert=pair.certificate, metrics_tls_key=pair.key,
    )  # fmt: skip
    metrics, health = Metrics(), Health()
    with operations(settings, metrics, health):
        yield Guarded(port, pair, metrics)


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_need_no_token(guarded: Guarded, path: str) -> None:
    assert guarded.get(path).status_code == 200


def test_metrics_need_the_token(guarded: Guarded) -> None:
    assert guarded.get("/metrics").status_code == 401
    assert guarded.get("/metrics", TOKEN + "x").status_code == 401
    found = guarded.get("/metrics", TOKEN)
    assert found.status_code == 200
    assert "fraud_scorer" in found.text
    assert TOKEN not in found.text


def test_without_tls_nothing_is_answered(guarded: Guarded) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{guarded.port}/healthz")


def test_a_port_without_a_token_is_open() -> None:
    (port,) = ports.free_ports(1)
    with operations(Settings(instance_id="i", metrics_port=port), Metrics(), Health()):
        assert httpx.get(f"http://127.0.0.1:{port}/metrics").status_code == 200


def documented() -> dict[str, Any]:
    """The scrape configuration in docs/security.md."""
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (job,) = yaml.safe_load(block)
    assert isinstance(job, dict)
    return job


@pytest.mark.slow
def test_prometheus_scrapes_as_documented(guarded: Guarded, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    job = documented()
    job["authorization"]["credentials_file"] = str(tmp_path / "token")
    job["tls_config"] = {"ca_file": str(guarded.pair.certificate), "server_name": "127.0.0.1"}
    del job["dns_sd_configs"]
    job["static_configs"] = [{"targets": [f"127.0.0.1:{guarded.port}"]}]
    without = {**job, "job_name": "no-token"}
    del without["authorization"]
    config = {"global": {"scrape_interval": "1s"}, "scrape_configs": [job, without]}
    (port,) = ports.free_ports(1)

    def up(name: str) -> list[str]:
        return [found["value"][1] for found in processes.query(address, f'up{{job="{name}"}}')]

    with processes.prometheus(yaml.safe_dump(config), tmp_path, port) as address:
        wait.until(lambda: up(job["job_name"]) == ["1"], "a scrape with the token")
        wait.until(lambda: up("no-token") == ["0"], "a scrape without it")


def health_check(port: int, scheme: str) -> int:
    """Exit code of the HEALTHCHECK in the Dockerfile."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    (found,) = re.findall(r"^HEALTHCHECK .*\\\n\s*CMD (\[.*\])$", text, re.MULTILINE)
    _, *arguments = json.loads(found)
    environ = {**os.environ, "HEALTH_PORT": str(port), "HEALTH_SCHEME": scheme}
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environ, capture_output=True, check=False).returncode


def test_the_images_own_check_asks_over_tls_when_told_to(guarded: Guarded) -> None:
    assert health_check(guarded.port, "https") == 0
    assert health_check(guarded.port, "http") != 0


def test_the_images_own_check_sees_what_is_ill() -> None:
    (port,) = ports.free_ports(1)
    health = Health(healthy=(lambda: "the step commit hangs",))
    with operations(Settings(instance_id="i", metrics_port=port), Metrics(), health):
        assert health_check(port, "http") == 1
    assert health_check(port, "http") != 0


@pytest.mark.parametrize("command", ["run", "outcomes"])
def test_a_wrong_certificate_ends_the_command(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("METRICS_PORT", "0")
    monkeypatch.setenv("METRICS_TLS_CERT", "/nowhere.pem")
    assert main([command]) == 2
    assert "error: METRICS_TLS_CERT=/nowhere.pem" in capsys.readouterr().err
