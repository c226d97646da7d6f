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
from replen.features.known import first_known, known_mean
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
MAX_RATIO, MAX_SALES = 20.0, 5.0
"""The most that is learned and forecast of a period: so many times a series' recent level, or so many of its usual sales if
that is more. Bulk orders tell little, but a series that seldom sells is told by its sales, each many times its level."""
WEIGHT_LEVEL = 0.99
"""Quantile of the rows' weights that no row exceeds: a few giant series must not be all that is learned."""
CHUNK = 16384
"""Windows whose columns are made at a time."""
SHORT_SHARE = 4
"""One part in so many of a history too short for all of `profile_windows` is kept for them."""
OLD_SHARE = 0.1
"""Share of the series that have such a history: where most are young, what few old ones tell is better than nothing."""


@dataclass(frozen=True)
class Design:
    """What the rows of a panel are made of: the inputs of the global LSTM, its columns of one period as they stand, and stock.

    Attributes:
        inputs: scale, moving means, lags, calendar, planned price and promotion, events, customers, signals, static codes.
        stock: shape (n_series, n_periods), log of units on the shelf relative to the scale; 0 = unknown.
        usual_sale: shape (n_series,), units, geometric mean of the periods that sold; 0 where none did.
    """

    inputs: Inputs
    stock: FloatArray
    usual_sale: FloatArray

    @classmethod
    def of(cls, panel: Panel, reading: Reading) -> Self:
        """Return the design of a prepared panel."""
        inputs = Inputs.of(panel, reading)
        level = panel.past.get(t.INVENTORY_LEVEL, np.zeros(panel.shape, np.float32))
        stock = np.log1p(np.maximum(np.nan_to_num(level), 0.0) / inputs.scale)
        sizes = np.log(np.where(inputs.sales > 0, inputs.sales, np.nan))
        return cls(inputs, stock, np.nan_to_num(np.exp(known_mean(sizes)[:, 0])).astype(np.float32))

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

    def limit(self, series: Places, origins: Places) -> FloatArray:
        """Return shape (n,): the most that is learned of a period after each origin, and forecast, units."""
        by_level, by_sales = MAX_RATIO * self.inputs.scale[series, origins], MAX_SALES * self.usual_sale[series]
        return np.asarray(np.maximum(by_level, by_sales))

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
        limit: shape (n,), units, see `Design.limit`.
        step: shape (n,), 0 = the period after the origin.
        age: shape (n,), periods from the target to the cutoff.
    """

    columns: FloatArray
    target: FloatArray
    scale: FloatArray
    limit: FloatArray
    step: Places
    age: Places

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.target)

    @property
    def ratio(self) -> Float64Array:
        """Return shape (n,): target up to its limit over scale, what is learned."""
        return np.minimum(self.target, self.limit).astype(np.float64) / self.scale

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
    """

    reading: Reading
    drawn: Rows
    recent: Rows

    @property
    def earlier(self) -> Rows:
        """Return the drawn rows that knew nothing of the periods that `recent` is measured on."""
        return self.drawn.take(self.drawn.age > self.recent.age.max())

    def profile(self, forecast: Float64Array) -> ResidualProfile:
        """Return how far a forecast of the recent rows was off, shape (n_recent,), units.

        A step that is in none of them, as in short histories, has the errors of the step before it.
        """
        profile = ResidualProfile.empty(self.reading.horizon)
        for step in range(self.reading.horizon):
            chosen = self.recent.step == step
            profile.add_step(step, self.recent.target[chosen].astype(np.float64), forecast[chosen])
            if step and not chosen.any():
                profile.counts[step] = profile.counts[step - 1]
        return profile


def sample(shards: Shards, settings: Tabular, *, horizon: int, seed: int) -> Sample:
    """Return at most about `max_rows` random rows of all shards, and the last windows of about `profile_series` series.

    Raises:
        ReplenError: no series has a known target.
    """
    reading, ages = _survey(shards, settings, horizon=horizon)
    n_series, n_periods = len(ages), int(np.quantile(ages, 1 - OLD_SHARE, method="lower")) if len(ages) else 0
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
    measured = recent if sum(map(len, recent)) else drawn
    return Sample(reading, Rows.concat(drawn), Rows.concat(measured))


def _survey(shards: Shards, settings: Tabular, *, horizon: int) -> tuple[Reading, Places]:
    """Return how to read the shards, and of each series in them the periods since its first known sales."""
    ages: list[Places] = [np.zeros(0, np.intp)]

    def seen() -> Iterator[Panel]:
        for panel in shards():
            ages.append(panel.shape[1] - first_known(panel.past[t.SALES_HISTORY]))
            yield panel

    reading = Reading.of(seen(), settings, horizon=horizon)
    return reading, np.concatenate(ages)


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
    columns, limit = design.columns(series, origins), design.limit(series, origins)
    return Rows(columns[window, step], target[window, step], scale[window], limit[window], step, age)
