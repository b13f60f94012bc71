"""Rules about the code itself."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "schemas": {"schemas"},
    "model": {"schemas", "model"},
    "consumer": {"schemas", "model", "consumer"},
    "fraud_scorer": {"consumer", "model", "fraud_scorer"},
}
NO_WORLD = {"confluent_kafka", "falcon", "httptools", "prometheus_client", "socket", "httpx"}
"""What the inner packages do without: Kafka, HTTP, metrics."""
READS_ENVIRONMENT = {"consumer/settings/settings.py", "consumer/__main__.py"}

SOURCES = sorted(path for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py"))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(path: Path) -> Iterator[str]:
    """Every module a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)} imports relative to itself"
            yield node.module or ""


def environment_reads(path: Path) -> list[int]:
    """Lines that name os.environ or os.getenv."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv"})
        or (isinstance(node, ast.ImportFrom) and node.module == "os")
    ]


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_imports_point_one_way(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    tops = {module.partition(".")[0] for module in imported(path)}
    assert tops & MAY_IMPORT.keys() <= MAY_IMPORT[package]
    assert "tests" not in tops
    if package == "schemas":
        assert tops - {"schemas", "msgspec"} <= sys.stdlib_module_names
    if package in {"schemas", "model"}:
        assert not tops & NO_WORLD


def test_only_the_settings_and_the_command_line_read_the_environment() -> None:
    readers = {name(path) for path in SOURCES if environment_reads(path)}
    assert readers
    assert readers <= READS_ENVIRONMENT


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_no_module_shadows_the_standard_library(path: Path) -> None:
    parts = path.relative_to(ROOT).with_suffix("").parts
    assert not {part for part in parts if not part.startswith("__")} & sys.stdlib_module_names
