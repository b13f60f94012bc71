"""One version, wherever one is stated."""

import re
import tomllib
from pathlib import Path

import yaml

from fraud_scorer import VERSION

ROOT = Path(__file__).parents[1]


def test_there_is_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == VERSION
    deployed = yaml.safe_load((ROOT / "deploy/kubernetes/kustomization.yaml").read_text())
    assert [image["newTag"] for image in deployed["images"]] == [VERSION]
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == VERSION
