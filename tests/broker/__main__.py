"""Keep one Apache Kafka running until Ctrl-C, with Java and without Docker: ``make kafka``."""

import signal
import sys

from tests.broker.jars import NoKafkaError
from tests.broker.native import NativeKafka

STOPS = (signal.SIGINT, signal.SIGTERM)


def main() -> int:
    """Run the broker; its data is gone when it ends.

    Returns:
        0 when it was stopped; 1 if there is no way to one here.
    """
    # Blocked until it is waited for: none is lost while the broker starts.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        with NativeKafka() as kafka:
            sys.stdout.write(
                f"Apache Kafka {kafka.version} runs until Ctrl-C, and forgets everything then.\n"
                f"export KAFKA_BOOTSTRAP_SERVERS={kafka.bootstrap}\n"
            )
            sys.stdout.flush()
            signal.sigwait(STOPS)
    except NoKafkaError as why:
        sys.stderr.write(f"{why}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
