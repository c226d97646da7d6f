"""What a benchmark's processes use: processor time, resident memory by kind of process, and the bytes that Spark moved."""

import json
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from replen.progress import Progress

GIB = 2**30
SECONDS_BETWEEN_LOOKS = 0.5
KINDS = {"java": "jvm", "postgres": "server", "mariadbd": "server"}
"""Name of a program -> kind; this process is the driver, every other is a Python worker."""


DAEMON = "pyspark.daemon"
_workers: dict[psutil.Process, float] = {}
"""Spark's Python workers -> processor seconds when last looked at. Their parent ignores how they end, so that the system
forgets what those that have ended used."""
_looking = threading.Lock()


def processor_seconds() -> float:
    """Return the processor time so far of this process and of all it started: Spark, its workers, servers."""
    used = 0.0
    processes = _processes()
    with _looking:
        for process in processes:
            try:
                if DAEMON in process.parent().cmdline():
                    _workers[process] = sum(process.cpu_times()[:4])
                else:
                    used += sum(process.cpu_times()[:4])
            except (psutil.NoSuchProcess, AttributeError):  # it ended, or its parent did
                continue
        return used + sum(_workers.values())


def resident_gib() -> dict[str, float]:
    """Return the memory of the largest process of each kind: driver, jvm, worker, server."""
    largest: dict[str, float] = defaultdict(float)
    for process in _processes():
        try:
            kind = "driver" if process.pid == os.getpid() else KINDS.get(process.name(), "worker")
            largest[kind] = max(largest[kind], process.memory_info().rss / GIB)
        except psutil.NoSuchProcess:
            continue
    return largest


def _processes() -> list[psutil.Process]:
    here = psutil.Process()
    return [here, *here.children(recursive=True)]


@contextmanager
def peak_memory() -> Iterator[dict[str, float]]:
    """Yield GiB of the largest process by kind, looked at twice a second, complete once the block has ended."""
    peak: dict[str, float] = defaultdict(float)
    done = threading.Event()

    def look() -> None:
        while not done.wait(SECONDS_BETWEEN_LOOKS):
            for kind, gib in resident_gib().items():
                peak[kind] = max(peak[kind], gib)
            processor_seconds()  # of workers that may have ended by the next look

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield peak
    finally:
        done.set()
        looking.join()


@dataclass(frozen=True)
class Stage:
    """A stage of the work, which may hold others.

    Attributes:
        name: as progress names it, those that hold it before it.
        began: seconds since the epoch.
        seconds: it took.
        core_seconds: of all processes.
        gib: memory of the largest process by kind.
    """

    name: str
    began: float
    seconds: float
    core_seconds: float
    gib: dict[str, float]


class Recorded(Progress):
    """Progress that keeps what every stage took."""

    def __init__(self) -> None:
        """Start without stages."""
        super().__init__()
        self.stages: list[Stage] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Frame a stage, and keep what it took once it has ended."""
        place, used = len(self.stages), processor_seconds()
        began, clock = time.time(), time.perf_counter()
        with super().stage(name), peak_memory() as peak:
            path = self.doing().stage
            yield
        took = time.perf_counter() - clock
        self.stages.insert(place, Stage(path, began, took, processor_seconds() - used, dict(peak)))


@dataclass(frozen=True)
class Moved:
    """Bytes that tasks of Spark read, wrote to shuffles, and wrote."""

    read: int = 0
    shuffled: int = 0
    written: int = 0

    def __add__(self, other: "Moved") -> "Moved":
        return Moved(self.read + other.read, self.shuffled + other.shuffled, self.written + other.written)


def event_log(folder: Path) -> dict[str, str]:
    """Return the Spark settings that write what `moved` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    on = {"enabled": "true", "dir": folder.absolute().as_uri(), "compress": "false", "rolling.enabled": "false"}
    return {f"spark.eventLog.{name}": value for name, value in on.items()}


def moved(folder: Path, stages: list[Stage]) -> list[Moved]:
    """Return what the tasks that ended within each stage moved, by the event log of a session that has stopped."""
    totals = [Moved()] * len(stages)
    for file in folder.iterdir():
        with file.open() as events:
            for line in events:
                if '"SparkListenerTaskEnd"' not in line[:60]:
                    continue
                event = json.loads(line)
                used, ended = event.get("Task Metrics"), event["Task Info"]["Finish Time"] / 1000
                if not used:
                    continue
                task = Moved(
                    used["Input Metrics"]["Bytes Read"],
                    used["Shuffle Write Metrics"]["Shuffle Bytes Written"],
                    used["Output Metrics"]["Bytes Written"],
                )
                for number, stage in enumerate(stages):
                    if stage.began <= ended <= stage.began + stage.seconds:
                        totals[number] += task
    return totals
