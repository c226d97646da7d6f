"""A panel as a design matrix: a row = (series, origin, step), every column known at its origin or known in advance."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from replen import tables as t
from replen.config import Tabular
from replen.errors import ReplenError
from replen.features.panel import Panel
from replen.forecast.interface import Shards
from replen.forecast.lstm.batches import MIN_POSITION
from replen.forecast.lstm.inputs import Inputs
from replen.forecast.lstm.reading import Reading
from replen.forecast.residuals import ResidualProfile

FloatArray = NDArray[np.float32]
Float64Array = NDArray[np.float64]
Places = NDArray[np.intp]

READING_FILE = "reading.json"
MAX_RATIO = 20.0
"""Largest outcome learned from, and largest forecast, as a multiple of a series' recent level: bulk orders tell little."""
WEIGHT_LEVEL = 0.99
"""Quantile of the rows' weights that no row exceeds: a few giant series must not be all that is learned."""
CHUNK = 16384
"""Windows whose columns are made at a time."""
SHORT_SHARE = 4
"""One part in so many of a history too short for all of `profile_windows` is kept for them."""


@dataclass(frozen=True)
class Design:
    """What the rows of a panel are made of: the inputs of the global LSTM, its columns of one period as they stand, and stock.

    Attributes:
        inputs: scale, moving means, lags, calendar, planned price and promotion, events, customers, signals, static codes.
        stock: shape (n_series, n_periods), log of units on the shelf relative to the scale; 0 = unknown.
    """

    inputs: Inputs
    stock: FloatArray

    @classmethod
    def of(cls, panel: Panel, reading: Reading) -> Self:
        """Return the design of a prepared panel."""
        inputs = Inputs.of(panel, reading)
        level = panel.past.get(t.INVENTORY_LEVEL, np.zeros(panel.shape, np.float32))
        return cls(inputs, np.log1p(np.maximum(np.nan_to_num(level), 0.0) / inputs.scale))

    def columns(self, series: Places, origins: Places) -> FloatArray:
        """Return shape (n, horizon, n_columns) of n windows: the columns of each origin beside those of each step after it.

        The static codes come last, see `n_static`.
        """
        inputs = self.inputs
        ahead = inputs.future(series, origins)
        at_origin = np.concatenate([inputs.past[series, origins], self.stock[series, origins, None]], axis=1)
        same = [
            np.broadcast_to(part[:, None, :], (*ahead.shape[:2], part.shape[1])) for part in (at_origin, inputs.codes[series])
        ]
        return np.concatenate([ahead, *same], axis=2, dtype=np.float32)

    def latest(self) -> FloatArray:
        """Return shape (n_series, horizon, n_columns): the columns of the steps after the last period."""
        n_series, n_periods = self.inputs.sales.shape
        return self.columns(np.arange(n_series), np.full(n_series, n_periods - 1))


