"""Structured logs: one JSON object per line on standard error, without personal data."""

import datetime as dt
import logging
import time
from collections.abc import Callable
from typing import Final

import msgspec

from schemas.printable import escaped, in_short

SAME_MESSAGE_S: Final = 10.0
MOST_REMEMBERED: Final = 1_000
_NO_DIGITS: Final = str.maketrans("", "", "0123456789")
_encoder: Final = msgspec.json.Encoder()


class JsonLines(logging.Formatter):
    """A log record as one JSON object, without characters that a terminal obeys."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, logger, message and, if there is one, the traceback."""
        line = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _unicode(in_short(record.getMessage())),
        }
        if record.exc_info:
            line["traceback"] = _unicode(self.formatException(record.exc_info))
        return escaped(_encoder.encode(line).decode())


def _unicode(text: str) -> str:
    """The text with characters that cannot be encoded (e.g. from a file name) escaped."""
    return text.encode(errors="backslashreplace").decode()


class Sparse(logging.Filter):
    """Rate-limits messages: a broker that is down is reported 20 times per second."""

    def __init__(self, every_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._every_s = every_s
        self._clock = clock
        self._due: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """True if it should be logged: warnings that differ only in digits count as the same."""
        if record.levelno < logging.WARNING:
            return True
        message = record.getMessage().translate(_NO_DIGITS)
        key, now = (record.name, message), self._clock()
        if now < self._due.get(key, now):
            return False
        if len(self._due) > MOST_REMEMBERED:
            self._due.clear()
        self._due[key] = now + self._every_s
        return True


def configure(level: str) -> None:
    """Send the logs of the process to standard error."""
    out = logging.StreamHandler()
    out.setFormatter(JsonLines())
    out.addFilter(Sparse(SAME_MESSAGE_S))
    logging.basicConfig(level=level, handlers=[out], force=True)
