"""Rules about the code itself."""

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from schemas.alert import FraudAlert
from schemas.contract.parse import shipped

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "schemas": {"schemas"},
    "model": {"schemas", "model"},
    "consumer": {"schemas", "model", "consumer"},
    "fraud_scorer": {"schemas", "consumer", "model", "fraud_scorer"},
}
FLOORS = {
    "schemas": (
        {"json_object"},
        {
            "alert",
            "claim",
            "compatibility",
            "dead_letter",
            "outcome",
            "printable",
            "record_headers",
            "streams",
        },
        {"answer", "examples", "expressions", "memory", "unreadable", "wording"},
        {"entities", "reading"},
        {"contract"},
        {"decoding"},
        {"claim_form", "columnar"},
        {"documents", "tables"},
        {"asyncapi", "avro", "drafting", "narrowing", "openapi"},
        {"cli", "export"},
        {"__main__"},
    ),
    "model": (
        {"arrays"},
        {"drift", "features", "files", "metrics", "samples", "thresholds"},
        {"datasets"},
        {"history"},
        {"artifact", "families"},
        {"compiled"},
        {"training"},
        {"leaks", "scoring"},
        {"evaluation", "offline", "releases"},
        {"reports"},
        {"cli"},
        {"studies"},
        {"__main__"},
    ),
    "consumer": (
        {"background", "errors", "in_time"},
        {"batch", "ending", "server", "settings", "stop"},
        {"kafka", "registry", "telemetry"},
        {"memory", "models", "publishing", "waiting", "web"},
        {"intake", "monitoring"},
        {"session"},
        {"dead_letters"},
        {"doctor", "outcomes", "redrive", "worker"},
        {"tools"},
        {"history"},
        {"__main__"},
    ),
}
"""Rooms and modules of a package, floor by floor: each imports from lower floors only."""
FROM_MODEL = {
    "batch": {"history", "scoring"},
    "dead_letters": {"files"},
    "redrive": {"cli"},
    "history": {"artifact", "cli", "features", "history", "offline", "reports"},
    "doctor": {"artifact", "history", "scoring"},
    "memory": {"history", "scoring"},
    "models": {"artifact", "drift", "history", "releases", "scoring"},
    "settings": {"files"},
    "telemetry": {"scoring"},
    "tools": {
        "arrays", "artifact", "cli", "datasets", "features", "history", "offline", "reports",
        "samples", "scoring", "thresholds", "training",
    },
    "worker": {"scoring"},
    "__main__": {"cli", "files", "samples"},
}  # fmt: skip
"""What rooms of the consumer use from the model; those not listed use nothing."""
AT_HOME = {
    "confluent_kafka": {
        "consumer/__main__", "consumer/doctor", "consumer/history", "consumer/intake",
        "consumer/kafka",
        "consumer/memory",
        "consumer/outcomes", "consumer/publishing", "consumer/redrive", "consumer/registry",
        "consumer/session", "consumer/tools",
    },
    "cryptography": {"consumer/dead_letters", "model/releases"},
    "falcon": {"consumer/server", "consumer/telemetry", "consumer/web"},
    "fastavro": {"consumer/registry"},
    "httptools": {"consumer/server"},
    "joblib": {"model/artifact"},
    "lightgbm": {"model/compiled"},
    "lmdb": {"consumer/memory"},
    "matplotlib": {"model/reports"},
    "opentelemetry": {"consumer/telemetry"},
    "pandas": {"model/features"},
    "prometheus_client": {
        "consumer/monitoring", "consumer/outcomes", "consumer/telemetry", "consumer/web",
    },
    "psycopg": {"consumer/history", "consumer/memory"},
    "pyarrow": {"schemas/columnar", "schemas/tables"},
    "rich": {"consumer/tools", "model/cli", "model/studies"},
    "yaml": {"schemas/contract"},
}  # fmt: skip
"""The only rooms that may import these packages."""
LARGEST_ROOM = 9
NO_WORLD = {"confluent_kafka", "falcon", "httptools", "prometheus_client", "socket", "httpx"}
"""What the inner packages must not use: Kafka, HTTP, metrics."""
KNOWS_AUTO_CLAIMS = {
    "model/datasets": "reads the public files of auto claims, and generates such claims",
    "model/samples": "generates claims of other lines, some of whose fields have the same names",
    "model/studies": "measures on the public files",
    "schemas/claim": "is the released claim v1, which the auto contract compiles to",
    "schemas/drafting": "guesses roles by words that occur in names of columns",
    "schemas/examples": "has the examples of auto claims in the documents",
}
"""The only rooms and modules that may name a field of one line of business."""
READS_ENVIRONMENT = {"consumer/settings/settings.py", "consumer/__main__.py"}

