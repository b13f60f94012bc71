"""Kafka's own jars, fetched once with Maven into cache folders that parallel runs share."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.broker.fetched import java_version, once
from tests.harness.servers import NoServerError

DEFAULT = "4.2.2"
"""Not the newest: 4.3 and 4.4 leave transactions open after the only broker was killed. Their
coordinator takes a partition without a leader for a deleted one (KAFKA-20734)."""
VARIABLE = "KAFKA_VERSION"
CACHE = Path.home() / ".cache" / "claims-fraud-scorer"
INSTALL = "install Docker, or Java 17+ and Maven, or set KAFKA_BOOTSTRAP_SERVERS"

LOGGING = ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.4")


class NoKafkaError(NoServerError):
    """No way to a Kafka broker here; the message is one line that says what to install."""


def version() -> str:
    """The version of Apache Kafka that tests run on: ``KAFKA_VERSION``, or else `DEFAULT`."""
    return os.environ.get(VARIABLE) or DEFAULT


def jars(kafka: str | None = None) -> Path:
    """The folder of one version's jars, filled with Maven the first time.

    Args:
        kafka: a released version such as 4.3.1; `version` by default.

    Raises:
        NoKafkaError: Java 17+ or Maven is missing, or the download failed.
    """
    require_java()
    kafka = kafka or version()
    folder = CACHE / f"kafka-{kafka}"
    if folder.is_dir():
        return folder
    if shutil.which("mvn") is None:
        raise NoKafkaError(f"Maven is missing: {INSTALL}")
    return once(folder, lambda: _download(kafka, folder))


def require_java() -> None:
    """Check that ``java`` is version 17 or newer.

    Raises:
        NoKafkaError: it is missing or too old.
    """
    if shutil.which("java") is None:
        raise NoKafkaError(f"Java is missing: {INSTALL}")
    if java_version("java") < 17:
        raise NoKafkaError(f"Java is older than 17: {INSTALL}")


def _download(kafka: str, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as made_in:
        work = Path(made_in)
        (work / "pom.xml").write_text(_pom(kafka))
        made = subprocess.run(
            ["mvn", "-q", "-B", "-f", str(work / "pom.xml"), "dependency:copy-dependencies",
             f"-DoutputDirectory={work / 'jars'}", "-DincludeScope=runtime"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if made.returncode != 0:
            reason = (made.stdout.strip() or made.stderr.strip()).splitlines()[:1]
            raise NoKafkaError(f"Maven could not fetch Kafka {kafka} ({reason}): {INSTALL}")
        os.rename(work / "jars", folder)  # noqa: PTH104 - atomic: all of it or nothing


def _pom(kafka: str) -> str:
    artifacts = (
        ("org.apache.kafka", "kafka_2.13", kafka),
        ("org.apache.kafka", "kafka-tools", kafka),
        LOGGING,
    )
    dependencies = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId>"
        f"<version>{number}</version></dependency>"
        for group, name, number in artifacts
    )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>tests</groupId><artifactId>kafka-jars</artifactId><version>1</version>"
        f"<packaging>pom</packaging><dependencies>{dependencies}</dependencies></project>"
    )
