"""Ports are not given out twice, and not from those of outgoing connections."""

import socket
import subprocess
import sys

from tests.broker import ports


def test_ports_differ_and_are_not_outgoing_ones() -> None:
    found = ports.free_ports(20)
    assert len(set(found)) == 20
    with socket.create_server(("127.0.0.1", 0)) as outgoing:
        assert max(found) < outgoing.getsockname()[1]


def test_a_port_stays_with_the_process_that_has_it() -> None:
    (port,) = ports.free_ports(1)
    ask = f"from tests.broker import ports; print(ports._reserved({port}))"
    other = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert other.stdout == "False\n"


def test_a_port_in_use_is_not_free() -> None:
    (port,) = ports.free_ports(1)
    assert ports._free(port)
    with socket.create_server(("127.0.0.1", port)):
        assert not ports._free(port)
