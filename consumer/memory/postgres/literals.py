"""Arrays in PostgreSQL's text form: one text per column is sent, not one value per row. Pure."""

from collections.abc import Iterable


def numbers(values: Iterable[int]) -> str:
    """An array of integers."""
    return "{" + ",".join(map(str, values)) + "}"


def blobs(values: Iterable[bytes]) -> str:
    """An array of bytes."""
    inner = '","\\\\x'.join([value.hex() for value in values])
    return f'{{"\\\\x{inner}"}}' if inner else "{}"


def texts(values: Iterable[str]) -> str:
    """An array of texts."""
    quoted = [value.replace("\\", "\\\\").replace('"', '\\"') for value in values]
    return '{"' + '","'.join(quoted) + '"}' if quoted else "{}"


def copied(value: str) -> str:
    """A text in a COPY row."""
    return (
        value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    )


def storable(value: str) -> str:
    """A text that PostgreSQL can store: without NUL characters."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
