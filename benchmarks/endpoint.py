"""POST /fraud-detection: time of one request, and requests per second on one core."""

import asyncio
import statistics
import time
from collections.abc import Sequence
from typing import Final

import msgspec

from benchmarks.contenders import PRODUCT
from benchmarks.process import Program, started
from benchmarks.workload import Workload
from tests.broker import ports
from tests.harness.process import module

CONNECTIONS: Final = 16
START_S: Final = 60.0


class Http(msgspec.Struct, frozen=True):
    """The endpoint on one core, the client on another."""

    median_ms: float
    """Of one connection, as the client sees it: the server's time and two ways of the loopback."""
    p99_ms: float
    server_ms: float
    """CPU time of the server for one request."""
    requests_per_s: float
    connections: int


def measure(workload: Workload, cores: frozenset[int], requests: int) -> Http:
    """Start the endpoint; ask it one at a time, then over several connections at once."""
    (port,) = ports.free_ports(1)
    environment = {
        "API_PORT": str(port), "MODEL_DIR": str(workload.model), "INSTANCE_ID": PRODUCT,
        "LOG_LEVEL": "WARNING",
    }  # fmt: skip
    with started(module("consumer", "serve"), environment, cores) as program:
        return asyncio.run(_measure(program, port, workload.values, requests))


async def _measure(program: Program, port: int, values: Sequence[bytes], requests: int) -> Http:
    await _ready(program, port)
    single, _ = await _load(port, values, 1, max(200, requests // 10))
    before = program.usage().cpu_s
    times, seconds = await _load(port, values, CONNECTIONS, requests)
    used = (program.usage().cpu_s - before) / len(times) * 1e3
    ordered = sorted(single)
    return Http(
        statistics.median(single) * 1e3,
        ordered[int(len(ordered) * 0.99)] * 1e3,
        used,
        len(times) / seconds,
        CONNECTIONS,
    )


async def _ready(program: Program, port: int) -> None:
    deadline = time.perf_counter() + START_S
    while time.perf_counter() < deadline:
        program.check()
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return
    raise TimeoutError(f"the endpoint does not listen: {program.tail()}")


async def _load(
    port: int, values: Sequence[bytes], connections: int, requests: int
) -> tuple[list[float], float]:
    each = requests // connections
    begin = time.perf_counter()
    shares = await asyncio.gather(
        *(_client(port, values[i * each :] or values, each) for i in range(connections))
    )
    return [t for share in shares for t in share], time.perf_counter() - begin


async def _client(port: int, values: Sequence[bytes], requests: int) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    times = []
    for i in range(requests):
        body = values[i % len(values)]
        begin = time.perf_counter()
        writer.write(
            b"POST /fraud-detection HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        status, answer = await _answer(reader)
        times.append(time.perf_counter() - begin)
        assert status == 200, f"{status}: {answer!r}"
    writer.close()
    return times


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines if line)
    return int(status.split()[1]), await reader.readexactly(int(headers["content-length"]))
