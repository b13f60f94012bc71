"""The end of the process, without the exit handlers of C libraries.

OpenSSL frees what its connections share in such a handler. A Kafka client that was never closed,
because its start was refused or its answer never came, still uses that from its own threads, and
the process would sometimes end with SIGSEGV instead of its exit code.
"""

import atexit
import os
import sys
from collections.abc import Callable

FAILURE = 1
"""Exit code of Python for an exception that nothing catches."""


class Ending:
    """Ends the process after everything else that Python does at its end.

    Python joins its threads, then calls what was registered with `atexit`, last one first. So
    create this before anything else registers.
    """

    def __init__(self) -> None:
        self._code = FAILURE
        atexit.register(self._end)

    def of(self, main: Callable[[], int]) -> int:
        """The result of `main`, which becomes the exit code of the process.

        Raises:
            SystemExit: as `main` did; its code becomes the process's too.
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
