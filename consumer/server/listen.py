"""Sockets to listen on, and their certificates."""

import errno
import socket
import ssl
from pathlib import Path
from typing import Final

from consumer.errors import SettingsError

BACKLOG: Final = 1_024
EVERYWHERE: Final = "::"
"""Every address of this host, IPv6 and IPv4."""


class HostError(SettingsError):
    """The host is not a name or an address of this machine: another port would not help."""


def listen(host: str, port: int, setting: str, host_setting: str = "") -> socket.socket:
    """Take the port now, so that a port in use is reported at startup with the setting's name.

    Args:
        host: a name or an address; ``::`` accepts IPv4 connections too.
        port: 0 for any free port.
        setting: the name of the port's setting.
        host_setting: the name of the host's, if it has one.

    Raises:
        HostError: the host is at fault.
        SettingsError: the address cannot be listened on.
    """
    try:
        family, address = _resolved(host.strip("[]"), port)
        dual = family == socket.AF_INET6 and address[0] == EVERYWHERE
        return socket.create_server(
            address,
            family=family,
            backlog=BACKLOG,
            dualstack_ipv6=dual and socket.has_dualstack_ipv6(),
        )
    except (OSError, UnicodeError) as error:  # UnicodeError: not a valid host name
        if host_setting and _is_of_host(error):
            raise HostError(
                f"{host_setting}={host!r}: not a name or an address of this host to listen on: "
                f"{error}"
            ) from error
        raise SettingsError(f"{setting}={port}: cannot listen on {host}: {error}") from error


def _is_of_host(error: OSError | UnicodeError) -> bool:
    if isinstance(error, UnicodeError | socket.gaierror):
        return True
    return error.errno in {errno.EADDRNOTAVAIL, errno.EINVAL}


def everywhere() -> str:
    """The host that means every address: IPv6 and IPv4 if both exist, else IPv4."""
    return EVERYWHERE if socket.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104 - scraped, probed


def _resolved(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    """The family and address of a host; IPv4 if a name has both."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
    return family, address  # type: ignore[return-value]  # an IPv6 address has two more numbers


def tls(
    certificate: Path | None, key: Path | None, settings: str = "API_TLS"
) -> ssl.SSLContext | None:
    """TLS 1.2 or newer with this certificate chain, None without one.

    Args:
        certificate: PEM file; the server's certificate first.
        key: PEM file; None if the key is in the certificate's file.
        settings: common prefix of the two settings' names.

    Raises:
        SettingsError: a file cannot be read, or the two do not match.
    """
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # An empty password instead of a prompt that nobody could answer.
        context.load_cert_chain(certificate, key, password="")
    except OSError as error:
        raise SettingsError(
            f"{settings}_CERT={certificate} {settings}_KEY={key}: {error}"
        ) from error
    return context
