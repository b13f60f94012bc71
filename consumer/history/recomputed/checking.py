"""The command `check-history`: recomputes the histories in alerts from the log."""

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec

from consumer.history.access.filling import Kept, kept_by, new_store, scan_of
from consumer.history.access.gather import Sought, gathered
from consumer.history.access.scan import LogScan, LogState, StoppedError
from consumer.history.listing import json_line
from consumer.history.recomputed.alerts import StatedHistory, latest_alerts
from consumer.history.recomputed.comparing import (
    HistoryVerdict,
    as_of,
    differences,
    keys_of,
    known,
    of_another_version,
    stated,
)
from consumer.history.recomputed.unseen import Differing, explained
from consumer.kafka.topics import READS, require_topics
from consumer.memory.store import MemoryStore
from consumer.memory.view import Asked
from consumer.settings.settings import Settings
from consumer.stop import Stop
from model.history.facts import DAY, claim_ref
from schemas.memory import Naming

WRONG: Final = 1
"""Exit code if an alert says what the log does not."""
SHOWN: Final = 10
"""How many wrong alerts are described."""


class Checked(NamedTuple):
    """A compared alert."""

    alert: StatedHistory
    verdict: HistoryVerdict
    why: Sequence[str] = ()
    differing: Differing | None = None
    """Unless what it says could not be compared, or is the same."""


class CheckReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, for programs."""

    checked: int
    equal: int
    fewer: int
    wrong: int
    gone: int
    others: int
    """Of other models or versions: not compared."""
    first_wrong: tuple[str, ...]


def check_history(settings: Settings, most: int, stop: Stop, *, as_json: bool) -> int:
    """Compare the latest alerts with the log; returns the exit code.

    Args:
        settings: topics, key, and the model of the alerts.
        most: how many alerts.
        stop: ends a read.
        as_json: print one JSON object.

    Raises:
        SettingsError: no key, a key other than the log's, or no model.
        KafkaStoppedError: a topic cannot be read.
        StoppedError: a signal asked to stop.
    """
    kept = kept_by(settings)
    require_topics(settings, {settings.alerts_topic: READS})
    scan = scan_of(settings, kept, stop)
    # Alerts first: what was remembered with them is in the log by then.
    found = latest_alerts(settings, most, kept.manifest.sha256, stop)
    comparable = [alert for alert in found.alerts if not of_another_version(alert)]
    end = scan.ends()

    def going_on() -> None:
        if stop.asked:
            raise StoppedError

    with new_store(kept, scan, end) as store:
        checked = []
        for alert in comparable:
            going_on()
            checked.append(_checked(store, kept, alert))
    checked = _explained(checked, kept, scan, end, going_on)
    others = found.others + len(found.alerts) - len(comparable)
    report = _report(checked, others)
    if as_json:
        sys.stdout.write(f"{json_line(report)}\n")
    else:
        _print(report)
    return WRONG if report.wrong else 0


def _checked(store: MemoryStore, kept: Kept, alert: StatedHistory) -> Checked:
    claim, moment, source = claim_ref(alert.claim_id), as_of(alert), alert.source
    record = None
    if source is not None:
        record = store.record(claim, (source.topic, source.partition, source.offset))
    if record is None:
        return Checked(alert, HistoryVerdict.GONE)
    keys = keys_of(record)
    if record.day * DAY != moment:
        return Checked(
            alert,
            HistoryVerdict.WRONG,
            ["its history is not as of the day on which the claim came in"],
        )
    (history,) = store.histories([Asked(claim, keys, moment)], {})
    by_log = known(kept.kinds, history)
    why = list(differences(stated(alert), by_log))
    if not why:
        return Checked(alert, HistoryVerdict.EQUAL)
    return Checked(alert, HistoryVerdict.WRONG, why, Differing(alert, keys, by_log))


def _explained(
    checked: Sequence[Checked],
    kept: Kept,
    scan: LogScan,
    end: LogState,
    going_on: Callable[[], object],
) -> list[Checked]:
    """The same, but alerts that differ only in what they could not know yet are no longer wrong."""
    differing = [one.differing for one in checked if one.differing]
    if not differing:
        return list(checked)
    kinds = kept.kinds
    named = frozenset(Naming(kinds[n].kind, name) for one in differing for n, name in one.keys)
    records = gathered(scan, end, Sought(named=named)).records
    right = iter(explained(differing, records, kinds, kept.bounds, going_on))
    return [
        one._replace(verdict=HistoryVerdict.FEWER) if one.differing and next(right) else one
        for one in checked
    ]


def _report(checked: Sequence[Checked], others: int) -> CheckReport:
    counts = Counter(one.verdict for one in checked)
    wrong = [one for one in checked if one.verdict is HistoryVerdict.WRONG]
    return CheckReport(
        checked=len(checked),
        equal=counts[HistoryVerdict.EQUAL],
        fewer=counts[HistoryVerdict.FEWER],
        wrong=counts[HistoryVerdict.WRONG],
        gone=counts[HistoryVerdict.GONE],
        others=others,
        first_wrong=tuple(
            f"alert {one.alert.alert_id} on claim {one.alert.claim_id}: {'; '.join(one.why)}"
            for one in wrong[:SHOWN]
        ),
    )


def _print(report: CheckReport) -> None:
    sys.stdout.write(
        f"{report.checked:,} alerts: {report.equal:,} say what the log says, {report.fewer:,} did "
        f"not know yet what came in late, {report.wrong:,} are wrong\n"
    )
    if report.gone:
        sys.stdout.write(f"{report.gone:,} were not compared: their claims were forgotten\n")
    if report.others:
        sys.stdout.write(f"{report.others:,} more are of other models: not compared\n")
    sys.stdout.writelines(f"{line}\n" for line in report.first_wrong)
    if report.wrong:
        sys.stdout.write("an alert knows more than the log also if claims were forgotten since\n")
