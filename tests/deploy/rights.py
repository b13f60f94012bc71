"""The rights of each command, exactly as listed in docs/security.md."""

import re
from typing import Final

from confluent_kafka.admin._acl import AclOperation
from confluent_kafka.admin._resource import ResourceType

from tests.deploy.secured import Right
from tests.deploy.tools import ROOT

KINDS: Final = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional id": ResourceType.TRANSACTIONAL_ID,
    "cluster": ResourceType.BROKER,
}
OPERATIONS: Final = {operation.name.replace("_", ""): operation for operation in AclOperation}
"""By name as Kafka's tools write it, in capitals."""
_ROW = re.compile(
    r"^\| `([\w -]+)`( with memory)? \| (topic|group|transactional id|cluster) \| `([^`]+)` "
    r"\| (\w+) \|",
    re.M,
)


def documented() -> dict[str, list[Right]]:
    """Rights by command; those "with memory" are needed besides the others.

    A name that ends in * stands for all that begin so.
    """
    found: dict[str, list[Right]] = {}
    for command, memory, kind, name, operation in _ROW.findall(
        (ROOT / "docs/security.md").read_text()
    ):
        right = Right(
            KINDS[kind], name.removesuffix("*"), OPERATIONS[operation.upper()], name[-1] == "*"
        )
        found.setdefault(command + memory, []).append(right)
    return found


def of_group(rights: list[Right], group: str) -> list[Right]:
    """The same rights for a worker of another CONSUMER_GROUP."""
    return [
        right
        if right.kind is ResourceType.TOPIC
        else right._replace(name=right.name.replace("fraud-scorer", group))
        for right in rights
    ]
