"""What the log commands do with their options; returns exit codes."""

import argparse
import sys
from collections.abc import Callable

from consumer.history.access.scan import StoppedError
from consumer.history.entity import claims_of_claim, claims_of_entity
from consumer.history.forget import forget_claim, forget_entity, forget_outdated
from consumer.history.keeping import compact, rebuild, verify
from consumer.history.recomputed.checking import check_history
from consumer.history.remember import remember
from consumer.memory.assembly import require_psycopg
from consumer.settings.database import Database
from consumer.settings.settings import Settings
from consumer.stop import Stop
from consumer.tools.send import contract_of
from model.history.plan import OUTCOME_DAYS
from schemas.contract.model import Contract

NOT_ALL_REMEMBERED = 1
"""Exit code of `remember` if some rows are not claims."""


def look_up(settings: Settings, options: argparse.Namespace, stop: Stop) -> int:
    """List the claims that name someone, or that share someone with a claim."""
    as_json: bool = options.json
    if options.claim is not None:
        return unless_stopped(
            stop, lambda: claims_of_claim(settings, options.claim, stop, as_json=as_json)
        )
    contract = _contract(settings, options)
    return unless_stopped(
        stop, lambda: claims_of_entity(settings, contract, options.entity, stop, as_json=as_json)
    )


def forget(settings: Settings, options: argparse.Namespace, stop: Stop) -> int:
    """Forget a claim, all claims that name someone, or what is outdated."""
    yes: bool = options.yes
    if options.outdated:
        return unless_stopped(stop, lambda: forget_outdated(settings, stop, sys.stdin, yes=yes))
    if options.claim is not None:
        return unless_stopped(
            stop, lambda: forget_claim(settings, options.claim, stop, sys.stdin, yes=yes)
        )
    contract = _contract(settings, options)
    return unless_stopped(
        stop, lambda: forget_entity(settings, contract, options.entity, stop, sys.stdin, yes=yes)
    )


def remember_file(settings: Settings, options: argparse.Namespace, stop: Stop) -> int:
    """Write the history of old claims in a file to the log."""
    contract = contract_of(options.contract, options.model)
    try:
        done = remember(settings, contract, options.data, stop)
    except StoppedError:
        sys.stderr.write("stopped by a signal before anything was written\n")
        return stop.code
    sys.stdout.write(
        f"{done.claims:,} claims and {done.findings:,} findings are in {settings.memory_topic}, "
        f"{done.rejected:,} rows rejected\n"
    )
    if done.undated:
        sys.stderr.write(
            f"{done.undated:,} claims were left out: they do not say when they were reported\n"
        )
    if done.undecided:
        sys.stderr.write(
            f"{done.undecided:,} labels were left out: they do not say when they were decided\n"
        )
    if done.early:
        sys.stderr.write(
            f"{done.early:,} labels were left out: their claims were reported less than "
            f"{OUTCOME_DAYS} days ago, and the file does not say when they were decided\n"
        )
    if done.assumed and done.findings:
        sys.stderr.write(
            f"the file does not say when labels were decided: {OUTCOME_DAYS} days after the report "
            "is assumed, as in training\n"
        )
    if done.stopped:
        sys.stderr.write("stopped by a signal before the end of the file; run it again\n")
        return stop.code
    return NOT_ALL_REMEMBERED if done.rejected else 0


def check(settings: Settings, options: argparse.Namespace, stop: Stop) -> int:
    """Recompute the histories of the latest alerts."""
    as_json: bool = options.json
    return unless_stopped(
        stop, lambda: check_history(settings, options.alerts, stop, as_json=as_json)
    )


def keep(settings: Settings, options: argparse.Namespace, stop: Stop) -> int:
    """Verify, rebuild or compact the store of this INSTANCE_ID, or the database."""
    act = {"verify": verify, "rebuild": rebuild, "compact": compact}[options.what]
    if isinstance(settings.memory_store, Database):
        require_psycopg()
        from consumer.history import applying  # noqa: PLC0415 - psycopg is optional

        act = {
            "verify": applying.verify_database,
            "rebuild": applying.rebuild_database,
            "compact": applying.compact_database,
        }[options.what]
    as_json: bool = options.json
    return unless_stopped(stop, lambda: act(settings, stop, as_json=as_json))


def _contract(settings: Settings, options: argparse.Namespace) -> Contract:
    said: str | None = options.contract
    return contract_of(said, None if said is not None else settings.model_dir)


def unless_stopped(stop: Stop, act: Callable[[], int]) -> int:
    """The exit code of an action, or that of the signal that stopped it."""
    try:
        return act()
    except StoppedError:
        sys.stderr.write("stopped by a signal before the end\n")
        return stop.code
