"""Motor claims with rings, small enough for tests."""

from functools import cache

from model.datasets.dataset import Dataset, of_events
from model.history.learning import DatasetPast, past_of, with_history
from model.samples import motor
from model.samples.rings import Links
from schemas.contract.parse import shipped

CONTRACT = shipped("motor")


@cache
def claims(rows: int, seed: int, links: Links = "rings") -> Dataset:
    """As `python -m model train --data synthetic --contract motor` has them."""
    return of_events(CONTRACT, motor.generate(rows, seed, links), f"motor {rows} {seed} {links}")


@cache
def replayed(rows: int, seed: int, links: Links = "rings") -> tuple[DatasetPast, Dataset]:
    """What they say of the past, and the same with history."""
    stated = claims(rows, seed, links)
    past = past_of(stated)
    return past, with_history(stated, past)
