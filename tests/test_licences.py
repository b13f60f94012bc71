"""Every package of the locks has a licence that lets an insurer use and pass on the product."""

import re
from collections.abc import Callable
from email.message import Message
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

ROOT = Path(__file__).parents[1]

PERMISSIVE: Final = frozenset(
    {
        "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-0",
        "MIT-CMU", "OLDAP-2.8", "PSF-2.0", "Zlib",
    }
)  # fmt: skip
"""SPDX names."""

MEANT: Final = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache License": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Python Software Foundation License": "PSF-2.0",
}
"""Names used in older metadata; any of the BSD licences, all are permissive."""

REVIEWED: Final = {
    "certifi": "MPL-2.0: copyleft for its own files, which are used as they are (extra registry)",
    "colorama": "BSD-3-Clause (Windows only)",
    "fqdn": "MPL-2.0: for tests only, not passed on",
    "httpx2-jsfetch": "BSD-3-Clause (Emscripten only)",
    "hypothesis": "MPL-2.0: for tests only, not passed on",
    "pathspec": "MPL-2.0: for type checks only, not passed on",
    "psycopg": "LGPL-3.0-only: used as it is, and in an extra only (memory-postgres)",
    "psycopg-binary": "LGPL-3.0-only: as psycopg",
    "pywin32": "PSF-2.0, its adodbapi LGPL: for tests only (Windows only)",
    "tzdata": "Apache-2.0 (Windows only)",
}
"""Packages that fail the rule but were reviewed by a person: licence and why it may stay."""


def locked(name: str) -> dict[str, Requirement]:
    """The packages of a lock, by name."""
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    lines = re.findall(r"^([a-zA-Z0-9].*?==.*?) \\$", text, re.MULTILINE)
    found = [Requirement(line) for line in lines]
    return {requirement.name: requirement for requirement in found}


def said(about: metadata.PackageMetadata) -> list[str]:
    """Licences a package's metadata names, all of which hold; [] when it names none."""
    if expressions := about.get_all("License-Expression"):
        return [part.strip() for part in expressions[0].split(" AND ")]
    classifiers = [c for c in about.get_all("Classifier") or [] if c.startswith("License ::")]
    if classifiers:
        return [classifier.rpartition(" :: ")[2] for classifier in classifiers]
    firsts = [text.strip().partition("\n")[0] for text in about.get_all("License") or []]
    return [first for first in firsts if first]


def permissive(licence: str) -> bool:
    """True if a licence, or one of several alternatives, is permissive."""
    return any(MEANT.get(choice, choice) in PERMISSIVE for choice in licence.split(" OR "))


def fault(
    name: str, about: Callable[[str], metadata.PackageMetadata] = metadata.metadata
) -> str | None:
    """The reason why a package may not be used; None if there is none."""
    if name in REVIEWED:
        return None
    try:
        licences = said(about(name))
    except metadata.PackageNotFoundError:
        return "is not installed"
    if not licences:
        return "names no licence"
    bad = [licence for licence in licences if not permissive(licence)]
    return f"has {bad}" if bad else None


def packages() -> list[str]:
    """Every package of every lock."""
    locks = (ROOT / "requirements").glob("*.lock")
    return sorted({package for lock in locks for package in locked(lock.name)})


def test_the_locks_are_read() -> None:
    names = set(packages())
    assert {"numpy", "confluent-kafka", "cryptography", "pytest"} <= names
    assert len(locked("runtime.lock")) > 20
    assert len(names) > 100


def asked_for() -> dict[NormalizedName, set[str]]:
    """Extras of locked packages that other locked packages need, by package."""
    found: dict[NormalizedName, set[str]] = {}
    for name, requirement in locked("dev.lock").items():
        try:
            needed = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # of another system
            continue
        for other in map(Requirement, needed):
            extras = [{"extra": extra} for extra in ("", *requirement.extras)]
            if other.extras and (not other.marker or any(map(other.marker.evaluate, extras))):
                found.setdefault(canonicalize_name(other.name), set()).update(other.extras)
    return found


def test_extras_that_packages_need_are_locked() -> None:
    """pip takes the newest release of a package, without a hash, if its extra is not locked."""
    needed = asked_for()
    assert "toml" in needed[canonicalize_name("coverage")]
    lock = {canonicalize_name(name): r.extras for name, r in locked("dev.lock").items()}
    assert {name: extras - lock[name] for name, extras in needed.items()} == {
        name: set() for name in needed
    }


@pytest.mark.parametrize("name", packages())
def test_licence(name: str) -> None:
    found = fault(name)
    assert found is None, f"{name} {found}: drop it, or review it into REVIEWED with the reason"


def test_what_is_run_has_permissive_licences_only() -> None:
    assert not locked("runtime.lock").keys() & REVIEWED.keys()


def test_what_was_reviewed_is_still_there() -> None:
    assert REVIEWED.keys() <= set(packages())


METADATA = [
    ("License-Expression: GPL-3.0-or-later", False),
    ("License-Expression: AGPL-3.0-only OR MIT", True),
    ("License-Expression: MIT AND LGPL-2.1-only", False),
    ("License-Expression: BUSL-1.1", False),
    ("License-Expression: GPL-3.0-or-later WITH GCC-exception-3.1", False),
    ("License-Expression: (MIT OR GPL-3.0-only) AND BSD-3-Clause", False),  # for a person to read
    ("License-Expression: Apache-2.0 OR BSD-3-Clause", True),
    ("Classifier: License :: OSI Approved :: GNU Affero General Public License v3", False),
    ("Classifier: License :: OSI Approved :: MIT License", True),
    (
        "Classifier: License :: OSI Approved :: MIT License\n"
        "Classifier: License :: OSI Approved :: GNU General Public License (GPL)",
        False,
    ),
    ("License: Business Source License 1.1", False),
    ("License: MIT", True),
    ("License: UNKNOWN", False),
    ("Classifier: Topic :: Scientific", False),
    ("", False),
]


@pytest.mark.parametrize(("text", "passes"), METADATA)
def test_the_rule(text: str, passes: bool) -> None:
    about: Any = Message()
    for line in text.splitlines():
        about.add_header(*line.split(": ", 1))
    assert (fault("some-package", lambda _: about) is None) is passes


def test_a_package_that_is_not_installed_is_not_passed_over() -> None:
    assert fault("no-such-package-anywhere") == "is not installed"
