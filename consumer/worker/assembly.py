"""A worker put together from the settings."""

from collections.abc import Callable
from functools import partial

from consumer.batch.process import process
from consumer.dead_letters.sealing import make_seal
from consumer.memory.recall import Memory
from consumer.models.shadow import Shadow
from consumer.publishing.misfits import Misfits
from consumer.registry.wire import make_wire
from consumer.settings.settings import Settings
from consumer.telemetry.health import Loop
from consumer.telemetry.metrics import Metrics
from consumer.telemetry.tracing import UNTRACED, Traces
from consumer.worker.dead_letter_budget import DeadLetterBudget
from consumer.worker.observe import Observer
from consumer.worker.wanted import wanted_by
from consumer.worker.worker import Claims, Worker
from model.scoring.scorer import Scorer


def make_worker(
    settings: Settings,
    session: Claims,
    scorer: Callable[[], Scorer],
    metrics: Metrics,
    loop: Loop,
    shadow: Shadow | None = None,
    traces: Traces = UNTRACED,
    memory: Memory | None = None,
) -> Worker:
    """The worker that the settings ask for.

    Args:
        settings: what is published, in what form, and how many dead letters are allowed.
        session: where claims come from and outcomes go.
        scorer: the model to use for the next batch.
        metrics: where counts go.
        loop: updated on every iteration and commit.
        shadow: a challenger that scores the same batches.
        traces: receives every batch.
        memory: of earlier claims; None: nothing is remembered.

    Raises:
        SettingsError: a key cannot be read, or an extra is missing.
        RegistryStoppedError: the schema registry does not answer.
    """
    misfits = Misfits()
    assess = partial(
        process,
        wanted=wanted_by(settings),
        seal=make_seal(settings),
        wire=make_wire(settings),
        misfits=misfits.counts,
        recall=None if memory is None else memory.recall,
    )
    return Worker(
        session,
        assess,
        scorer,
        budget=DeadLetterBudget(settings),
        observer=Observer(metrics, shadow),
        metrics=metrics,
        loop=loop,
        misfits=misfits,
        traces=traces,
        memory=memory,
    )
