"""Errors as problem+json (RFC 9457)."""

from http import HTTPStatus
from typing import Final

import msgspec
from falcon import HTTPError
from falcon.asgi import Request, Response

from schemas.answer import Problem

PROBLEM_JSON: Final = "application/problem+json"

_encoder: Final = msgspec.json.Encoder()


class ProblemError(HTTPError):
    """An error answered as problem+json; `path` is the JSON path of the fault."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        path: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(status.value, title=status.phrase, description=detail, headers=headers)
        self.path = path


def problem(status: int, detail: str, path: str = "") -> bytes:
    """The body of a response."""
    return _encoder.encode(Problem(HTTPStatus(status).phrase, status, detail, path))


def write_problem(_: Request, response: Response, error: HTTPError) -> None:
    """Serialise any HTTP error, including Falcon's own."""
    path = error.path if isinstance(error, ProblemError) else ""
    response.content_type = PROBLEM_JSON
    response.data = problem(error.status_code, error.description or "", path)
