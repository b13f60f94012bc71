"""The text of a contract, YAML or JSON, as a plain tree.

YAML is read as its version 1.2 means it: only `true` and `false` are flags, so that `no` is a text,
and days are texts. Keys are texts whatever they look like. There are no anchors and no tags.
"""

import json
import re
from collections import Counter
from collections.abc import Hashable
from pathlib import Path
from typing import Any, Final

import yaml

from schemas.contract.errors import ContractError

MAX_BYTES: Final = 1_000_000
MAX_DEPTH: Final = 12

MAX_NUMBER: Final = 1e300
_SURROGATE: Final = re.compile("[\ud800-\udfff]")

Tree = dict[str, Any]


def read_file(path: Path) -> Tree:
    """The tree of a file.

    Raises:
        ContractError: it cannot be read, is too large, or is neither YAML nor JSON.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ContractError(
            path.name, "$", f"cannot be read: {error.strerror}", f"Check the path {path}."
        ) from error
    return read_text(content, path.name)


def read_text(content: bytes, name: str) -> Tree:
    """The tree of the content of a file with that name; ``.json`` is JSON, anything else YAML.

    Raises:
        ContractError: as `read_file`.
    """
    if len(content) > MAX_BYTES:
        raise ContractError(
            name, "$", f"larger than {MAX_BYTES:,} bytes", "Shorten its tables or descriptions."
        )
    try:
        text = content.decode("utf-8-sig")
        found = _json(text) if name.endswith(".json") else yaml.load(text, _Loader)  # noqa: S506 - a safe loader
    except UnicodeDecodeError as error:
        raise ContractError(name, "$", f"is not UTF-8: {error}", "Save it as UTF-8.") from error
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        what = "nested too deeply" if isinstance(error, RecursionError) else _in_words(error)
        raise ContractError(name, "$", what, "Correct the file at this place.") from error
    if not isinstance(found, dict):
        raise ContractError(name, "$", "is not an object", "Begin with title: and properties:.")
    _check(found, name)
    return found


def _json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_no_number)


def _without_repeats(pairs: list[tuple[str, Any]]) -> Tree:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"{twice} occurs twice in an object")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _in_words(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return " ".join(str(error).split())


def _check(tree: object, name: str, path: str = "$", depth: int = 0) -> None:
    """Refuse what no document made of the contract could contain."""
    if depth > MAX_DEPTH:
        raise ContractError(
            name, path, f"nested more than {MAX_DEPTH} deep", "A contract needs no deeper nesting."
        )
    if isinstance(tree, dict):
        for key, value in tree.items():
            _check_plain(key, name, path)
            _check(value, name, f"{path}.{key}", depth + 1)
    elif isinstance(tree, list):
        for place, value in enumerate(tree):
            _check(value, name, f"{path}[{place}]", depth + 1)
    else:
        _check_plain(tree, name, path)


def _check_plain(value: object, name: str, path: str) -> None:
    if isinstance(value, str) and not value.isascii() and _SURROGATE.search(value):
        raise ContractError(
            name, path, "a text with half of a surrogate pair", "Write the whole character."
        )
    if isinstance(value, int | float) and not -MAX_NUMBER <= value <= MAX_NUMBER:
        raise ContractError(
            name, path, f"a number beyond {MAX_NUMBER:g}", "Write one that can be computed with."
        )


class _Loader(yaml.SafeLoader):
    """YAML's plain values only."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, "re.Pattern[str]"]]] = {}  # noqa: RUF012

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(
                None, None, "an alias: write the value out", event.start_mark
            )
        tag = getattr(self.peek_event(), "tag", None)  # type: ignore[no-untyped-call]
        if tag is not None:
            raise yaml.composer.ComposerError(
                None,
                None,
                f"could not determine a constructor for {tag[:80]!r}: write it without a tag",
                self.peek_event().start_mark,  # type: ignore[no-untyped-call]
            )
        self._depth += 1
        if self._depth > 2 * MAX_DEPTH:
            raise RecursionError
        found = super().compose_node(parent, index)
        self._depth -= 1
        return found

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        found: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key that is no text", key_node.start_mark
                )
            if key_node.value in found:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key_node.value} occurs twice", key_node.start_mark
                )
            found[key_node.value] = self.construct_object(value_node, deep=True)
        return found


def _resolve(tag: str, form: str, first: str) -> None:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(form), list(first))


_resolve("bool", r"^(?:true|false|True|False|TRUE|FALSE)$", "tfTF")
_resolve("null", r"^(?:null|~|Null|NULL|)$", "n~N")
_resolve("int", r"^[-+]?(?:0|[1-9][0-9]*)$", "-+0123456789")
_resolve(
    "float",
    r"^[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$",
    "-+0123456789.",
)
