"""Training windows, drawn from shards as they stream by: slices of history with several origins each."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from replen.config import Lstm
from replen.forecast.lstm.inputs import Inputs

FloatArray = NDArray[np.float32]
Places = NDArray[np.intp]

MIN_POSITION = 4
"""Periods that a series must have before it can be forecast from."""


@dataclass(frozen=True)
class Batch:
    """Slices of history with origins in them, as the network takes them; see `network.build`.

    Attributes:
        past: shape (n_slices, context, n_past).
        picks: shape (n_slices, n_origins, context), one where the origin is.
        future: shape (n_slices, n_origins, horizon, n_future).
        codes: shape (n_slices, n_static).
        scale: shape (n_slices, n_origins, 1), units.
        target: shape (n_slices, n_origins, horizon), units; NaN = unknown, or not to be learned from.
    """

    past: FloatArray
    picks: FloatArray
    future: FloatArray
    codes: NDArray[np.int32]
    scale: FloatArray
    target: FloatArray

    @property
    def network_inputs(self) -> list[NDArray[np.generic]]:
        """Return the network's inputs in its order."""
        return [self.past, self.picks, self.future, *np.split(self.codes, self.codes.shape[1], axis=1)]

    def __len__(self) -> int:
        """Return the number of slices."""
        return len(self.past)

    def take(self, rows: slice) -> "Batch":
        """Return the chosen slices."""
        return Batch(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def concat(batches: list[Batch]) -> Batch:
    """Return all slices in one batch."""
    return Batch(*(np.concatenate([getattr(batch, name) for batch in batches]) for name in Batch.__dataclass_fields__))


def windows(inputs: Inputs, rows: Places, origins: Places, *, context: int) -> Batch:
    """Return one slice a row, which ends at the last of its origins.

    Args:
        inputs: the panel.
        rows: shape (n,), series.
        origins: shape (n, n_origins), last period known at each; all within `context` periods.
        context: periods of a slice.
    """
    n_slices, n_origins = origins.shape
    ends = origins.max(axis=1)
    positions = origins - ends[:, None] + context - 1
    flat_rows, flat_origins = np.repeat(rows, n_origins), origins.ravel()
    future = inputs.future(flat_rows, flat_origins)
    return Batch(
        past=inputs.slices(rows, ends, context=context),
        picks=(positions[:, :, None] == np.arange(context)).astype(np.float32),
        future=future.reshape(n_slices, n_origins, *future.shape[1:]),
        codes=inputs.codes[rows],
        scale=inputs.scale[rows[:, None], origins][:, :, None],
        target=inputs.targets(flat_rows, flat_origins).reshape(n_slices, n_origins, -1),
    )


def training_windows(inputs: Inputs, settings: Lstm, *, n_slices: int, rng: np.random.Generator) -> Batch:
    """Return slices of random series that end at random periods; what lies in the validation periods is no target."""
    last_target = inputs.sales.shape[1] - 1 - settings.validation_periods
    eligible = np.flatnonzero(inputs.first + MIN_POSITION < last_target)
    rows = np.resize(rng.permutation(eligible), n_slices if len(eligible) else 0)
    earliest = inputs.first[rows] + MIN_POSITION
    # A slice that ends early in a series holds few origins; half a context is let go by first where the series is long enough.
    ends = rng.integers(np.minimum(earliest + settings.context // 2, last_target - 1), last_target)
    firsts = np.minimum(np.maximum(earliest, ends - 2 * settings.context // 3), ends)
    origins = rng.integers(firsts[:, None], ends[:, None] + 1, size=(len(rows), settings.origins_per_slice))
    batch = windows(inputs, rows, origins, context=settings.context)
    return _only_targets(batch, origins, first=0, last=last_target)


def validation_windows(inputs: Inputs, settings: Lstm, *, n_series: int) -> Batch:
    """Return, for the first `n_series` series, windows whose targets lie in the last `validation_periods` periods alone."""
    n_periods = inputs.sales.shape[1]
    first_target = n_periods - settings.validation_periods
    rows = np.flatnonzero(inputs.first + MIN_POSITION < first_target)[:n_series]
    origins = np.repeat(first_target - 1 - np.arange(0, inputs.reading.horizon, 4)[None, ::-1], len(rows), axis=0)
    origins = np.maximum(origins, np.minimum(inputs.first[rows] + MIN_POSITION, first_target - 1)[:, None])
    return _only_targets(windows(inputs, rows, origins, context=settings.context), origins, first=first_target, last=n_periods)


def batches(parts: Iterable[Batch], *, size: int) -> Iterator[Batch]:
    """Return batches of `size` slices cut from the parts as they come; slices left at the end make a last, smaller batch."""
    waiting: list[Batch] = []
    for part in parts:
        waiting.append(part)
        if sum(map(len, waiting)) < size:
            continue
        joined = concat(waiting)
        n_full = len(joined) // size
        yield from (joined.take(slice(i * size, (i + 1) * size)) for i in range(n_full))
        waiting = [joined.take(slice(n_full * size, None))]
    if sum(map(len, waiting)):
        yield concat(waiting)


def _only_targets(batch: Batch, origins: Places, *, first: int, last: int) -> Batch:
    """Return the batch with targets outside of the periods first..last unknown."""
    places = origins[:, :, None] + np.arange(1, batch.target.shape[2] + 1)
    target = np.where((places >= first) & (places <= last), batch.target, np.nan).astype(np.float32)
    return Batch(batch.past, batch.picks, batch.future, batch.codes, batch.scale, target)
