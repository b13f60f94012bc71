"""``make kafka``: a broker for those without Docker."""

import os
import signal
import subprocess
import sys

import pytest
from confluent_kafka.admin import AdminClient

COMMAND = (sys.executable, "-m", "tests.broker")


@pytest.mark.kafka
def test_a_broker_runs_until_it_is_stopped() -> None:
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True) as kept:
        try:
            assert kept.stdout is not None
            assert "runs until Ctrl-C" in kept.stdout.readline()
            setting, _, address = kept.stdout.readline().strip().partition("=")
            assert setting == "export KAFKA_BOOTSTRAP_SERVERS"
            found = AdminClient({"bootstrap.servers": address}).list_topics(timeout=30)
            assert len(found.brokers) == 1
            kept.send_signal(signal.SIGINT)
            assert kept.wait(60) == 0
        finally:
            kept.kill()


def test_without_java_it_says_what_to_install() -> None:
    without = {**os.environ, "PATH": ""}
    done = subprocess.run(COMMAND, env=without, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Java is missing: install Docker, or Java 17+ and Maven")
    assert "Traceback" not in done.stderr
