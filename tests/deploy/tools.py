"""Programs the tests of deploy/ need, and skipping with a line where they are missing."""

import functools
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"


def need(program: str, package: str) -> str:
    """Path of a program; skips the test when it is not there."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"no {program}: install {package}")
    return found


@functools.cache
def docker_fault() -> str | None:
    """Why containers cannot be run here, or None."""
    if shutil.which("docker") is None:
        return "no docker"
    for command in (["docker", "info"], ["docker", "compose", "version"]):
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return f"`{' '.join(command)}` fails"
    return None


def need_docker() -> None:
    """Skips the test where containers cannot be run."""
    if fault := docker_fault():
        pytest.skip(f"{fault}: the stack is not tried")


def need_images(*names: str) -> None:
    """Skips the test when an image is neither here nor to be had."""
    for name in names:
        here = subprocess.run(
            ["docker", "image", "inspect", name], capture_output=True, check=False
        )
        if here.returncode:
            pulled = subprocess.run(["docker", "pull", name], capture_output=True, check=False)
            if pulled.returncode:
                pytest.skip(f"image {name} cannot be had: the stack is not tried")
