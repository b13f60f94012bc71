"""CPU time of reasons for the claims with the highest scores, with the code of any commit.

``python -P benchmarks/explaining.py MODEL CLAIMS SHARE`` with that code on PYTHONPATH. Prints µs
per claim of the stream: for claims not seen before, then for the same claims again.
"""

import importlib
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

BATCH: Final = 1_000
REPEATS: Final = 5
WARM_UP: Final = 2
"""Batches that are not measured."""


def _either(name: str, *modules: str) -> Any:
    """The object of this name in the first of the modules that this commit has."""
    for module in modules[:-1]:
        try:
            return getattr(importlib.import_module(module), name)
        except ModuleNotFoundError:  # an earlier commit has it elsewhere
            continue
    return getattr(importlib.import_module(modules[-1]), name)


def main() -> None:
    """Measure and print."""
    model, file, share = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    scorer = _either("load", "model.scoring.load", "model.artifact")(model)
    decode = _either("decode", "consumer.batch.decode", "consumer.decode")
    own = [scorer.decoder] if hasattr(scorer, "decoder") else []
    decoded = [decode(line, (), *own) for line in file.read_bytes().splitlines()]
    claims = [getattr(one, "claim", one) for one in decoded]
    batches = [claims[at : at + BATCH] for at in range(0, len(claims), BATCH)]
    scores = [scorer.score(batch) for batch in batches]
    least = np.quantile(np.concatenate(scores), 1 - share)
    chosen = []
    for batch, p in zip(batches, scores, strict=True):
        rows = np.flatnonzero(p >= least).tolist()
        chosen.append(([batch[row] for row in rows], scorer.codes(batch)[rows]))
    warm_up, measured = chosen[:WARM_UP], chosen[WARM_UP:]

    def cpu_us(parts: Any) -> float:
        begin = time.process_time()
        for part in parts:
            scorer._explainer.explain(*part)
        return (time.process_time() - begin) / (len(parts) * BATCH) * 1e6

    cpu_us(warm_up)
    first = cpu_us(measured)
    again = min(cpu_us(measured) for _ in range(REPEATS))
    print(first, again)


if __name__ == "__main__":
    main()
