"""Checks whether the ports of a worker and of `serve` are free, or used by a running process."""

import http.client
import ssl
from collections.abc import Iterator
from typing import Final, NamedTuple

from consumer.doctor.findings import Diagnosis, ok, warning, wrong
from consumer.errors import SettingsError
from consumer.in_time import in_time
from consumer.server.listen import HostError, everywhere, listen
from consumer.settings.settings import Settings

ANSWER_S: Final = 2.0
"""For the whole answer to /healthz."""


class DoctorPort(NamedTuple):
    """A port to listen on."""

    setting: str
    number: int
    refusal: str | None
    """Why it cannot be used; None if it can."""
    healthz: bool = False
    """True if the process that uses it answers /healthz as this product does."""
    wrong_host: str = ""
    """The setting of the host, if that is what cannot be used."""


def ports(settings: Settings) -> Iterator[Diagnosis]:
    """Check METRICS_PORT, which every worker needs, and API_PORT, which only `serve` needs."""
    metrics = look_at(
        "METRICS_PORT", everywhere(), settings.metrics_port, settings.metrics_tls_cert is not None
    )
    yield judge(metrics, needed=True)
    secure = settings.api_tls_cert is not None
    api = look_at("API_PORT", settings.api_host, settings.api_port, secure, "API_HOST")
    yield judge(api, needed=False)


def look_at(
    setting: str,
    host: str,
    port: int,
    secure: bool,
    host_setting: str = "",
    answer_s: float = ANSWER_S,
) -> DoctorPort:
    """Listen on the port for a moment; if it is in use, request /healthz from its owner.

    Args:
        setting: the port's setting.
        host: to listen on.
        port: its number.
        secure: whether its owner would use TLS.
        host_setting: the host's setting, if there is one.
        answer_s: seconds for the whole answer.
    """
    try:
        listen(host, port, setting, host_setting).close()
    except HostError as error:
        return DoctorPort(setting, port, str(error), wrong_host=host_setting)
    except SettingsError as error:
        wildcard = host.strip("[]") in {"::", "0.0.0.0"}  # noqa: S104 - compared, not listened on
        asked = "127.0.0.1" if wildcard else host.strip("[]")
        return DoctorPort(
            setting, port, str(error), _answers_in_time(asked, port, secure, answer_s)
        )
    return DoctorPort(setting, port, None)


def _answers_in_time(host: str, port: int, secure: bool, answer_s: float) -> bool:
    try:
        return in_time(answer_s, lambda: _answers(host, port, secure, answer_s))
    except TimeoutError:
        return False


def _answers(host: str, port: int, secure: bool, answer_s: float) -> bool:
    connection = (
        http.client.HTTPSConnection(host, port, timeout=answer_s, context=_unchecked())
        if secure
        else http.client.HTTPConnection(host, port, timeout=answer_s)
    )
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        return answer.status in {200, 503} and "text/plain" in answer.getheader("content-type", "")
    except (OSError, UnicodeError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _unchecked() -> ssl.SSLContext:
    """A context without verification: only the local process's answer matters, not its name."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def judge(port: DoctorPort, *, needed: bool) -> Diagnosis:
    """A port in use is fine only if a process of this product uses it."""
    if port.refusal is None:
        where = "any free port" if port.number == 0 else f"{port.number} is free"
        return ok(port.setting, where)
    if port.healthz:
        return ok(port.setting, f"{port.number} is in use by a process that answers /healthz")
    if port.wrong_host:
        advice = f"set {port.wrong_host} to an address of this host, or to :: for all"
        return warning(port.wrong_host, f"{port.refusal}; serve would not start", advice)
    advice = f"stop the program that uses it, or choose another {port.setting}"
    if needed:
        return wrong(port.setting, port.refusal, advice, SettingsError.exit_code)
    return warning(port.setting, f"{port.refusal}; serve would not start", advice)
