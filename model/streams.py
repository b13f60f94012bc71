"""Standard output and error that take any text, whatever the terminal's encoding."""

import codecs
import io
import sys
from typing import Final

_ESCAPE: Final = "claims.escape"


def accept_any_text() -> None:
    r"""Write characters that a stream's encoding lacks as ``\uXXXX`` instead of failing.

    The escapes are those of JSON, in pairs beyond the first plane, so that JSON stays JSON.
    """
    codecs.register_error(_ESCAPE, _escaped)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # None where there is no console
            stream.reconfigure(errors=_ESCAPE)


def _escaped(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2)), error.end
