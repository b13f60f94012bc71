"""Findings of `doctor`: one per check, as a line or as JSON, and the overall exit code."""

import enum
from collections.abc import Callable, Iterable

import msgspec

from consumer.errors import ScorerError
from schemas.printable import printable


class State(enum.StrEnum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"
    UNKNOWN = "unknown"
    """It could not be checked; this does not change the exit code."""


class Diagnosis(msgspec.Struct, frozen=True):
    """One result, with text and advice."""

    check: str
    state: State
    text: str
    advice: str = ""
    """The action to take; empty if there is none."""
    exit_code: int = 0
    """Exit code of `doctor` if this were the only finding."""


def ok(check: str, text: str) -> Diagnosis:
    """Nothing to do."""
    return Diagnosis(check, State.OK, text)


def unknown(check: str, text: str, advice: str) -> Diagnosis:
    """It cannot be checked, or not with the rights of this principal."""
    return Diagnosis(check, State.UNKNOWN, text, advice)


def warning(check: str, text: str, advice: str) -> Diagnosis:
    """A worker runs with it, but less safely than possible."""
    return Diagnosis(check, State.WARNING, text, advice, 1)


def wrong(check: str, text: str, advice: str, exit_code: int = 1) -> Diagnosis:
    """It breaks the guarantee, or stops a worker.

    Args:
        check: what was checked.
        text: what is wrong with it.
        advice: how to fix it.
        exit_code: the worker's; 1 if a worker would not notice.
    """
    return Diagnosis(check, State.WRONG, text, advice, exit_code)


def grant(rights: str, resource: str) -> str:
    """Advice for a missing right, in the words of Kafka's access rules."""
    return f"grant this principal {rights} on {resource} (docs/security.md)"


def tried(check: str, act: Callable[[], str], advice: str) -> Diagnosis:
    """Do what a worker does at startup: ok with the returned text, wrong if it is refused."""
    try:
        return ok(check, act())
    except ScorerError as error:
        return wrong(check, str(error), advice, error.exit_code)


def line(finding: Diagnosis) -> str:
    """The finding as one line of text."""
    advice = f" -> {finding.advice}" if finding.advice else ""
    text = " ".join(f"{finding.check}: {finding.text}{advice}".split())
    return f"{finding.state.value:<8} {printable(text)}"


def json_line(finding: Diagnosis) -> str:
    """The finding as one line of JSON."""
    return msgspec.json.encode(finding).decode()


def exit_code(findings: Iterable[Diagnosis]) -> int:
    """0 without warnings, else 1, or the code of a worker: of several, the one it would hit first.

    A worker checks its settings (2) before the model (3), and Kafka (4) last.
    """
    codes = {finding.exit_code for finding in findings}
    return min((code for code in codes if code > 1), default=max(codes, default=0))
