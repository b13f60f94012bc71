"""The stack runs the broker that the tests run on."""

from tests.broker import jars
from tests.deploy.rules import load
from tests.deploy.tools import DEPLOY


def test_the_stack_has_the_version_of_the_tests() -> None:
    kafka = load(DEPLOY.parent / "docker-compose.yml")["services"]["kafka"]
    assert kafka["image"] == f"apache/kafka:{jars.DEFAULT}"
