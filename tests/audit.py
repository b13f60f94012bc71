"""Known vulnerabilities of what the locks pin: ``make audit``.

pip-audit takes a package its service does not know as passed over, and ends well when that is all
of them. Here only an answer for every package counts.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

ROOT: Final = Path(__file__).parents[1]
LOCKS: Final = sorted(f"requirements/{p.name}" for p in (ROOT / "requirements").glob("*.lock"))
VULNERABLE: Final = 1
NOT_AUDITED: Final = 2


class Vulnerability(msgspec.Struct):
    """One entry of the service."""

    id: str
    fix_versions: list[str] = []


class Package(msgspec.Struct):
    """pip-audit's result for one package."""

    name: str
    version: str = ""
    vulns: list[Vulnerability] = []
    skip_reason: str | None = None


class Report(msgspec.Struct):
    """pip-audit's output with ``--format json``."""

    dependencies: list[Package]


class Verdict(msgspec.Struct, frozen=True):
    """The result of an audit."""

    code: int
    lines: list[str]


def judge(output: bytes, errors: str) -> Verdict:
    """Interpret pip-audit's output; pure.

    Args:
        output: of ``pip-audit --format json``.
        errors: what it wrote beside.
    """
    try:
        packages = msgspec.json.decode(output, type=Report).dependencies
    except msgspec.DecodeError:
        said = errors.strip().splitlines() or ["nothing"]
        return Verdict(NOT_AUDITED, [f"NOT AUDITED, the service cannot be asked: {said[-1]}"])
    lines = [
        f"{p.name} {p.version}: {v.id}, fixed in {', '.join(v.fix_versions) or 'no release'}"
        for p in packages
        for v in p.vulns
    ]
    if lines:
        return Verdict(VULNERABLE, lines)
    unknown = [p.name for p in packages if p.skip_reason is not None]
    if unknown or not packages:
        told = f"the service knows nothing of {len(unknown)} of {len(packages)} packages"
        some = ", ".join(unknown[:5]) + (", …" if unknown[5:] else "")
        return Verdict(NOT_AUDITED, [f"NOT AUDITED, {told}: {some}"])
    return Verdict(0, [f"{len(packages)} packages, no known vulnerability"])


def audit(lock: str, service: str) -> Verdict:
    """Ask the service about every package of a lock."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", lock, "--disable-pip"]
    command += ["--require-hashes", "--format", "json", "--progress-spinner", "off"]
    command += ["--vulnerability-service", service]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    return judge(done.stdout, done.stderr.decode(errors="replace"))


def main(
    arguments: Sequence[str] | None = None,
    locks: Sequence[str] = LOCKS,
    audit: Callable[[str, str], Verdict] = audit,
) -> int:
    """Audit every lock; the exit code: 1 vulnerable, 2 not audited."""
    parser = argparse.ArgumentParser(prog="python -m tests.audit", description=__doc__)
    parser.add_argument("--service", default="pypi", choices=("pypi", "osv", "esms"))
    options = parser.parse_args(arguments)
    code = 0
    for lock in locks:
        verdict = audit(lock, options.service)
        code = verdict.code if code != VULNERABLE and verdict.code else code
        for line in verdict.lines:
            sys.stdout.write(f"{lock}: {line}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
