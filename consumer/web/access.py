"""A bearer token for the HTTP endpoint."""

import hmac
from collections.abc import Collection
from http import HTTPStatus

from falcon.asgi import Request, Response

from consumer.server.problem import ProblemError


class BearerToken:
    """Refuses requests without the token, except to paths that need none."""

    def __init__(self, token: str, free: Collection[str]) -> None:
        self._token = token.encode()
        self._free = frozenset(free)

    async def process_request(self, request: Request, response: Response) -> None:
        """Called by Falcon before each request.

        Raises:
            ProblemError: 401.
        """
        if request.path in self._free:
            return
        scheme, _, token = (request.get_header("Authorization") or "").partition(" ")
        # Compared in constant time: the duration reveals nothing about the token.
        same = hmac.compare_digest(token.strip().encode(), self._token)
        if scheme.lower() != "bearer" or not same:
            raise ProblemError(
                HTTPStatus.UNAUTHORIZED,
                "send the token as Authorization: Bearer TOKEN",
                headers={"WWW-Authenticate": "Bearer"},
            )
