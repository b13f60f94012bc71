"""The image: what is in it, and that it runs with nothing it could write to."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.deploy.stack import docker
from tests.deploy.tools import ROOT, need_docker, need_images

pytestmark = pytest.mark.slow

TAG = "claims-fraud-scorer:test-image"
HARDENED = (
    "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "none",
)  # fmt: skip


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    need_docker()
    need_images("python:3.13-slim")
    docker("build", "--tag", TAG, str(ROOT))
    yield TAG
    docker("image", "rm", TAG)


def run(image: str, *arguments: str, entrypoint: str = "") -> subprocess.CompletedProcess[str]:
    entry = ("--entrypoint", entrypoint) if entrypoint else ()
    command = ["docker", "run", "--rm", *HARDENED, *entry, image, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_worker_refuses_to_start_without_a_model(image: str) -> None:
    done = run(image)
    assert done.returncode == 3
    assert "MODEL_DIR=/models/current" in done.stderr


def test_a_model_is_trained_and_loaded_without_a_writable_file_system(image: str) -> None:
    script = (
        "python -m model train --data synthetic --rows 2000 --output /models/current"
        " && python -c 'from model.scoring.load import load; print(load(\"/models/current\").name)'"
    )
    command = [
        "docker", "run", "--rm", *HARDENED, "--tmpfs", "/tmp", "--volume", "/models",
        "--entrypoint", "sh", image, "-c", script,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "gradient_boosting"


def test_it_is_nobody_in_particular(image: str) -> None:
    assert run(image, "-u", entrypoint="id").stdout.strip() == "10001"


@pytest.mark.parametrize("program", ["gcc", "cc", "make", "pip", "pip3", "git", "curl"])
def test_nothing_in_it_builds_or_fetches(image: str, program: str) -> None:
    assert run(image, "-c", f"command -v {program}", entrypoint="sh").returncode != 0


def test_it_has_what_the_lock_names_and_nothing_else(image: str) -> None:
    listing = "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
    found = run(image, "-c", listing, entrypoint="/opt/venv/bin/python").stdout.split()
    locked = (ROOT / "requirements" / "runtime.lock").read_text().splitlines()
    names = {line.partition("==")[0] for line in locked if line[:1].isalnum()}
    assert {name.lower().replace("_", "-") for name in found} == names


def test_it_has_the_product_and_no_tests(image: str) -> None:
    found = run(image, "/opt/app", entrypoint="ls").stdout.split()
    assert found == ["consumer", "model", "schemas"]
