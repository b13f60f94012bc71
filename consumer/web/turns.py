"""Turns at work that occupies the event loop for long."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from http import HTTPStatus

from consumer.server.problem import ProblemError


class Turns:
    """One at a time; a few may wait, and the rest are refused."""

    def __init__(self, most: int) -> None:
        """Allow `most` to work or wait."""
        self._most = most
        self._present = 0
        self._turn = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Wait for a turn, and hold it inside the block.

        Raises:
            ProblemError: 503; too many are waiting.
        """
        if self._present >= self._most:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"{self._most} arrays of claims are being answered; try again",
                headers={"Retry-After": "1"},
            )
        self._present += 1
        try:
            async with self._turn:
                yield
        finally:
            self._present -= 1
