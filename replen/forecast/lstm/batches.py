"""Training windows, drawn from shards as they stream by: slices of history with several origins each."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replen import tables as t
from replen.config import Lstm
from replen.features.known import first_known
from replen.features.panel import Panel
from replen.forecast import random
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
        return Batch(*(getattr(self, field.name)[rows] for field in fields(Batch)))

    def at_origin(self, origin: int) -> "Batch":
        """Return the same slices with one of their origins."""
        only = slice(origin, origin + 1)
        return Batch(
            self.past, self.picks[:, only], self.future[:, only], self.codes, self.scale[:, only], self.target[:, only]
        )


def concat(batches: list[Batch]) -> Batch:
    """Return all slices in one batch."""
    return Batch(*(np.concatenate([getattr(batch, field.name) for batch in batches]) for field in fields(Batch)))


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
        target=inputs.targets(flat_rows, flat_origins).reshape(n_slices, n_origins, inputs.reading.horizon),
    )


def trainable(panel: Panel) -> Places:
    """Return the series of a prepared panel that have a window to train on."""
    return np.flatnonzero(first_known(panel.past[t.SALES_HISTORY]) + MIN_POSITION <= panel.shape[1] - 2)


def drawn(panel: Panel, *, n_slices: int, rng: np.random.Generator) -> Places:
    """Return the series that each training slice is cut from, at random: none twice before all were drawn."""
    eligible = trainable(panel)
    return np.resize(rng.permutation(eligible), n_slices if len(eligible) else 0)


def training_windows(
    inputs: Inputs, rows: Places, settings: Lstm, *, held_out: NDArray[np.bool_], rng: np.random.Generator
) -> Batch:
    """Return a slice of each row that ends at a random period; the last periods of held-out series are no targets.

    Args:
        inputs: the panel.
        rows: shape (n,), trainable series.
        settings: of the network.
        held_out: shape (n_series,).
        rng: of the periods.
    """
    last_origin = inputs.sales.shape[1] - 2
    earliest = inputs.first[rows] + MIN_POSITION
    # A slice that ends early in a series holds few origins, so ends are drawn from half a context on.
    ends = rng.integers(np.minimum(earliest + settings.context // 2, last_origin), last_origin + 1)
    firsts = np.minimum(np.maximum(earliest, ends - 2 * settings.context // 3), ends)
    origins = rng.integers(firsts[:, None], ends[:, None] + 1, size=(len(rows), settings.origins_per_slice))
    batch = windows(inputs, rows, origins, context=settings.context)
    is_validation = _target_periods(batch, origins) >= inputs.sales.shape[1] - inputs.reading.horizon
    return replace(batch, target=np.where(is_validation & held_out[rows, None, None], np.nan, batch.target))


def validating(panel: Panel, settings: Lstm, *, horizon: int, n_series: int) -> Places:
    """Return up to `n_series` held-out series that were there at the first validation window."""
    held_out = is_held_out(panel.keys, settings.validation_share)
    first_origin = panel.shape[1] - 1 - horizon
    return np.flatnonzero(held_out & (first_known(panel.past[t.SALES_HISTORY]) + MIN_POSITION <= first_origin))[:n_series]


def validation_windows(inputs: Inputs, settings: Lstm) -> Batch:
    """Return the last windows of validating series; their targets are never trained on."""
    (n_series, n_periods), horizon = inputs.sales.shape, inputs.reading.horizon
    origins = n_periods - 1 - horizon + np.arange(settings.validation_windows) * horizon // settings.validation_windows
    return windows(inputs, np.arange(n_series), np.repeat(origins[None, :], n_series, axis=0), context=settings.context)


def is_held_out(keys: pd.DataFrame, share: float) -> NDArray[np.bool_]:
    """Return shape (n_series,): whether a series' last windows validate; a function of its key alone."""
    return random.uniforms(random.series_seeds(keys, np.datetime64(0, "D"), seed=0), 1)[:, 0] < share


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


def _target_periods(batch: Batch, origins: Places) -> Places:
    """Return the place of each target's period, the batch's target shape."""
    return origins[:, :, None] + np.arange(1, batch.target.shape[2] + 1)
