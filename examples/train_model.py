"""Train on a history, and replace the model in a folder only if the new one ranks better.

    python -m examples.train_model history.jsonl artifacts/current

Each line of the history is a claim with its label in `fraud`. Both models are compared on the
latest fifth of the claims, which the new one has not seen; if the current one was trained on some
of them, the comparison favours it.
"""

import datetime as dt
import sys
from pathlib import Path

from sklearn.metrics import average_precision_score

from model.artifact.manifest import SplitPlan
from model.artifact.store import refuse_foreign
from model.datasets.dataset import load
from model.files.writing import check_folder
from model.scoring.load import load as load_model
from model.thresholds import Top
from model.training.train import pick, train, write


def improve(history: str, folder: Path) -> bool:
    """Train, compare, and save the model if it is better than the one in the folder, or the first.

    Raises:
        DatasetError, ValueError: the history cannot be used.
        ArtifactError: the folder holds something else than a model.
        OSError: it cannot be written.
    """
    refuse_foreign(folder)
    check_folder("FOLDER", folder.parent)
    dataset = load(history, "jsonl")
    plan = SplitPlan(kind="time", test_size=0.2)
    trained = train(dataset, "gradient_boosting", plan, policy=Top(0.05))
    labels = dataset.labels[trained.test_rows]
    new = average_precision_score(labels, trained.test_scores)
    if folder.exists():
        current = load_model(folder).score(pick(dataset.claims, trained.test_rows))
        old = average_precision_score(labels, current)
        sys.stdout.write(f"average precision {new:.3f}, of the current model {old:.3f}\n")
        if new <= old:
            return False
    write(trained, folder, created_at=dt.datetime.now(dt.UTC))
    return True


if __name__ == "__main__":
    path = Path(sys.argv[2])
    sys.stdout.write(f"saved {path}\n" if improve(sys.argv[1], path) else f"kept {path}\n")
