"""Motor claims as files, and models that were trained on them."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from model.__main__ import main
from model.samples import motor

ROWS: Final = 2_000
SEED: Final = 3
EVENTS: Final = sorted(motor.generate(ROWS, SEED), key=lambda event: str(event["reported_on"]))
"""In the order in which they came in."""


def lines(path: Path, events: Iterable[Mapping[str, Any]]) -> Path:
    """Events as JSON lines."""
    path.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in events))
    return path


def columns(path: Path, events: Iterable[Mapping[str, Any]]) -> Path:
    """Events as CSV, with what was found in columns of its own."""
    rows = [
        {n: _cell(v) for n, v in event.items() if n != "outcome"}
        | {f"outcome.{n}": v for n, v in event["outcome"].items()}
        for event in events
    ]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list({name: None for row in rows for name in row}))
        writer.writeheader()
        writer.writerows(rows)
    return path


def _cell(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def train(data: Path, folder: Path, algorithm: str, *more: str) -> Path:
    """A model of motor claims."""
    command = ["train", "--data", str(data), "--contract", "motor", "--split", "time"]
    command += ["--algorithm", algorithm, "--alert-share", "0.1", "--output", str(folder)]
    assert main([*command, *more]) == 0
    return folder
