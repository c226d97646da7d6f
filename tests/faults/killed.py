"""A `replen` command in a process of its own that is killed at a write: `python -m tests.faults.killed NUMBER ARGUMENTS`."""

import sys

from replen.cli import main
from tests.faults.inject import Fault, injected

if __name__ == "__main__":
    with injected(Fault(int(sys.argv[1]), "kill")):
        sys.exit(main(sys.argv[2:]))
