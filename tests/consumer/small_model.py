"""A model trained in a moment, for tests that only need one that is real."""

from pathlib import Path

from model.__main__ import main


def train_small(folder: Path, threshold: float = 0.1) -> Path:
    """Train on a few synthetic claims; the threshold is low, so that there are referrals."""
    asked = f"train --data synthetic --rows 3000 --algorithm gradient_boosting --output {folder}"
    assert main([*asked.split(), "--threshold", str(threshold)]) == 0
    return folder
