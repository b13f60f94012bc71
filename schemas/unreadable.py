"""Exceptions that reading foreign JSON can raise."""

from typing import Final

from msgspec import DecodeError

UNREADABLE: Final = (DecodeError, UnicodeDecodeError, RecursionError)
"""Not JSON or not of the type; a string that is not UTF-8; nested too deeply to read."""
