"""The examples in README.md, as they stand there."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from tests.readme.place import ROOT

README = ROOT / "README.md"
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


def blocks() -> list[Block]:
    """Every fenced block, in order."""
    return [Block(*found) for found in FENCE.findall(README.read_text(encoding="utf-8"))]


def block_with(text: str) -> Block:
    """The one block of commands that has this text in it."""
    (found,) = (b for b in blocks() if b.language == "sh" and text in b.text)
    return found


def answer_after(text: str) -> str:
    """The block of JSON printed next after the first place that has this text."""
    whole = README.read_text(encoding="utf-8")
    found = (f for f in FENCE.finditer(whole) if f.start() > whole.index(text))
    return next(f[2] for f in found if f[1] == "json")


def inline() -> Iterator[str]:
    """Code spans in the running text, one line each."""
    for found in INLINE.findall(FENCE.sub("", README.read_text(encoding="utf-8"))):
        yield " ".join(found.split())


def python_commands() -> list[str]:
    """Every ``python -m …`` of the README, in blocks or in the text; a | b is two commands."""
    lines = [line for b in blocks() if b.language == "sh" for line in b.commands]
    found = []
    for line in [*lines, *inline()]:
        command = line.partition("#")[0].strip().removeprefix(".venv/bin/")
        if command.startswith("python -m "):
            module, _, rest = command.removeprefix("python -m ").partition(" ")
            found += [f"{module} {part.strip()}" for part in rest.split(" | ")]
    return found
