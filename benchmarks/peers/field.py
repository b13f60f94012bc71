"""The peers as contenders."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from benchmarks.contenders import Contender
from benchmarks.earlier import YARDSTICK, Earlier
from benchmarks.peers.environments import NotInstallableError, python_of

ONCE: Final = "at least once"
PRESENT_NAME: Final = "Bytewax, our scorer"
YARDSTICK_NAME: Final = f"Bytewax, scorer of {YARDSTICK}"
MODULES: Final = "benchmarks.peers"

PEERS: Final = {
    "bytewax": (
        Contender(
            "Bytewax",
            "`flat_map_batch`, 1,000 a batch",
            "bytewax.run",
            "at least once, with a recovery store",
            "output",
            arguments=(f"{MODULES}.bytewax_flow:flow",),
        ),
        Contender(
            PRESENT_NAME,
            "the same with this project's decoding and scoring",
            "bytewax.run",
            "at least once, with a recovery store",
            "output",
            scoring="product",
            arguments=(f"{MODULES}.bytewax_flow:flow",),
        ),
    ),
    "faststream": (
        Contender(
            "FastStream",
            "batch subscriber and publisher, 5,000 a batch",
            f"{MODULES}.faststream_app",
            ONCE,
            "output",
            batch=5_000,
        ),
    ),
    "quixstreams": (
        Contender(
            "Quix Streams",
            "exactly once, message by message, 100 a checkpoint",
            f"{MODULES}.quixstreams_app",
            batch=100,
            slow=True,
        ),
        Contender(
            "Quix Streams, batches",
            "`BatchingSink`, 1,000 a batch",
            f"{MODULES}.quixstreams_batches",
            ONCE,
            "output",
        ),
    ),
    "faust": (
        Contender(
            "Faust",
            "`take_events`, 1,000 a batch",
            f"{MODULES}.faust_app",
            ONCE,
            "output",
            arguments=("worker", "--loglevel", "error"),
        ),
    ),
}


class Peer(NamedTuple):
    """A peer that takes part, or why it does not."""

    contender: Contender
    refused: str = ""


def peers(wanted: Sequence[str] = ()) -> Iterator[Peer]:
    """Peers, each in its environment.

    Args:
        wanted: only environments of peers whose name contains one of these are made; none: all.
    """
    for name, contenders in PEERS.items():
        if wanted and not any(part in c.name for c in contenders for part in wanted):
            continue
        try:
            python = python_of(name)
        except NotInstallableError as error:
            yield from (Peer(contender, str(error)) for contender in contenders)
        else:
            yield from (Peer(contender._replace(python=python)) for contender in contenders)


def yardstick(present: Contender, earlier: Earlier) -> Contender:
    """Bytewax around the decoding and scoring of another tree, with its model."""
    what = f"the same with the decoding and scoring of commit {YARDSTICK}"
    return present._replace(name=YARDSTICK_NAME, what=what, tree=earlier.tree, model=earlier.model)
