"""``python -m tests.integration.interrupted POINT ACTION NTH MARK COMMAND…``: a command of the
consumer that is killed, stopped or asked to end at a step of its transaction.
"""

import sys
from collections.abc import Sequence

from tests.chaos.hooks import Plan, install


def main(arguments: Sequence[str]) -> int:
    """Run the command; its exit code."""
    import consumer.history.command
    import consumer.intake.source
    import consumer.worker.assembly  # noqa: F401 - imported late, and looked for by the hooks
    from consumer.__main__ import main as command

    point, action, nth, mark, *rest = arguments
    install(Plan(point=point, action=action, mark=mark, nth=int(nth)))  # type: ignore[arg-type]
    return command(rest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
