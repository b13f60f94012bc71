"""A Schema Registry of a hundred lines: what the client asks for, and ways to fail."""

import base64
import contextlib
import json
import re
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, NamedTuple

from tests.serving import serving

Answer = tuple[int, Any]
Trickle = Literal["head", "body"]
JAVA_INTEGERS = 2**31
VERSION_NOT_FOUND: Answer = (404, {"error_code": 40402, "message": "Version not found"})
NOT_FOUND: Answer = (404, {"error_code": 40403, "message": "Schema not found"})


class Registered(NamedTuple):
    """A schema under its id."""

    subject: str
    schema: str
    kind: str


class SmallRegistry:
    """Keeps schemas in memory; ids count from 1."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.schemas: dict[int, Registered] = {}
        self.references: dict[int, list[dict[str, Any]]] = {}
        self.asked: list[str] = []
        self.credentials: str | None = None
        self.broken = False
        self.elsewhere = False
        """The address is not that of a registry."""
        self.instead: bytes | None = None
        """What every request is answered with, with status 200."""
        self.trickling: Trickle | None = None
        """What never ends, as one byte of it is sent at a time."""
        self.flooding = 0
        """Bytes of the next answers, sent as fast as they are read; 0: the usual ones."""
        self.coding: str | None = None
        """Content-Encoding that answers are said to have."""
        self.status: int | None = None
        """Status instead of the right one."""
        self.slow_s = 0.0
        """Seconds before each answer."""
        self.asking = self.most_at_once = 0
        """Requests that wait for an answer, now and at most."""
        self.taken = 0
        """Bytes of such an answer that were read."""

    def answer(self, path: str, body: Any, authorization: str | None) -> Answer:
        path = path.partition("?")[0]
        self.asked.append(path)
        if self.broken:
            return 500, {"error_code": 50001, "message": "store broken"}
        if self.elsewhere:
            return 404, {"message": "no such page"}
        wanted = self.credentials and base64.b64encode(self.credentials.encode()).decode()
        if wanted and authorization != f"Basic {wanted}":
            return 401, {"error_code": 40101, "message": "Unauthorized"}
        if path == "/schemas/types":
            return 200, ["JSON", "AVRO"]
        found = re.fullmatch(r"/schemas/ids/(\d+)", path)
        if found and int(found[1]) < JAVA_INTEGERS:
            return self._by_id(int(found[1]))
        if found := re.fullmatch(r"/subjects/([^/]+)/versions/latest", path):
            return self._lookup(next(s for s in self.schemas.values() if s.subject == found[1]))
        if found := re.fullmatch(r"/subjects/[^/]+/versions/(\d+)", path):
            known = int(found[1]) in self.schemas
            return self._by_id(int(found[1])) if known else VERSION_NOT_FOUND
        if found := re.fullmatch(r"/subjects/([^/]+)/versions", path):
            return 200, {"id": self.register(found[1], body["schema"], body.get("schemaType"))}
        if found := re.fullmatch(r"/subjects/([^/]+)", path):
            return self._lookup(
                Registered(found[1], body["schema"], body.get("schemaType", "AVRO"))
            )
        return 404, {"error_code": 404, "message": "HTTP 404 Not Found"}

    def register(self, subject: str, schema: str, kind: str | None = None) -> int:
        wanted = Registered(subject, schema, kind or "AVRO")
        for number, known in self.schemas.items():
            if known == wanted:
                return number
        self.schemas[len(self.schemas) + 1] = wanted
        return len(self.schemas)

    def refer(self, number: int, *to: tuple[str, str, int]) -> None:
        """The schema refers to others: subject, name and id, which is the version too."""
        self.references[number] = [
            {"subject": subject, "name": name, "version": version} for subject, name, version in to
        ]

    def _by_id(self, number: int) -> Answer:
        if number not in self.schemas:
            return NOT_FOUND
        found = self.schemas[number]
        kind = {} if found.kind == "AVRO" else {"schemaType": found.kind}
        references = self.references.get(number, [])
        about = {"subject": found.subject, "version": number, "id": number}
        return 200, {"schema": found.schema, "references": references, **about, **kind}

    def _lookup(self, wanted: Registered) -> Answer:
        for number, known in self.schemas.items():
            if known == wanted:
                about = {"subject": known.subject, "version": 1, "schemaType": known.kind}
                return 200, {"id": number, "schema": known.schema, **about}
        return NOT_FOUND


@contextmanager
def small_registry(port: int = 0, context: ssl.SSLContext | None = None) -> Iterator[SmallRegistry]:
    """Serve while the body runs, over TLS when there is a context."""

    class Ask(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            if made.trickling is not None:
                self._trickle(made.trickling)
                return
            if made.flooding:
                self._flood(made.flooding)
                return
            made.asking += 1
            made.most_at_once = max(made.most_at_once, made.asking)
            time.sleep(made.slow_s)
            made.asking -= 1
            status, found = made.answer(self.path, body, self.headers.get("authorization"))
            text = json.dumps(found).encode() if made.instead is None else made.instead
            self.send_response(made.status or status)
            if made.coding is not None:
                self.send_header("content-encoding", made.coding)
            self.send_header("content-type", "application/vnd.schemaregistry.v1+json")
            self.send_header("content-length", str(len(text)))
            self.send_header("connection", "close")
            self.end_headers()
            self.wfile.write(text)

        def _trickle(self, what: Trickle) -> None:
            length = "content-length: 1000000\r\n\r\n" if what == "body" else "x: "
            self.wfile.write(f"HTTP/1.1 200 OK\r\n{length}".encode())
            with contextlib.suppress(OSError):  # the client goes away
                while made.trickling is not None:
                    self.wfile.write(b" ")
                    time.sleep(0.02)

        def _flood(self, size: int) -> None:
            head = f"HTTP/1.1 {made.status or 200} -\r\ncontent-length: {size}\r\n\r\n"
            self.wfile.write(head.encode())
            self.close_connection = True
            piece = b" " * 65_536
            with contextlib.suppress(OSError):  # the client goes away
                for _ in range(size // len(piece)):
                    self.wfile.write(piece)
                    made.taken += len(piece)

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", port), Ask) as server:
        made = SmallRegistry(server.server_address[1])
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
            made.url = made.url.replace("http:", "https:")
        with serving(server):
            yield made
            made.trickling = None
