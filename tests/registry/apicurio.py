"""A real Schema Registry: Apicurio (Apache-2.0), fetched once with Maven, run with Java 21+."""

import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.broker import wait
from tests.broker.fetched import java_version, once
from tests.broker.ports import free_ports
from tests.harness.process import die_with_parent

VERSION = "3.3.3"
ARTIFACT = f"io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"
CACHE = Path.home() / ".cache" / "claims-fraud-scorer" / f"apicurio-{VERSION}"
JAVA = 21


class NoRegistryError(Exception):
    """No way to Apicurio here; the message is one line that says what to install."""


def newer_java() -> str:
    """A recent enough Java: the one on the path, or one installed next to it."""
    installed = sorted(Path("/usr/lib/jvm").glob("*/bin/java"))
    for java in [shutil.which("java"), *map(str, installed)]:
        if java is not None and java_version(java) >= JAVA:
            return java
    raise NoRegistryError(f"Apicurio {VERSION} needs Java {JAVA} or newer")


def unpacked() -> Path:
    """The program's folder, filled the first time."""
    if CACHE.is_dir():
        return CACHE
    if shutil.which("mvn") is None:
        raise NoRegistryError("Apicurio is fetched with Maven, which is missing")
    return once(CACHE, _download)


def _download() -> None:
    with tempfile.TemporaryDirectory(dir=CACHE.parent) as folder:
        fetched = subprocess.run(
            ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={ARTIFACT}",
             f"-DoutputDirectory={folder}"],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        archives = list(Path(folder).glob("*.tar.gz"))
        if fetched.returncode != 0 or not archives:
            raise NoRegistryError(f"Maven could not fetch {ARTIFACT}")
        with tarfile.open(archives[0]) as archive:
            archive.extractall(Path(folder) / "app", filter="data")
        os.rename(Path(folder) / "app", CACHE)  # noqa: PTH104 - atomic: all of it or nothing


@contextmanager
def apicurio() -> Iterator[str]:
    """Run it while the body does; the value is the address of its Confluent-compatible API.

    Raises:
        NoRegistryError: it cannot be had here.
    """
    java, folder = newer_java(), unpacked()
    (port, management) = free_ports(2)
    ports = [f"-Dquarkus.http.port={port}", f"-Dquarkus.management.port={management}"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*die_with_parent(), java, "-Xmx384m", *ports, "-jar", "quarkus-run.jar"],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
        url = f"http://127.0.0.1:{port}/apis/ccompat/v7"

        def ready() -> bool:
            assert process.poll() is None, "Apicurio ended"
            try:
                return httpx.get(f"{url}/subjects", timeout=10).status_code == 200
            except httpx.HTTPError:
                return False

        try:
            wait.until(ready, "Apicurio")
            yield url
        finally:
            process.terminate()
            process.wait(60)
