"""The conditions under which figures were taken."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import confluent_kafka
import msgspec

from benchmarks.cores import Cores
from tests.broker import jars


class Conditions(msgspec.Struct, frozen=True):
    """Conditions that a figure depends on besides the code."""

    cpu: str
    cores: int
    memory_gib: int
    pinning: str
    load_before: float
    system: str
    python: str
    kafka: str
    java: str
    client: str
    libraries: str
    claims: str
    model: str


def conditions(cores: Cores, claims: str, model: str) -> Conditions:
    """The conditions here and now."""
    names = ("scikit-learn", "lightgbm", "numpy", "pandas", "msgspec")
    return Conditions(
        cpu=_cpu(),
        cores=os.cpu_count() or 1,
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        pinning=f"broker on core {_listed(cores.broker)}, one client on {_listed(cores.client)}, "
        f"several workers on {_listed(cores.workers)}",
        load_before=round(os.getloadavg()[0], 2),
        system=f"{platform.system()} {platform.release().partition('-')[0]}",
        python=platform.python_version(),
        kafka=f"Apache Kafka {jars.version()}, one node, loopback",
        java=_java(),
        client=f"confluent-kafka {version('confluent-kafka')}, "
        f"librdkafka {confluent_kafka.libversion()[0]}",
        libraries=", ".join(f"{name} {version(name)}" for name in names),
        claims=claims,
        model=model,
    )


def _cpu() -> str:
    found = Path("/proc/cpuinfo")
    if found.exists():
        for line in found.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _java() -> str:
    shown = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True)
    return shown.stderr.splitlines()[0].replace('"', "")


def _listed(cores: frozenset[int]) -> str:
    return ", ".join(map(str, sorted(cores)))
