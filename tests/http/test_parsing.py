"""Requests out of bytes: what is ambiguous is refused, what is too much is not kept."""

from collections.abc import Iterable

import pytest

from consumer.server.limits import Limits, RefusalError
from consumer.server.parsing import Head, RequestParser

CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


class Kept:
    """The parser's calls, in order."""

    def __init__(self) -> None:
        self.heads: list[Head] = []
        self.bodies: list[bytes] = []
        self.whole = 0

    def begin(self) -> None:
        pass

    def head(self, head: Head) -> None:
        self.heads.append(head)
        self.bodies.append(b"")

    def body(self, part: bytes) -> None:
        self.bodies[-1] += part

    def end(self) -> None:
        self.whole += 1


def parsed(*parts: bytes, limits: Limits = Limits()) -> Kept:  # noqa: B008
    kept = Kept()
    parser = RequestParser(limits, kept)
    for part in parts:
        parser.feed(memoryview(part))
    return kept


def refused(parts: Iterable[bytes], limits: Limits = Limits()) -> int:  # noqa: B008
    with pytest.raises(RefusalError) as caught:
        parsed(*parts, limits=limits)
    return int(caught.value.status)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 4\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3 3\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0bchunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\nContent-Length: 3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: a\rContent-Length: 3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: a\r\nX\0: y\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nX: y\0z\r\n\r\n",
        b"POST / HTTP/1.1\r\n Host: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST / HTTP/1.1\r\nX: no host\r\n\r\n",
        b"POST /\tHTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1x\r\nHost: a\r\n\r\n",
        b"POST / http/1.1\r\nHost: a\r\n\r\n",
        b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"3\nabc\r\n0\r\n\r\n",
        CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n",
        CHUNKED + b"3\r\nabc0\r\n\r\n",
        CHUNKED + b"3 ;x\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    ],
)
def test_what_two_readers_could_read_differently_is_refused(request_bytes: bytes) -> None:
    assert refused([request_bytes]) == 400


def test_a_body_with_upgrade_is_not_read_as_the_next_request() -> None:
    hidden = b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"
    head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n"
    assert refused([head + b"Content-Length: %d\r\n\r\n" % len(hidden) + hidden]) == 400
    kept = parsed(head + b"\r\n" + hidden)
    assert [(found.path, found.keep_alive) for found in kept.heads] == [("/", False)]


def test_a_connection_of_http_1_0_ends_with_its_answer() -> None:
    (head,) = parsed(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").heads
    assert not head.keep_alive


@pytest.mark.parametrize("value", [b"100-continue", b"100-Continue"])
def test_a_client_that_waits_for_a_word(value: bytes) -> None:
    request = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: %s\r\nContent-Length: 1\r\n\r\n"
    (head,) = parsed(request % value).heads
    assert head.awaits_continue


@pytest.mark.parametrize("version", ["0.9", "2.0"])
def test_another_version_is_refused_by_its_name(version: str) -> None:
    assert refused([f"GET / HTTP/{version}\r\nHost: a\r\n\r\n".encode()]) == 505


def test_trailers_are_not_headers() -> None:
    kept = parsed(CHUNKED + b"3\r\nabc\r\n0\r\nAuthorization: Bearer x\r\nHost: b\r\n\r\n")
    assert kept.whole == 1
    assert kept.bodies == [b"abc"]
    names = [name for name, _ in kept.heads[0].headers]
    assert names == [b"host", b"transfer-encoding"]


def endless(line: bytes) -> list[bytes]:
    return [line] * 10_000


def test_everything_that_could_be_endless_ends() -> None:
    begun = b"GET / HTTP/1.1\r\nHost: a\r\n"
    for parts in (
        [b"GET /", *endless(b"x" * 50)],
        [begun, *endless(b"X: y\r\n")],
        [begun, *endless(b"x" * 50)],
        [begun + b"X: ", *endless(b"x" * 50)],
        [CHUNKED + b"0\r\n", *endless(b"X: y\r\n")],
        [CHUNKED + b"0\r\nX: ", *endless(b"x" * 50)],
        [CHUNKED + b"0\r\n", *endless(b"x" * 50)],
        [CHUNKED + b"3;", *endless(b"x" * 50)],
        [CHUNKED, *endless(b"0" * 50)],
        endless(b"\r\n" * 25),
    ):
        assert refused(parts) in {400, 431}


def test_trailers_count_with_the_headers() -> None:
    limits = Limits(head_bytes=1_000, headers=10)
    head = CHUNKED[:-2] + b"X: " + b"x" * 700 + b"\r\n\r\n"
    trailer = b"Y: " + b"y" * 300 + b"\r\n\r\n"
    assert parsed(head + b"0\r\n\r\n", limits=limits).whole == 1
    assert refused([head + b"0\r\n" + trailer], limits) == 431
    few, many = b"Z: z\r\n" * 8, b"Z: z\r\n" * 9
    assert parsed(CHUNKED + b"0\r\n" + few + b"\r\n", limits=limits).whole == 1
    assert refused([CHUNKED + b"0\r\n" + many + b"\r\n"], limits) == 431


def test_a_body_in_small_chunks_is_no_trailer() -> None:
    kept = parsed(CHUNKED, *[b"1\r\nx\r\n"] * 50_000, b"0\r\n\r\n")
    assert kept.bodies == [b"x" * 50_000]
    assert kept.whole == 1
