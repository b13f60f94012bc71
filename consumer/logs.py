"""Structured logs: one JSON object a line on standard error, none with personal data."""

import datetime as dt
import logging
from typing import Final

import msgspec

_encoder: Final = msgspec.json.Encoder()


class JsonLines(logging.Formatter):
    """A log record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, logger, message and, when there is one, the traceback."""
        line = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return _encoder.encode(line).decode()


def configure(level: str) -> None:
    """Send the logs of the process to standard error."""
    out = logging.StreamHandler()
    out.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[out], force=True)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
