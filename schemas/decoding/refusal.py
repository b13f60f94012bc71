"""Refusals: why something is not a claim, and where. No message contains a value."""

import json
from typing import Any

import msgspec

from schemas.dead_letter import Reason
from schemas.wording import broken_rule


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
        raise invalid(error, root, decoder.type) from None
    except UnicodeDecodeError as error:
        raise RefusedError(Reason.NOT_UTF8, in_words(error), root) from None
    except msgspec.DecodeError as error:
        raise RefusedError(Reason.NOT_JSON, _malformed(error, value), root) from None
    except RecursionError as error:
        raise RefusedError(Reason.TOO_DEEP, in_words(error), root) from None


def invalid(error: msgspec.ValidationError, root: str, kind: Any = None) -> RefusedError:
    """The refusal for a value that is not valid, with the JSON path of the fault below root.

    Args:
        error: what msgspec says.
        root: path of what was decoded.
        kind: the type that it should have.
    """
    message, path = broken_rule(error, kind)
    return RefusedError(Reason.INVALID, message, root + path)


def in_words(error: Exception) -> str:
    """Why something sent could not be read, for logs and answers.

    The texts of these errors quote what was sent, at any length: it may be a person's name.
    """
    if isinstance(error, RefusedError):
        return str(error) if error.path == "$" else f"{error.path}: {error}"
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8: {error.reason}"
    if isinstance(error, RecursionError):
        return "the JSON is nested too deeply"
    if isinstance(error, msgspec.ValidationError):
        message, path = broken_rule(error)
        return f"${path}: {message}" if path else message
    return str(error) if isinstance(error, msgspec.DecodeError) else type(error).__name__


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