AUTO_FIELDS = set(shipped("auto").fields) - set(FraudAlert.__struct_fields__)
SOURCES = sorted(path for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py"))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    """The syntax of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All of it, in no order."""
    return tuple(ast.walk(tree(path)))


@cache
def imported(path: Path) -> tuple[str, ...]:
    """Every module a file imports, wherever in it."""
    return tuple(_imported(path))


def _imported(path: Path) -> Iterator[str]:
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)} imports relative to itself"
            yield node.module or ""


def room(path: Path) -> str:
    """The room of a module, or its own name where it stands in no room."""
    return path.relative_to(ROOT).parts[1].removesuffix(".py")


def place(path: Path) -> str:
    """The package and the room of a module, such as "consumer/batch"."""
    return "/".join(path.relative_to(ROOT).with_suffix("").parts[:2])


def room_of(module: str) -> str:
    """The same of a module's dotted name."""
    return module.split(".")[1] if "." in module else ""


def used(path: Path, package: str) -> set[str]:
    """Rooms of a package that a file imports from, its own excepted."""
    modules = set()
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and node.module == package:
            modules |= {f"{package}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module)
        elif isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
    own = room(path) if path.is_relative_to(ROOT / package) else None
    return {room_of(m) for m in modules if m.partition(".")[0] == package} - {own, ""}


ROOMS = [path for path in SOURCES if path.relative_to(ROOT).parts[0] in FLOORS]


def environment_reads(path: Path) -> list[int]:
    """Lines that name os.environ or os.getenv."""
    return [
        node.lineno
        for node in nodes(path)
        if (isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv"})
        or (isinstance(node, ast.ImportFrom) and node.module == "os")
    ]


def test_imports_point_one_way() -> None:
    wrong: dict[str, set[str]] = {}
    for path in SOURCES:
        package = path.relative_to(ROOT).parts[0]
        tops = {module.partition(".")[0] for module in imported(path)}
        forbidden = {*MAY_IMPORT, "tests"} - MAY_IMPORT[package]
        if package in {"schemas", "model"}:
            forbidden |= NO_WORLD
        if package == "schemas":
            forbidden |= tops - sys.stdlib_module_names - {"schemas", "msgspec", "pyarrow", "yaml"}
        if tops & forbidden:
            wrong[name(path)] = tops & forbidden
    assert wrong == {}


def test_a_room_imports_from_lower_floors_only() -> None:
    assert {name(path): above for path in ROOMS if (above := _from_no_lower_floor(path))} == {}


def _from_no_lower_floor(path: Path) -> set[str]:
    """What a module imports of its own package that is not below it."""
    package = path.relative_to(ROOT).parts[0]
    floors = FLOORS[package]
    if room(path) == "__init__":
        return set() if package == "schemas" else set(imported(path))
    (floor,) = (n for n, rooms in enumerate(floors) if room(path) in rooms)
    return used(path, package) - set().union(*floors[:floor])


def test_the_consumer_takes_from_the_model_what_scoring_needs() -> None:
    assert {
        name(path): more
        for path in ROOMS
        if "consumer" in path.relative_to(ROOT).parts
        and (more := used(path, "model") - FROM_MODEL.get(room(path), set()))
    } == {}


def test_third_party_packages_have_their_rooms() -> None:
    assert {
        name(path): elsewhere
        for path in ROOMS
        if (elsewhere := {m.partition(".")[0] for m in imported(path)} & _not_at_home(place(path)))
    } == {}


def _not_at_home(where: str) -> set[str]:
    return {top for top, places in AT_HOME.items() if where not in places}


def test_no_module_knows_a_field_of_one_line_of_business() -> None:
    assert {
        name(path): known
        for path in ROOMS
        if place(path) not in KNOWS_AUTO_CLAIMS and (known := AUTO_FIELDS & set(_named(path)))
    } == {}


def _named(path: Path) -> Iterator[str]:
    """What could be the name of a field: whole texts, and attributes and arguments that are not
    also English words of other meaning.
    """
    for node in nodes(path):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.Attribute) and "_" in node.attr:
            yield node.attr
        elif isinstance(node, ast.keyword) and node.arg and "_" in node.arg:
            yield node.arg


def test_floors_and_rooms_name_what_is_there() -> None:
    for package, floors in FLOORS.items():
        found = {room(p) for p in ROOMS if package in p.parts} - {"__init__"}
        assert set().union(*floors) == found
    for top, places in AT_HOME.items():
        users = {
            place(p) for p in ROOMS if top in {module.partition(".")[0] for module in imported(p)}
        }
        assert users == places, top


def test_every_room_is_described() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = {p.parent.name for p in ROOMS if p.parent.parent != ROOT}
    assert not {name for name in rooms if f"`{name}/`" not in text}


def test_no_room_is_a_warehouse() -> None:
    for folder in {path.parent for path in ROOMS} - {ROOT / "schemas"}:
        files = [p for p in folder.glob("*.py") if p.name != "__init__.py"]
        assert len(files) <= LARGEST_ROOM, folder


def test_only_the_settings_and_the_command_line_read_the_environment() -> None:
    readers = {name(path) for path in SOURCES if environment_reads(path)}
    assert readers
    assert readers <= READS_ENVIRONMENT


def test_no_admin_client_is_asked_for_the_offsets_of_a_group() -> None:
    """It crashes the process when the group's coordinator has moved; see `consumer.kafka.group`."""
    users = [name(p) for p in SOURCES if "list_consumer_group_offsets" in p.read_text("utf-8")]
    assert users == []


def test_no_module_shadows_the_standard_library() -> None:
    parts = {part for path in SOURCES for part in path.relative_to(ROOT).with_suffix("").parts}
    assert not {part for part in parts if not part.startswith("__")} & sys.stdlib_module_names


def public_types(path: Path) -> Iterator[str]:
    """Public classes and type aliases of a module, as far as their names tell: in CamelCase."""
    for node in tree(path).body:
        named: list[str] = []
        if isinstance(node, ast.ClassDef):
            named = [node.name]
        elif isinstance(node, ast.Assign):
            named = [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            named = [node.target.id]
        yield from (name for name in named if name[0].isupper() and not name.isupper())


def test_a_name_of_a_type_has_one_meaning() -> None:
    found = Counter(name for path in SOURCES for name in set(public_types(path)))
    assert [name for name, modules in found.items() if modules > 1] == []


PATCHES = {"delattr", "setattr"}
"""What changes an attribute of anything, as a function or as a method of pytest's MonkeyPatch."""
MAY_PATCH = {
    "tests/integration/cooperative.py": "is a worker of an earlier release, made of this one",
}
"""The only files of the tests that may patch what they import, and why."""


def patches(code: ast.Module) -> Iterator[int]:
    """Lines that import a patcher, or that patch something imported, or named by a text."""
    imported = {
        (alias.asname or alias.name).partition(".")[0]
        for node in ast.walk(code)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    for node in ast.walk(code):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {getattr(node, "module", None), *(alias.name for alias in node.names)}
            if names & {"mock", "unittest.mock", "pytest_mock"}:
                yield node.lineno
        elif isinstance(node, ast.Call) and node.args and _called(node) in PATCHES:
            patched = node.args[0]
            while isinstance(patched, ast.Attribute):
                patched = patched.value
            if isinstance(patched, ast.Constant) or (
                isinstance(patched, ast.Name) and patched.id in imported
            ):
                yield node.lineno


def _called(call: ast.Call) -> str:
    function = call.func
    return getattr(function, "attr", getattr(function, "id", ""))


@pytest.mark.parametrize(
    "code",
    [
        "import os\ndef test(monkeypatch): monkeypatch.setattr(os, 'statvfs', None)",
        "from a.b import c\ndef test(patch): patch.setattr(c, 'd', None)",
        "from pathlib import Path\ndef test(m): m.setattr(Path, 'rename', None)",
        "import a.b\ndef test(m): m.delattr(a.b.c, 'd')",
        "def test(monkeypatch): monkeypatch.setattr('sys.argv', [])",
        "import a as b\nsetattr(b, 'c', None)",
        "from unittest import mock",
        "from unittest.mock import patch",
        "import unittest.mock",
    ],
)
def test_a_patched_module_is_noticed(code: str) -> None:
    assert list(patches(ast.parse(code)))


def test_what_is_no_patched_module_is_left_alone() -> None:
    code = "import os\ndef test(m): m.setattr(made(), 'b', os); m.setenv('A', 'b'); m.chdir('/')"
    assert list(patches(ast.parse(code))) == []


def test_no_test_patches_a_module() -> None:
    """What a test replaces it passes in, or it arranges what really happens."""
    files = sorted((ROOT / "tests").rglob("*.py"))
    assert {name(path) for path in files if [*patches(tree(path))]} == set(MAY_PATCH)
