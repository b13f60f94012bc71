"""The examples in README.md and the guides it leads to, as they stand there."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from tests.harness.process import ROOT

DOCUMENTS = ("README.md", "docs/claims.md", "docs/models.md")
"""Those whose commands are run, in this order."""
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`]+)`")


class Block(NamedTuple):
    """A fenced block."""

    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """Its commands, a line each; what is continued on the next line is one."""
        joined = self.text.replace("\\\n", " ")
        return [line.strip() for line in joined.splitlines() if line.strip()]


def text() -> str:
    """All of the documents, one after the other."""
    return "\n".join((ROOT / name).read_text(encoding="utf-8") for name in DOCUMENTS)


def blocks() -> list[Block]:
    """Every fenced block, in order."""
    return [Block(*found) for found in FENCE.findall(text())]


def block_with(part: str) -> Block:
    """The one block of commands that has this text in it."""
    (found,) = (b for b in blocks() if b.language == "sh" and part in b.text)
    return found


def answer_after(part: str) -> str:
    """The block of JSON printed next after the first place that has this text."""
    whole = text()
    found = (f for f in FENCE.finditer(whole) if f.start() > whole.index(part))
    return next(f[2] for f in found if f[1] == "json")


def inline() -> Iterator[str]:
    """Code spans in the running text, one line each."""
    for found in INLINE.findall(FENCE.sub("", text())):
        yield " ".join(found.split())


def python_commands() -> list[str]:
    """Every ``python -m …`` of the documents, in blocks or in the text; a | b is two commands."""
    lines = [line for b in blocks() if b.language == "sh" for line in b.commands]
    found = []
    for line in [*lines, *inline()]:
        command = line.partition("#")[0].strip().removeprefix(".venv/bin/")
        if command.startswith("python -m "):
            module, _, rest = command.removeprefix("python -m ").partition(" ")
            found += [f"{module} {part.strip()}" for part in rest.split(" | ")]
    return found
