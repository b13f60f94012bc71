"""The contenders: what is started, how, and what it promises."""

import sys
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.loops.job import Job
from benchmarks.progress import Sign
from tests.harness.process import ROOT, module

ECHO: Final = "echo"
PRODUCT: Final = "product"


class Contender(NamedTuple):
    """One program to measure."""

    name: str
    what: str
    module: str
    guarantee: str = "exactly once"
    sign: Sign = "group"
    batch: int = 1_000
    scoring: str = "stock"
    slow: bool = False
    """So slow that it is given few claims."""
    python: str = sys.executable
    arguments: tuple[str, ...] = ()
    tree: Path = ROOT
    """Where its code is."""
    model: Path | None = None
    """Trained by its own code; None for the model that all share."""
    settings: tuple[tuple[str, str], ...] = ()
    """Of the product, where they differ from its defaults."""

    def command(self) -> list[str]:
        """The command that starts it."""
        program, *rest = module(self.module, *self.arguments, python=self.python)
        return [program, "-P", *rest]

    def environment(self, job: Job, dead_letters: str, instance: str = "1") -> dict[str, str]:
        """The environment it gets."""
        if self.model is not None:
            job = job._replace(model=self.model)
        own = (
            {**product_environment(job, dead_letters, instance), **dict(self.settings)}
            if self.name.startswith(PRODUCT)
            else job._replace(batch=self.batch, scoring=self.scoring).environment()
        )
        return {**own, "PYTHONPATH": str(self.tree)}


def product_environment(job: Job, dead_letters: str, instance: str) -> dict[str, str]:
    """The product's settings: everything but names and addresses is its default."""
    return {
        "KAFKA_BOOTSTRAP_SERVERS": job.bootstrap,
        "CLAIMS_TOPIC": job.claims,
        "ALERTS_TOPIC": job.alerts,
        "DEAD_LETTER_TOPIC": dead_letters,
        "CONSUMER_GROUP": job.group,
        "INSTANCE_ID": instance,
        "MODEL_DIR": str(job.model),
        "METRICS_PORT": "0",
        "LOG_LEVEL": "WARNING",
    }


OURS: Final = (
    Contender(ECHO, "bare client, same bytes out, 1,000 a transaction", "benchmarks.loops.echo"),
    Contender(PRODUCT, "`python -m consumer run`, defaults", "consumer", arguments=("run",)),
    Contender(
        "loop, 5,000 a DataFrame",
        "hand-written: json, DataFrame, ColumnTransformer, same trees",
        "benchmarks.loops.dataframe",
        batch=5_000,
    ),
    Contender(
        "loop, 500 a DataFrame",
        "the same in smaller batches",
        "benchmarks.loops.dataframe",
        batch=500,
    ),
    Contender(
        "loop, message by message",
        "the same, a DataFrame a claim, 100 a transaction",
        "benchmarks.loops.per_message",
        batch=100,
        slow=True,
    ),
)
