"""POST /fraud-detection: time of one request, and requests per second on one core."""

import asyncio
import contextlib
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np

from benchmarks.process import Program, started
from tests.broker import ports
from tests.harness.process import module

CONNECTIONS: Final = 16
ARRAY: Final = 1_000
START_S: Final = 60.0
CONSTANT: Final = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


class Http(msgspec.Struct, frozen=True):
    """An endpoint on one core, the client on another; medians of the rounds."""

    server: str
    median_ms: float
    """For one connection, as the client sees it: the server's time and the loopback both ways."""
    p99_ms: float
    server_ms: float
    """CPU time of the server for one request."""
    constant_ms: float
    """CPU time of the same server for a request that it answers with a constant, GET /healthz."""
    requests_per_s: float
    connections: int
    array_claims_per_s: float
    """In arrays of `ARRAY` claims; NaN for earlier commits, which may refuse them."""


class Server(NamedTuple):
    """A server whose endpoint is measured."""

    name: str
    tree: Path
    model: Path
    python: str
    arrays: bool = False
    """It is also sent arrays."""


class _Round(NamedTuple):
    """What one round measured; see `Http`."""

    median_ms: float
    p99_ms: float
    server_ms: float
    constant_ms: float
    requests_per_s: float
    array_claims_per_s: float


def measure(
    servers: Sequence[Server],
    values: Sequence[bytes],
    cores: frozenset[int],
    requests: int,
    rounds: int,
) -> list[Http]:
    """Ask each server in turn, round after round, while the others are idle."""
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(_running(server, cores)) for server in servers]
        found: list[list[_Round]] = [[] for _ in servers]
        for number in range(rounds):
            for i in range(len(servers))[:: 1 - 2 * (number % 2)]:
                found[i].append(
                    asyncio.run(_measure(*running[i], values, requests, servers[i].arrays))
                )
    return [_http(server.name, some) for server, some in zip(servers, found, strict=True)]


def _http(name: str, rounds: Sequence[_Round]) -> Http:
    one = _Round(*map(statistics.median, zip(*rounds, strict=True)))
    return Http(name, *one[:5], CONNECTIONS, one.array_claims_per_s)


@contextlib.contextmanager
def _running(server: Server, cores: frozenset[int]) -> Iterator[tuple[Program, int]]:
    (port,) = ports.free_ports(1)
    environment = {
        "API_PORT": str(port), "MODEL_DIR": str(server.model), "INSTANCE_ID": "1",
        "LOG_LEVEL": "WARNING", "PYTHONPATH": str(server.tree),
    }  # fmt: skip
    python, *rest = module("consumer", "serve", python=server.python)
    with started([python, "-P", *rest], environment, cores, server.tree) as program:
        asyncio.run(_ready(program, port))
        yield program, port


async def _measure(
    program: Program, port: int, values: Sequence[bytes], requests: int, with_arrays: bool
) -> _Round:
    posts = [_post(value) for value in values]
    single, _ = await _load(port, posts, 1, max(200, requests // 10))
    before = program.usage().cpu_s
    times, seconds = await _load(port, posts, CONNECTIONS, requests)
    scored = program.usage().cpu_s
    constants, _ = await _load(port, [CONSTANT], CONNECTIONS, requests)
    constant = program.usage().cpu_s
    per_s = float("nan")
    if with_arrays:
        arrays = [_post(b"[%b]" % b",".join(some)) for some in _parts(values)]
        many, array_s = await _load(port, arrays, 1, max(5, requests // 200))
        per_s = len(many) * ARRAY / array_s
    return _Round(
        statistics.median(single) * 1e3,
        float(np.percentile(single, 99)) * 1e3,
        (scored - before) / len(times) * 1e3,
        (constant - scored) / len(constants) * 1e3,
        len(times) / seconds,
        per_s,
    )


def _parts(values: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(values) - ARRAY + 1, ARRAY):
        yield values[start : start + ARRAY]


def _post(body: bytes) -> bytes:
    return (
        b"POST /fraud-detection HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
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
    port: int, asked: Sequence[bytes], connections: int, requests: int
) -> tuple[list[float], float]:
    each = requests // connections
    begin = time.perf_counter()
    shares = await asyncio.gather(
        *(_client(port, asked[i * each :] or asked, each) for i in range(connections))
    )
    return [t for share in shares for t in share], time.perf_counter() - begin


async def _client(port: int, asked: Sequence[bytes], requests: int) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    times = []
    for i in range(requests):
        request = asked[i % len(asked)]
        begin = time.perf_counter()
        writer.write(request)
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
