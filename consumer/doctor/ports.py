"""Whether the ports of a worker and of `serve` are free, or taken by one that runs already."""

import http.client
import ssl
from collections.abc import Iterator
from typing import Final, NamedTuple

from consumer.doctor.findings import Finding, ok, warning, wrong
from consumer.errors import SettingsError
from consumer.server.listen import everywhere, listen
from consumer.settings.settings import Settings

ANSWER_S: Final = 2.0


class Port(NamedTuple):
    """A port that is about to be listened on."""

    setting: str
    number: int
    refusal: str | None
    """Why it cannot be listened on; None when it can."""
    healthz: bool = False
    """Whether whoever has it answers /healthz as this product does."""


def ports(settings: Settings) -> Iterator[Finding]:
    """METRICS_PORT, without which no worker starts, and API_PORT, which only `serve` needs."""
    metrics = look_at(
        "METRICS_PORT", everywhere(), settings.metrics_port, settings.metrics_tls_cert is not None
    )
    yield judge(metrics, needed=True)
    api = look_at(
        "API_PORT", settings.api_host, settings.api_port, settings.api_tls_cert is not None
    )
    yield judge(api, needed=False)


def look_at(setting: str, host: str, port: int, secure: bool) -> Port:
    """Listen on the port for a moment; if it is taken, ask whoever has it for /healthz."""
    try:
        listen(host, port, setting).close()
    except SettingsError as error:
        wildcard = host.strip("[]") in {"::", "0.0.0.0"}  # noqa: S104 - compared, not listened on
        asked = "127.0.0.1" if wildcard else host.strip("[]")
        return Port(setting, port, str(error), _answers(asked, port, secure))
    return Port(setting, port, None)


def _answers(host: str, port: int, secure: bool) -> bool:
    connection = (
        http.client.HTTPSConnection(host, port, timeout=ANSWER_S, context=_unchecked())
        if secure
        else http.client.HTTPConnection(host, port, timeout=ANSWER_S)
    )
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        return answer.status in {200, 503} and "text/plain" in answer.getheader("content-type", "")
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _unchecked() -> ssl.SSLContext:
    """Of whoever has a port of this machine only the answer is of interest, not the name."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def judge(port: Port, *, needed: bool) -> Finding:
    """A taken port is in order only if a process of this product has it."""
    if port.refusal is None:
        where = "any free port" if port.number == 0 else f"{port.number} is free"
        return ok(port.setting, where)
    if port.healthz:
        return ok(port.setting, f"{port.number} is in use by a process that answers /healthz")
    advice = f"stop the program that uses it, or choose another {port.setting}"
    if needed:
        return wrong(port.setting, port.refusal, advice, SettingsError.exit_code)
    return warning(port.setting, f"{port.refusal}; serve would not start", advice)
