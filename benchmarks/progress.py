"""Progress of a program: from what Kafka has committed, never from what the program reports."""

import time
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from benchmarks.process import Program
from consumer.kafka.client import kafka_error

Sign = Literal["group", "output"]
"""``group``: offsets the group committed, exact for transactions, whose markers take up offsets of
their own in the output. ``output``: end of the output topic, exact without transactions."""

WITHOUT_WAITING: Final = {"isolation.level": "read_uncommitted", "enable.auto.commit": False}
"""Answers with the last committed offset, instead of waiting for a transaction in flight."""
WAIT: Final = (
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.NOT_COORDINATOR,
    KafkaError._TIMED_OUT,
)
"""Answers of a busy broker: ask again."""
EVERY_S: Final = 0.02
WARM_SHARE: Final = 0.1
WARM_S: Final = 2.0


class Sample(NamedTuple):
    """State at one moment."""

    at: float
    claims: int
    cpu_s: float


class Pace(NamedTuple):
    """Speed between the first sample after warming up and the last."""

    per_s: float
    cpu_us: float
    claims: int
    seconds: float


class Progress:
    """Counts committed claims."""

    def __init__(
        self, bootstrap: str, sign: Sign, group: str, claims: str, alerts: str, partitions: int
    ) -> None:
        servers: dict[str, str | int | float | bool] = {
            "bootstrap.servers": bootstrap,
            "log_level": 0,
        }
        self._sign, self._seen = sign, 0
        self._admin = AdminClient(servers)
        # A member's view without being one. The admin client crashes on a coordinator that is
        # still loading, as it is for a new group.
        self._member = Consumer({**servers, "group.id": group, **WITHOUT_WAITING})
        self._claims = [TopicPartition(claims, p) for p in range(partitions)]
        self._alerts = [TopicPartition(alerts, p) for p in range(partitions)]

    def count(self) -> int:
        """Claims whose outcome is committed."""
        try:
            self._seen = self._committed() if self._sign == "group" else self._written()
        except KafkaException as error:
            if not kafka_error(error).retriable() and kafka_error(error).code() not in WAIT:
                raise
        return self._seen

    def _committed(self) -> int:
        found = self._member.committed(self._claims, timeout=30)
        return sum(max(0, p.offset) for p in found)

    def _written(self) -> int:
        latest: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        answers = self._admin.list_offsets(
            dict.fromkeys(self._alerts, latest),
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=30,
        )
        return sum(found.result(30).offset for found in answers.values())


def first(progress: Progress, programs: Sequence[Program], limit_s: float) -> float:
    """Wait for the first committed claim; returns when that was.

    Raises:
        TimeoutError: there was none in time.
        RuntimeError: a program ended.
    """
    deadline = time.perf_counter() + limit_s
    while not progress.count():
        if time.perf_counter() > deadline:
            raise TimeoutError(f"no claim committed in {limit_s:.0f} s: {programs[0].tail()}")
        for program in programs:
            program.check()
        time.sleep(EVERY_S / 4)
    return time.perf_counter()


def follow(
    progress: Progress, programs: Sequence[Program], total: int, limit_s: float
) -> list[Sample]:
    """Samples from now until every claim is committed, or the time is up.

    Raises:
        RuntimeError: a program ended.
    """
    samples: list[Sample] = []
    deadline = time.perf_counter() + limit_s
    while not samples or (samples[-1].claims < total and samples[-1].at < deadline):
        for program in programs:
            program.check()
        count, at = progress.count(), time.perf_counter()
        samples.append(Sample(at, count, sum(program.usage().cpu_s for program in programs)))
        time.sleep(EVERY_S)
    return samples


def pace(samples: Sequence[Sample], total: int) -> Pace:
    """Speed of a run without its start: a tenth of the claims, or two seconds.

    Raises:
        ValueError: the run is too short to tell.
    """
    warm = [s for s in samples if s.claims >= WARM_SHARE * total or s.at >= samples[0].at + WARM_S]
    if not warm:
        raise ValueError("nothing was committed after warming up")
    start, end = warm[0], warm[-1]
    claims, seconds = end.claims - start.claims, end.at - start.at
    if not claims:
        raise ValueError(f"the run is too short to tell: {len(samples)} samples, {total} claims")
    return Pace(claims / seconds, (end.cpu_s - start.cpu_s) / claims * 1e6, claims, seconds)
