"""Outcome records that cannot be read become dead letters, exactly once; what the others found is
remembered, exactly once as well, if MEMORY=on.

They go to OUTCOMES_DEAD_LETTER_TOPIC, in one transaction with the offsets of the group
``CONSUMER_GROUP-outcomes``, by the same session that publishes a worker's alerts: its promises
across kills and rebalances hold here too. A redrive never sees these records.
"""

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from typing import Final

from msgspec import structs

from consumer.batch.cut import cut
from consumer.batch.decode import headers_of
from consumer.batch.edges import Seal
from consumer.batch.process import MOST_HEADERS, MisfitCounts, Outcome, dead_letter, next_offsets
from consumer.batch.records import Message, Record, coordinates
from consumer.dead_letters.sealing import make_seal
from consumer.errors import AbortedError, KafkaStoppedError, TooLargeError
from consumer.kafka.client import CONSUMER_ONLY
from consumer.kafka.watchdog import Watchdog
from consumer.memory.log import finding_record, known_at
from consumer.outcomes.metrics import OutcomeMetrics
from consumer.outcomes.reading import read_outcome
from consumer.publishing.misfits import Misfits
from consumer.session.session import Aborted, Committed, Session
from consumer.settings.settings import Delivery, Membership, Remember, Settings
from schemas.alert import Source
from schemas.contract.parse import shipped
from schemas.dead_letter import Header, Reason
from schemas.decoding.decoder import ClaimDecoder
from schemas.decoding.refusal import RefusedError
from schemas.outcome import Finding

MAX_ABORTS_IN_A_ROW: Final = 20

Reasons = Counter[Reason]


def own_settings(settings: Settings) -> Settings:
    """Settings of the session: it reads the outcomes, and writes only the bad ones."""
    shared = {n: v for n, v in settings.librdkafka.items() if not n.startswith(CONSUMER_ONLY)}
    return structs.replace(
        settings,
        consumer_group=f"{settings.consumer_group}-outcomes",
        membership=Membership.DYNAMIC,
        delivery=Delivery.EXACTLY_ONCE,
        claims_topic=settings.outcomes_topic,
        alerts_topic=settings.outcomes_dead_letter_topic,
        dead_letter_topic=settings.outcomes_dead_letter_topic,
        librdkafka=shared,
    )


def screened(
    messages: Sequence[Message],
    now: dt.datetime,
    seal: Seal,
    decoder: ClaimDecoder,
    misfits: MisfitCounts,
    *,
    remember: bool = False,
) -> Outcome:
    """The dead letters of a batch of outcome records, and its offsets. Pure.

    Args:
        messages: consumed records, in the order of each partition.
        now: becomes ``failed_at``.
        seal: decides what a dead letter keeps of the record; see `consumer.dead_letters.sealing`.
        decoder: for the claims' contract; redacting keeps what is neither personal nor protected
            in it, so little more of an outcome than the claim's id.
        misfits: records whose dead letter did not fit its topic: it is cut.
        remember: note findings in MEMORY_TOPIC; an inconclusive outcome has none.
    """
    letters: list[Record] = []
    refused_at: list[Source] = []
    found: list[Record] = []
    found_at: list[Source] = []
    reasons = Reasons()
    sources = list(map(coordinates, messages))
    for message, source in zip(messages, sources, strict=True):
        try:
            said = read_outcome(message.value())
        except RefusedError as refused:
            letter = dead_letter(message, source, _headers(message), refused, now)
            misfit = source in misfits
            letters.append(cut(letter, seal, decoder) if misfit else seal(letter, decoder))
            refused_at.append(source)
            reasons[refused.reason] += 1
        else:
            if remember and said.outcome is not Finding.INCONCLUSIVE:
                fraud, moment = said.outcome is Finding.FRAUD, known_at(message, now)
                found.append(finding_record(said.claim_id, moment, source, fraud=fraud))
                found_at.append(source)
    return Outcome(
        alerts=[],
        dead_letters=letters,
        offsets=next_offsets(sources),
        outcomes=dict(Counter((source.topic, source.partition) for source in refused_at)),
        reasons=reasons,
        referred=0,
        claims=[],
        assessment=None,
        letter_sources=refused_at,
        memories=found,
        memory_sources=found_at,
    )


def _headers(message: Message) -> list[Header]:
    """The record's headers, as far as a dead letter can carry them."""
    try:
        headers = headers_of(message)
    except RefusedError:  # the client cannot read them, and an outcome has none that matter
        return []
    return headers if len(headers) <= MOST_HEADERS else []


class Screening:
    """Reads outcomes as a member of its own group; used from one thread."""

    def __init__(self, settings: Settings, watchdog: Watchdog, instruments: OutcomeMetrics) -> None:
        """Prepare; nothing is connected before `session` is entered.

        Args:
            settings: of the process.
            watchdog: ends the process when a step of a transaction is stuck.
            instruments: where counts go.

        Raises:
            SettingsError: the key of DEAD_LETTER_VALUE=encrypted cannot be read.
        """
        self._seal = make_seal(settings)
        self._decoder = ClaimDecoder(shipped("auto"))
        self._instruments = instruments
        self._remember = settings.memory is Remember.ON
        self._misfits = Misfits()
        self._aborts = 0
        self.session: Session[Reasons] = Session(own_settings(settings), watchdog, lambda *_: None)

    def step(self) -> bool:
        """Set the next bad records aside; False if there was nothing to look at.

        Raises:
            KafkaStoppedError: Kafka does not let it continue.
        """
        self.session.watch()
        batch = self.session.poll()
        self._note_events()
        if not batch.messages:
            return False
        now = dt.datetime.now(dt.UTC)
        outcome = screened(
            batch.messages,
            now,
            self._seal,
            self._decoder,
            self._misfits.counts,
            remember=self._remember,
        )
        self.session.publish(outcome, outcome.reasons)
        return True

    def settle(self) -> None:
        """Wait for the commit in flight."""
        self.session.settle()
        self._note_events()

    def _note_events(self) -> None:
        for event in self.session.events():
            if isinstance(event, Committed):
                self._aborts = 0
                for reason, count in (event.tag or Reasons()).items():
                    self._instruments.dead_lettered.labels(reason.value).inc(count)
            elif isinstance(event, Aborted):
                self._aborted(event.error)

    def _aborted(self, error: AbortedError) -> None:
        if isinstance(error, TooLargeError) and self._misfits.learnt(error):
            self._aborts = 0  # progress, although nothing is committed
            return
        self._aborts += 1
        if self._aborts >= MAX_ABORTS_IN_A_ROW:
            raise KafkaStoppedError(f"{self._aborts} transactions in a row aborted: {error}")