@dataclass(frozen=True)
class Rows:
    """Rows to learn or to measure from.

    Attributes:
        columns: shape (n, n_columns), see `Design.columns`.
        target: shape (n,), units sold.
        scale: shape (n,), units, > 0, the recent level at the origin.
        step: shape (n,), 0 = the period after the origin.
        age: shape (n,), periods from the target to the cutoff.
    """

    columns: FloatArray
    target: FloatArray
    scale: FloatArray
    step: Places
    age: Places

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.target)

    @property
    def ratio(self) -> Float64Array:
        """Return shape (n,): target over scale, 0..MAX_RATIO, what is learned."""
        return np.minimum(self.target.astype(np.float64) / self.scale, MAX_RATIO)

    def weight(self, power: float) -> Float64Array:
        """Return shape (n,): what each row counts for, scale ^ power, of mean one."""
        weight = self.scale.astype(np.float64) ** power
        weight = np.minimum(weight, np.quantile(weight, WEIGHT_LEVEL))
        return np.asarray(weight / weight.mean())

    def take(self, rows: NDArray[np.bool_]) -> Self:
        """Return the chosen rows."""
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))

    @classmethod
    def concat(cls, parts: list[Self]) -> Self:
        """Return all rows of the parts."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))


@dataclass(frozen=True)
class Sample:
    """What a tabular forecaster learns from.

    Attributes:
        reading: how the panels were read.
        drawn: random rows of all series and periods.
        recent: all steps of the last windows of some series; none of their targets is older than any of `earlier`.
        first_recent: age of the oldest target of `recent`.
    """

    reading: Reading
    drawn: Rows
    recent: Rows
    first_recent: int

    @property
    def earlier(self) -> Rows:
        """Return the drawn rows that knew nothing of the periods that `recent` is measured on."""
        return self.drawn.take(self.drawn.age > self.first_recent)

    def profile(self, forecast: Float64Array) -> ResidualProfile:
        """Return how far a forecast of the recent rows was off, shape (n_recent,), units."""
        profile = ResidualProfile.empty(self.reading.horizon)
        for step in range(self.reading.horizon):
            chosen = self.recent.step == step
            profile.add_step(step, self.recent.target[chosen].astype(np.float64), forecast[chosen])
        return profile


def sample(shards: Shards, settings: Tabular, *, horizon: int, seed: int) -> Sample:
    """Return at most about `max_rows` random rows of all shards, and the last windows of about `profile_series` series.

    Raises:
        ReplenError: no series has a known target.
    """
    reading, n_series, n_periods = _survey(shards, settings, horizon=horizon)
    oldest = max(1, min(horizon + settings.profile_windows - 1, n_periods // SHORT_SHARE))
    drawn, recent = [], []
    for number, panel in enumerate(shards()):
        design, rng = Design.of(panel, reading), np.random.default_rng([seed, number])
        share = len(panel.keys) / n_series
        drawn += list(_drawn(design, round(settings.max_rows * share), rng))
        chosen = rng.permutation(len(panel.keys))[: math.ceil(settings.profile_series * share)]
        recent += list(_recent(design, chosen, range(oldest, max(0, oldest - settings.profile_windows), -1)))
    if not sum(map(len, drawn)):
        raise ReplenError(
            "forecast.models: no series has enough periods before the cutoff to learn from; give more history, or leave "
            "the regressions and `lightgbm` out"
        )
    return Sample(reading, Rows.concat(drawn), Rows.concat(recent or drawn[:1]), oldest - 1)


def _survey(shards: Shards, settings: Tabular, *, horizon: int) -> tuple[Reading, int, int]:
    """Return how to read the shards, the number of series in them and of periods in the longest."""
    shapes: list[tuple[int, int]] = []

    def seen() -> Iterator[Panel]:
        for panel in shards():
            shapes.append(panel.shape)
            yield panel

    reading = Reading.of(seen(), settings, horizon=horizon)
    return reading, sum(n_series for n_series, _ in shapes), max((n_periods for _, n_periods in shapes), default=0)


def _drawn(design: Design, n_rows: int, rng: np.random.Generator) -> Iterator[Rows]:
    """Yield random windows of the panel with one random step each, where its target is known."""
    first, last_origin = design.inputs.first + MIN_POSITION, design.inputs.sales.shape[1] - 2
    eligible = np.flatnonzero(first <= last_origin)
    n_rows = min(n_rows, int((last_origin + 1 - first[eligible]).sum()) * design.inputs.reading.horizon)
    for size in np.diff([*range(0, n_rows, CHUNK), n_rows]) if n_rows else ():
        series = rng.choice(eligible, size)
        origins = rng.integers(first[series], last_origin + 1)
        steps = rng.integers(0, np.minimum(design.inputs.reading.horizon, last_origin + 1 - origins))
        yield _rows(design, series, origins, np.arange(design.inputs.reading.horizon) == steps[:, None])


def _recent(design: Design, series: Places, ages: range) -> Iterator[Rows]:
    """Yield all steps of the windows whose origins have the given ages, where their targets are known."""
    for age in ages:
        origin = design.inputs.sales.shape[1] - 1 - age
        there = series[design.inputs.first[series] + MIN_POSITION <= origin]
        everything = np.ones((len(there), design.inputs.reading.horizon), bool)
        yield _rows(design, there, np.full(len(there), origin), everything)


def _rows(design: Design, series: Places, origins: Places, wanted: NDArray[np.bool_]) -> Rows:
    """Return the rows of windows, those steps that are wanted, shape (n, horizon), and whose target is known."""
    target = design.inputs.targets(series, origins)
    window, step = np.nonzero(wanted & np.isfinite(target))
    scale = design.inputs.scale[series, origins]
    age = design.inputs.sales.shape[1] - 2 - origins[window] - step
    return Rows(design.columns(series, origins)[window, step], target[window, step], scale[window], step, age)
