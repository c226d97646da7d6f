"""Progress of long work, handed in as an observer: a live line on a terminal, plain lines with the time elsewhere."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TextIO

from rich.console import Console


class Progress:
    """Says on a stream what goes on; `Progress(None)` says nothing."""

    def __init__(self, stream: TextIO | None = sys.stderr) -> None:
        self._console = Console(file=stream, quiet=stream is None, highlight=False, soft_wrap=True)
        self._began = time.monotonic()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Frame a stage: said when it begins and, with its seconds, when it ends."""
        began = time.monotonic()
        self.note(f"{name} ...")
        with self._console.status(f"{name} ...") if self._console.is_terminal else nullcontext():
            yield
        self.note(f"{name}: {time.monotonic() - began:.1f} s")

    def note(self, text: str) -> None:
        """Say one line."""
        self._console.print(f"{time.monotonic() - self._began:7.1f}  {text}", markup=False)


@contextmanager
def noise_to(log: Path) -> Iterator[TextIO]:
    """Yield the standard error there was, while what this process, the JVM and TensorFlow write to it goes to a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.flush()
    with os.fdopen(os.dup(2), "w") as before, log.open("ab") as file:
        os.dup2(file.fileno(), 2)
        try:
            yield before
        finally:
            sys.stderr.flush()
            before.flush()
            os.dup2(before.fileno(), 2)
