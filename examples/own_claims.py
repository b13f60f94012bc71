"""Writes a made-up history of motor claims, as an insurer's own export may look.

    python -m examples.own_claims examples/own_claims.csv

Days are written 14.03.2024 and amounts 1.234,50; columns are separated by semicolons, with names
of the sender. Of 300 garages twelve inflate what they repair. The same seed writes the same file.
"""

import csv
import datetime as dt
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SEED: Final = 7
ROWS: Final = 3_000
GARAGES: Final = 300
INFLATING: Final = 12
FIRST_DAY: Final = dt.date(2023, 1, 1)
COLUMNS: Final = (
    "Schaden-Nr", "Police", "Beginn", "Schadentag", "Meldetag", "Ursache", "Betrag", "Werkstatt",
    "Polizei", "Versicherter", "Betrug",
)  # fmt: skip
CAUSES: Final = {"Auffahrunfall": 5, "Parkschaden": 4, "Glasbruch": 3, "Diebstahl": 1, "Hagel": 1}


def rows(seed: int = SEED, count: int = ROWS) -> Iterator[tuple[str, ...]]:
    """The claims in the order of their loss, as texts."""
    chance = random.Random(seed)  # noqa: S311 - made-up claims, not a secret
    inflating = set(chance.sample(range(GARAGES), INFLATING))
    for number in range(count):
        lost = FIRST_DAY + dt.timedelta(days=number * 730 // count)
        garage = chance.choice(sorted(inflating)) if chance.random() < 0.08 else None
        garage = chance.randrange(GARAGES) if garage is None else garage
        fraud = chance.random() < (0.45 if garage in inflating else 0.02)
        covered = chance.randrange(3, 60) if fraud and chance.random() < 0.4 else None
        start = lost - dt.timedelta(days=covered or chance.randrange(20, 3_000))
        lag = int(chance.expovariate(1 / (18 if fraud else 5)))
        amount = chance.lognormvariate(7.4, 0.6) * (1.8 if fraud else 1)
        police = chance.random() < (0.1 if fraud else 0.4)
        yield (
            f"S-{number:05}",
            f"P-{chance.randrange(100_000):05}",
            _day(start),
            _day(lost),
            _day(lost + dt.timedelta(days=lag)),
            chance.choices(list(CAUSES), list(CAUSES.values()))[0],
            _amount(amount),
            f"W-{garage:03}",
            "ja" if police else "nein",
            f"Kunde {number:04}",
            "ja" if fraud else "nein",
        )


def _day(day: dt.date) -> str:
    return f"{day:%d.%m.%Y}"


def _amount(amount: float) -> str:
    return f"{amount:,.2f}".translate(str.maketrans(",.", ".,"))


def write(path: Path) -> None:
    """Write the file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=";", lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows())


if __name__ == "__main__":
    write(Path(sys.argv[1]))
