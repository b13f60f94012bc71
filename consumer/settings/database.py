"""The address of a database, which may contain a password: it is never shown in full."""

from typing import Final
from urllib.parse import urlsplit

SCHEMES: Final = ("postgresql://", "postgres://")


class Database:
    """Where a PostgreSQL database is.

    Args:
        url: as libpq reads it.
    """

    __slots__ = ("url",)

    def __init__(self, url: str) -> None:
        self.url = url

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Database) and other.url == self.url

    def __hash__(self) -> int:
        return hash(self.url)

    def __repr__(self) -> str:
        """Host, port and name; nothing that may be secret, such as parameters."""
        try:
            parts = urlsplit(self.url)
        except ValueError:
            return "postgresql://…"
        return f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}"
