"""Refusals: why something is no claim, and where. No message contains a value."""

import json
from typing import Any, Final

import msgspec

from schemas.dead_letter import Reason

_PATH_MARK: Final = " - at `"


class RefusedError(Exception):
    """A record is not a valid claim; says why and where."""

    def __init__(self, reason: Reason, message: str, path: str = "$") -> None:
        super().__init__(message)
        self.reason = reason
        self.path = path


def parse(decoder: msgspec.json.Decoder[Any], value: bytes, root: str) -> Any:
    """Decode JSON.

    Raises:
        RefusedError: with the reason and the JSON path of the fault below root.
    """
    try:
        return decoder.decode(value)
    except msgspec.ValidationError as error:
        raise invalid(error, root) from None
    except UnicodeDecodeError as error:
        # The error's own text contains the byte, which may be part of a name.
        raise RefusedError(Reason.NOT_UTF8, f"not UTF-8: {error.reason}", root) from None
    except msgspec.DecodeError as error:
        raise RefusedError(Reason.NOT_JSON, _malformed(error, value), root) from None
    except RecursionError:
        raise RefusedError(Reason.TOO_DEEP, "the JSON is nested too deeply", root) from None


def invalid(error: msgspec.ValidationError, root: str) -> RefusedError:
    """The refusal for a value that is not valid, with the JSON path of the fault below root."""
    message, _, path = str(error).partition(_PATH_MARK)
    return RefusedError(Reason.INVALID, message, root + path.rstrip("`").removeprefix("$"))


def _malformed(error: msgspec.DecodeError, value: bytes) -> str:
    """Describe malformed JSON; msgspec reports a string cut inside an emoji as truncated."""
    message = str(error)
    if "surrogate" in message or ("truncated" in message and _is_json(value)):
        return "a string contains half of a surrogate pair, as when it is cut inside an emoji"
    return message


def _is_json(value: bytes) -> bool:
    """True if it is JSON to a reader that accepts half of a surrogate pair."""
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return False
    return True
