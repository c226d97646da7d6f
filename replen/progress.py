"""Progress of long work, handed in as an observer: a live line on a terminal, plain lines with the time elsewhere."""

import datetime as dt
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self, TextIO
from urllib.parse import quote

from rich.console import Console

from replen.warehouse import open_root


@dataclass(frozen=True)
class Doing:
    """What goes on at a moment.

    Attributes:
        stage: names of the stages that are under way, the outermost first.
        stage_seconds: since the innermost began.
        seconds: since the progress began.
        quiet_seconds: since anything was said, heartbeats aside.
    """

    stage: str
    stage_seconds: float
    seconds: float
    quiet_seconds: float


class Progress:
    """Says on a stream what goes on; `Progress(None)` says nothing."""

    def __init__(self, stream: TextIO | None = sys.stderr, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = Console(file=stream, quiet=stream is None, highlight=False, soft_wrap=True)
        self._clock = clock
        self._began = self._said = clock()
        self._stages: list[tuple[str, float]] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Frame a stage: said when it begins and, with its seconds, when it ends."""
        began = self._clock()
        self.note(f"{name} ...")
        self._stages.append((name, began))
        try:
            with self._console.status(f"{name} ...") if self._console.is_terminal else nullcontext():
                yield
        finally:
            self._stages.pop()
        self.note(f"{name}: {self._clock() - began:.1f} s")

    def note(self, text: str) -> None:
        """Say one line."""
        self._said = self._clock()
        self._say(text)

    def doing(self) -> Doing:
        """Return what goes on."""
        now, stages = self._clock(), list(self._stages)
        began = stages[-1][1] if stages else self._began
        path = " > ".join(name for name, _ in stages) or "start"
        return Doing(path, round(now - began, 1), round(now - self._began, 1), round(now - self._said, 1))

    def alive(self, more: str = "") -> None:
        """Say that the work goes on: the stage and for how long."""
        doing = self.doing()
        self._say(f"alive: {doing.stage}, {doing.stage_seconds:.0f} s{more}")

    def _say(self, text: str) -> None:
        self._console.print(f"{self._clock() - self._began:7.1f}  {text}", markup=False)


class Heartbeat:
    """Says every so often that the work within is alive, also in a file of the warehouse that a monitor reads; ends with it."""

    def __init__(
        self, progress: Progress, warehouse: str, name: str, *, seconds: float, tasks: Callable[[], Mapping[str, int]] = dict
    ) -> None:
        """Make the heartbeat of a configuration's run.

        Args:
            progress: what says it.
            warehouse: root below which `heartbeat/<name>.json` is written.
            name: of the configuration.
            seconds: between two beats.
            tasks: returns how many tasks of running stages are `done`, of `all`, and `failed`, in which a monitor sees whether
                anything moves; nothing where none run.
        """
        self._progress, self._seconds, self._tasks = progress, seconds, tasks
        self._files, root = open_root(warehouse)
        self._path = f"{root}/heartbeat/{quote(name, safe='')}.json"
        self._who = {"name": name, "host": socket.gethostname(), "pid": os.getpid(), "every": seconds}
        self._over, self._mute = threading.Event(), False
        self._thread = threading.Thread(target=self._beat_on, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        """Begin to beat."""
        self._write("running", {})
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End, and leave in the file how the work ended."""
        self._over.set()
        self._thread.join(timeout=10)  # a session that hangs may hold it; the work has ended all the same
        self._write("failed" if kind else "done", {})

    def beat(self) -> None:
        """Say and write that the work is alive."""
        tasks = dict(self._tasks())
        self._progress.alive(", {done:,} of {all:,} tasks done".format(**tasks) if tasks else "")
        self._write("running", tasks)

    def _beat_on(self) -> None:
        while not self._over.wait(self._seconds):
            self.beat()

    def _write(self, state: str, tasks: Mapping[str, int]) -> None:
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        told = self._who | {"state": state, "at": now, "tasks": tasks} | asdict(self._progress.doing())
        try:
            self._files.create_dir(self._path.rpartition("/")[0], recursive=True)
            with self._files.open_output_stream(f"{self._path}.new") as file:
                file.write(json.dumps(told).encode())
            self._files.move(f"{self._path}.new", self._path)  # a reader sees a whole file, the old one or the new one
        except OSError as error:  # a run is worth more than its heartbeat
            if not self._mute:
                self._progress.note(f"heartbeat: {self._path} cannot be written: {error}")
            self._mute = True


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
