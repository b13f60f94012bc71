"""Kafka's own jars, fetched once with Maven into a cache folder that parallel runs share."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.broker.fetched import java_version, once

VERSION = "4.3.1"
CACHE = Path.home() / ".cache" / "claims-fraud-scorer" / f"kafka-{VERSION}"
INSTALL = "install Docker, or Java 17+ and Maven, or set KAFKA_BOOTSTRAP_SERVERS"

ARTIFACTS = (
    ("org.apache.kafka", "kafka_2.13", VERSION),
    ("org.apache.kafka", "kafka-tools", VERSION),
    ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.4"),
)


class NoKafkaError(Exception):
    """No way to a Kafka broker here; the message is one line that says what to install."""


def jars() -> Path:
    """The folder of jars, filled with Maven the first time.

    Raises:
        NoKafkaError: Java 17+ or Maven is missing, or the download failed.
    """
    require_java()
    if CACHE.is_dir():
        return CACHE
    if shutil.which("mvn") is None:
        raise NoKafkaError(f"Maven is missing: {INSTALL}")
    return once(CACHE, _download)


def require_java() -> None:
    """Check that ``java`` is version 17 or newer.

    Raises:
        NoKafkaError: it is missing or too old.
    """
    if shutil.which("java") is None:
        raise NoKafkaError(f"Java is missing: {INSTALL}")
    if java_version("java") < 17:
        raise NoKafkaError(f"Java is older than 17: {INSTALL}")


def _download() -> None:
    with tempfile.TemporaryDirectory(dir=CACHE.parent) as folder:
        work = Path(folder)
        (work / "pom.xml").write_text(_pom())
        made = subprocess.run(
            ["mvn", "-q", "-B", "-f", str(work / "pom.xml"), "dependency:copy-dependencies",
             f"-DoutputDirectory={work / 'jars'}", "-DincludeScope=runtime"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if made.returncode != 0:
            reason = (made.stdout.strip() or made.stderr.strip()).splitlines()[:1]
            raise NoKafkaError(f"Maven could not fetch Kafka ({reason}): {INSTALL}")
        os.rename(work / "jars", CACHE)  # noqa: PTH104 - atomic: all of it or nothing


def _pom() -> str:
    dependencies = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{name}</artifactId>"
        f"<version>{version}</version></dependency>"
        for group, name, version in ARTIFACTS
    )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>tests</groupId><artifactId>kafka-jars</artifactId><version>1</version>"
        f"<packaging>pom</packaging><dependencies>{dependencies}</dependencies></project>"
    )
