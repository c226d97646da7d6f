"""Checkpoints: where the training of a network stands, kept after each epoch in a folder that every process reaches."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pyarrow import fs

from replen.forecast.interface import EpochMetrics, Observer

Arrays = list[NDArray[Any]]

SECONDS_BETWEEN_LOOKS = 2.0


@dataclass(frozen=True)
class State:
    """Where the training of one network stands.

    Attributes:
        fingerprint: of what the training depends on; a checkpoint of another one is not taken up.
        history: what every epoch so far gave.
        waited: epochs since the best one.
        best_loss: validation loss of the best epoch.
        current: weights, then the optimizer's variables.
        best: weights of the best epoch.
        by_rank: state of each rank's random generators.
    """

    fingerprint: str
    history: tuple[EpochMetrics, ...]
    waited: int
    best_loss: float
    current: Arrays
    best: Arrays
    by_rank: list[Arrays]

    @property
    def epoch(self) -> int:
        """Return the number of epochs done."""
        return len(self.history)

    def after(self, told: EpochMetrics, *, current: Arrays, n_weights: int, by_rank: list[Arrays]) -> Self:
        """Return the state after one more epoch; its weights are kept if they are the best so far."""
        moved = replace(self, history=(*self.history, told), current=current, by_rank=by_rank, waited=self.waited + 1)
        if not told.validation_loss < self.best_loss:
            return moved
        return replace(moved, waited=0, best_loss=told.validation_loss, best=current[:n_weights])

    def to_bytes(self) -> bytes:
        """Return the state as plain arrays and JSON."""
        lists = {"current": self.current, "best": self.best}
        lists |= {f"rank{rank}": arrays for rank, arrays in enumerate(self.by_rank)}
        about = {
            "fingerprint": self.fingerprint,
            "history": [asdict(told) for told in self.history],
            "waited": self.waited,
            "best_loss": self.best_loss,
            "counts": {name: len(arrays) for name, arrays in lists.items()},
        }
        named: dict[str, Any] = {f"{name}_{i}": array for name, arrays in lists.items() for i, array in enumerate(arrays)}
        file = BytesIO()
        np.savez(file, about=np.asarray(json.dumps(about)), **named)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Return the state that `to_bytes` wrote."""
        with np.load(BytesIO(content)) as stored:
            about = json.loads(str(stored["about"]))
            lists = {name: [stored[f"{name}_{i}"] for i in range(count)] for name, count in about["counts"].items()}
        return cls(
            fingerprint=about["fingerprint"],
            history=tuple(EpochMetrics(**told) for told in about["history"]),
            waited=about["waited"],
            best_loss=about["best_loss"],
            current=lists.pop("current"),
            best=lists.pop("best"),
            by_rank=list(lists.values()),
        )


class Checkpoints:
    """The checkpoints of a training: one file a network, named by its epoch; a newer one is whole before an older one goes."""

    def __init__(self, folder: str) -> None:
        self._filesystem: fs.FileSystem = fs.LocalFileSystem()
        self._folder: str = folder
        if "://" in folder:
            self._filesystem, self._folder = fs.FileSystem.from_uri(folder)

    def save(self, number: int, state: State) -> None:
        """Keep the state of a network."""
        older = self._files().get(number, [])
        self._filesystem.create_dir(self._folder, recursive=True)
        partial, whole = (f"{self._folder}/{number}-{state.epoch}.{suffix}" for suffix in ("partial", "npz"))
        with self._filesystem.open_output_stream(partial) as file:
            file.write(state.to_bytes())
        self._filesystem.move(partial, whole)
        for path in older:
            if path != whole:
                self._filesystem.delete_file(path)

    def load(self, number: int) -> State | None:
        """Return the last state of a network, None where there is none."""
        files = self._files().get(number)
        if not files:
            return None
        with self._filesystem.open_input_file(files[-1]) as file:
            return State.from_bytes(file.read())

    def history(self) -> list[EpochMetrics]:
        """Return what all epochs gave so far, network after network."""
        states = [self.load(number) for number in sorted(self._files())]
        return [told for state in states if state for told in state.history]

    def _files(self) -> dict[int, list[str]]:
        """Return the files of each network, oldest epoch first."""
        listed = self._filesystem.get_file_info(fs.FileSelector(self._folder, allow_not_found=True))
        named = sorted(
            (*map(int, info.base_name.removesuffix(".npz").split("-")), info.path)
            for info in listed
            if info.base_name.endswith(".npz")
        )
        return {number: [path for other, _, path in named if other == number] for number in {one for one, *_ in named}}


@contextmanager
def told_from(checkpoints: Checkpoints, observer: Observer) -> Iterator[None]:
    """Tell the observer of the epochs that other processes train, soon after each; all are told when the block ends."""
    seen, over = set(checkpoints.history()), threading.Event()

    def tell() -> None:
        for told in checkpoints.history():
            if told not in seen:
                seen.add(told)
                observer(told)

    def watch() -> None:
        while not over.wait(SECONDS_BETWEEN_LOOKS):
            with suppress(OSError):  # a file went while it was looked at: a newer one is there
                tell()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
        tell()
