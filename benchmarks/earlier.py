"""Another commit beside the present one: its files, a model trained by its code, its worker."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.contenders import PRODUCT, Contender
from benchmarks.peers.environments import python_of_tree
from benchmarks.workload import DISTINCT, REFERRED, SEED
from tests.harness.process import ROOT

YARDSTICK: Final = "0929c49"
"""The commit whose decoding and scoring the product is measured against: a yardstick that does not
move with the product."""
_TRAIN: Final = (
    *("-P", "-m", "model", "train", "--data", "synthetic", "--rows", str(DISTINCT)),
    *("--seed", str(SEED), "--algorithm", "gradient_boosting", "--alert-share", str(REFERRED)),
)


class NoSuchCommitError(Exception):
    """Its files are not available; says why in one line."""


@contextlib.contextmanager
def checkout(commit: str, folder: Path) -> Iterator[Path]:
    """The files of a commit, in a subfolder named after it, for the duration of the block.

    Raises:
        NoSuchCommitError: this is no clone with that commit.
    """
    git = ["git", "-C", str(ROOT), "worktree"]
    tree = folder / f"tree-{commit.replace('/', '-')}"
    made = subprocess.run(
        [*git, "add", "--quiet", "--detach", str(tree), commit],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode:
        raise NoSuchCommitError(f"{commit}: {made.stderr.strip() or 'git worktree failed'}")
    try:
        yield tree
    finally:
        subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def trained(tree: Path, folder: Path, python: str) -> Path:
    """A model of the claims of `benchmarks.workload`, trained by the code in a tree."""
    subprocess.run(
        [python, *_TRAIN, "--output", str(folder)],
        check=True,
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        stdout=subprocess.DEVNULL,
    )
    return folder


class Earlier(NamedTuple):
    """A tree of files, a model trained by its code, and an interpreter with its libraries."""

    tree: Path
    model: Path
    python: str


def made(tree: Path, folder: Path) -> Earlier:
    """Train a model in a folder with the code of a tree.

    Raises:
        NotInstallableError: its libraries cannot be installed.
    """
    python = python_of_tree(tree)
    return Earlier(tree, trained(tree, folder, python), python)


def worker(name: str, earlier: Earlier) -> Contender:
    """The worker of a tree, with its defaults."""
    what = f"`python -m consumer run` of {name}, defaults"
    found = Contender(f"{PRODUCT} {name}", what, "consumer", arguments=("run",))
    return found._replace(**earlier._asdict())
