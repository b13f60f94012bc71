"""The end of the process, without the exit handlers of C libraries.

OpenSSL frees what its connections share in such a handler. A Kafka client that nobody has closed,
because its start was refused or its answer never came, still uses that from threads of its own, and
the process would at times end by SIGSEGV instead of with its exit code.
"""

import atexit
import os
import sys
from collections.abc import Callable

FAILURE = 1
"""Exit code of Python for an exception that nothing catches."""


class Ending:
    """Ends the process after everything else that Python does at its end.

    Python joins its threads, then calls what was registered with `atexit`, the last one first. So
    create this before anything else registers.
    """

    def __init__(self) -> None:
        self._code = FAILURE
        atexit.register(self._end)

    def of(self, main: Callable[[], int]) -> int:
        """The result of `main`, with which the process is going to end.

        Raises:
            SystemExit: as `main` did; its code is the process's too.
        """
        try:
            self._code = main()
        except SystemExit as leaving:
            if leaving.code is None or isinstance(leaving.code, int):
                self._code = leaving.code or 0
            raise
        return self._code

    def _end(self) -> None:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(self._code)
