"""SIGTERM, SIGINT and SIGHUP end a command as an error would: what it was writing is removed.

SIGQUIT keeps its default action, which ends the process at once.
"""

import signal
from collections.abc import Callable
from typing import Final, NoReturn

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def until_stopped(command: Callable[[], int]) -> int:
    """Run a command until a signal arrives; a second one ends the process at once.

    Only in the main thread.

    Returns:
        The command's exit code, or 128 plus the number of the signal.
    """
    received: list[int] = []

    def interrupt(number: int, _: object) -> NoReturn:
        received.append(number)
        for other in obeyed:
            signal.signal(other, signal.SIG_DFL)
        raise KeyboardInterrupt

    # `nohup` has SIGHUP ignored.
    hangs_up = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
    obeyed = [number for number in SIGNALS if hangs_up or number != signal.SIGHUP]
    before = {number: signal.signal(number, interrupt) for number in obeyed}
    try:
        return command()
    except KeyboardInterrupt:
        if not received:
            raise
        return 128 + received[0]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
