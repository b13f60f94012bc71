"""``python -m tests.integration.flawed FLAW``: the worker, with a flaw of `tests.chaos.mutants`."""

import sys

from consumer.__main__ import main
from tests.chaos import mutants

if __name__ == "__main__":
    mutants.install(sys.argv[1])
    sys.exit(main(["run"]))
