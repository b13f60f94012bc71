"""Interpretation of an audit's output: above all, that silence is not consent."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests import audit
from tests.audit import NOT_AUDITED, VULNERABLE, Verdict, judge, main

FINE = {"name": "numpy", "version": "2.4.6", "vulns": []}
UNKNOWN = {"name": "cffi", "skip_reason": "Dependency not found and could not be audited"}
HOLED = {"name": "rich", "version": "15.0.0", "vulns": [
    {"id": "CVE-2026-1", "fix_versions": ["15.0.1"], "aliases": [], "description": "bad"},
    {"id": "CVE-2026-2", "fix_versions": [], "aliases": [], "description": "worse"},
]}  # fmt: skip


def report(*packages: Any) -> bytes:
    return json.dumps({"dependencies": packages, "fixes": []}).encode()


def test_every_package_answered_for() -> None:
    assert judge(report(FINE, FINE), "") == Verdict(0, ["2 packages, no known vulnerability"])


def test_each_vulnerability_is_named_with_its_remedy() -> None:
    assert judge(report(FINE, HOLED, UNKNOWN), "") == Verdict(
        VULNERABLE,
        [
            "rich 15.0.0: CVE-2026-1, fixed in 15.0.1",
            "rich 15.0.0: CVE-2026-2, fixed in no release",
        ],
    )


@pytest.mark.parametrize("packages", [[FINE, UNKNOWN], [UNKNOWN], []])
def test_a_package_the_service_does_not_know_is_not_audited(packages: list[Any]) -> None:
    found = judge(report(*packages), "")
    assert found.code == NOT_AUDITED
    named = ", ".join(p["name"] for p in packages if "skip_reason" in p)
    count = f"{len([p for p in packages if 'skip_reason' in p])} of {len(packages)}"
    told = f"NOT AUDITED, the service knows nothing of {count} packages: {named}"
    assert found.lines == [told]


def test_of_many_some_are_named() -> None:
    packages = [UNKNOWN | {"name": f"p{number}"} for number in range(7)]
    assert judge(report(*packages), "").lines[0].endswith(": p0, p1, p2, p3, p4, …")


@pytest.mark.parametrize("output", [b"", b"Traceback", b"{}"])
def test_a_service_that_cannot_be_asked_is_said_so(output: bytes) -> None:
    found = judge(output, "Traceback …\nConnectionError: Name or service not known\n")
    assert found.code == NOT_AUDITED
    assert found.lines == [
        "NOT AUDITED, the service cannot be asked: ConnectionError: Name or service not known"
    ]


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ((0, 0), 0),
        ((NOT_AUDITED, 0), NOT_AUDITED),
        ((0, NOT_AUDITED), NOT_AUDITED),
        ((VULNERABLE, NOT_AUDITED), VULNERABLE),
        ((NOT_AUDITED, VULNERABLE), VULNERABLE),
    ],
)
def test_the_exit_code_is_of_the_worst(
    codes: tuple[int, int],
    code: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    left = iter(codes)
    assert main([], ["a.lock", "b.lock"], lambda *_: Verdict(next(left), ["said"])) == code
    assert capsys.readouterr().out == "a.lock: said\nb.lock: said\n"


def test_every_lock_is_audited() -> None:
    assert {"requirements/runtime.lock", "requirements/dev.lock"} <= {*audit.LOCKS}


@pytest.mark.slow
def test_pip_audit_takes_these_options_and_cannot_ask_where_nobody_answers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environ = {"HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": "", "PIP_CACHE_DIR": str(tmp_path)}
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    found = audit.audit("requirements/runtime.lock", "pypi")
    assert found.code == NOT_AUDITED
    assert "usage:" not in found.lines[0]
    assert "cannot be asked" in found.lines[0]
