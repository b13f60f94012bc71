"""The peers as contenders."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from benchmarks.contenders import Contender
from benchmarks.peers.environments import NotInstallableError, python_of

ONCE: Final = "at least once"
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
            "Bytewax, our scorer",
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


def peers() -> Iterator[Peer]:
    """Every peer, each in its environment."""
    for name, contenders in PEERS.items():
        try:
            python = python_of(name)
        except NotInstallableError as error:
            yield from (Peer(contender, str(error)) for contender in contenders)
        else:
            yield from (Peer(contender._replace(python=python)) for contender in contenders)
