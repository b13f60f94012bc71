"""Claims posted one by one at the same time are scored together.

A model costs about as much for one claim as for twenty, so an endpoint under load answers several
times as many. No claim waits for others: whatever has arrived by the next turn of the event loop is
one evaluation, even if that is a single claim.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

from consumer.batch.alerts import BatchScorer
from consumer.batch.decode import Decoded
from consumer.errors import ScorerError
from consumer.web.batches import PORTION, RecallPosted, nothing_recalled, told
from schemas.alert import FraudAlert
from schemas.answer import Verdict

MOST: Final = PORTION
"""Claims per evaluation."""

Answer = FraudAlert | Verdict


class _Waiting(NamedTuple):
    """A claim, and the future of its answer."""

    found: Decoded
    answer: asyncio.Future[Answer]


class Together:
    """Scores what arrives within one turn of the event loop; used from its thread."""

    def __init__(self, recall: RecallPosted = nothing_recalled) -> None:
        """Nothing is waiting yet.

        Args:
            recall: looks up what is known about claims; called once per evaluation.
        """
        self._recall = recall
        self._open: dict[tuple[int, bool], list[_Waiting]] = {}
        """By model and kind of answer, the next evaluation while it has room."""

    async def told(self, found: Decoded, scorer: BatchScorer, *, detail: bool) -> Answer:
        """The claim's alert if `detail`, otherwise its verdict.

        Raises:
            ScorerError: what is known about claims cannot be read.
            Exception: whatever the model raises on this claim; others are answered.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(found, loop.create_future())
        which = id(scorer), detail
        group = self._open.get(which)
        if group is None:
            group = self._open[which] = []
            loop.call_soon(self._evaluate, which, group, scorer)
        group.append(waiting)
        if len(group) == MOST:
            del self._open[which]
        return await waiting.answer

    def _evaluate(
        self, which: tuple[int, bool], group: Sequence[_Waiting], scorer: BatchScorer
    ) -> None:
        if self._open.get(which) is group:
            del self._open[which]
        # A client that has hung up meanwhile has cancelled its future.
        waiting = [one for one in group if not one.answer.done()]
        if waiting:
            self._answer(waiting, scorer, detail=which[1])

    def _answer(self, waiting: Sequence[_Waiting], scorer: BatchScorer, *, detail: bool) -> None:
        try:
            found = [one.found for one in waiting]
            answers: list[Answer] = list(told(found, scorer, self._recall, detail=detail))
        except Exception as error:  # noqa: BLE001 - whatever a model raises; it is passed on
            if len(waiting) == 1 or isinstance(error, ScorerError):
                for one in waiting:
                    one.answer.set_exception(error)
            else:  # one claim's: the others get an answer
                for one in waiting:
                    self._answer([one], scorer, detail=detail)
        else:
            for one, answer in zip(waiting, answers, strict=True):
                one.answer.set_result(answer)
