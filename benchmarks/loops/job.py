"""The job of a measured program, and the Kafka it needs. Imported by peers: no dependencies."""

import os
from pathlib import Path
from typing import NamedTuple


class Job(NamedTuple):
    """Topics to read and write, and the group."""

    bootstrap: str
    claims: str
    alerts: str
    group: str
    model: Path
    batch: int
    scoring: str
    """``stock`` for the DataFrame a user would write, ``product`` for this project's scorer."""

    def environment(self) -> dict[str, str]:
        """The job as environment variables."""
        return {f"BENCH_{name.upper()}": str(value) for name, value in self._asdict().items()}


def job() -> Job:
    """The job this process was started for."""
    told = {name: os.environ[f"BENCH_{name.upper()}"] for name in Job._fields}
    return Job(
        told["bootstrap"],
        told["claims"],
        told["alerts"],
        told["group"],
        Path(told["model"]),
        int(told["batch"]),
        told["scoring"],
    )
