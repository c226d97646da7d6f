"""A panel as the arrays that the network reads; every column of a period is known at the end of that period."""

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from replen import tables as t
from replen.features.calendar import N_ANNUAL, calendar_features, periods_after
from replen.features.known import first_known
from replen.features.lags import carried, lagged, moving_mean, periods_since, seasonal_mean
from replen.features.panel import Panel
from replen.forecast.lstm.reading import Reading

FloatArray = NDArray[np.float32]
Places = NDArray[np.intp]

SMALLEST_SCALE = 0.1
N_SEASONS = 6
"""Seasons whose mean at the same place in the season is read."""


class PastColumns(Protocol):
    """What makes the past columns of a panel; `means` are the moving means of sales, `calendar` that of the panel's periods."""

    def __call__(
        self, panel: Panel, reading: Reading, *, means: list[FloatArray], scale: FloatArray, calendar: FloatArray
    ) -> FloatArray:
        """Return shape (n_series, n_periods, n_columns)."""
        ...


@dataclass(frozen=True)
class Inputs:
    """What the network reads of a panel.

    Attributes:
        past: shape (n_series, n_periods, n_past_columns).
        sales: shape (n_series, n_periods), units, NaN = unknown.
        scale: shape (n_series, n_periods), units, > 0: recent level at each period, what forecasts are relative to.
        calendar: shape (n_periods + horizon, n_calendar_columns).
        year_ago: one array a lag, shape (n_series, n_periods): the moving mean that lag before each period.
        seasonal: one array a lag, likewise: the mean at the same place of the last seasons, up to each period.
        rhythms: one array a past-only signal, likewise: its mean at the same place of the last (shortest) seasons.
        levels: one array a past-only signal, likewise: its moving mean.
        planned: shape (n_series, n_periods + horizon, n_planned_columns), price first; NaN = unknown.
        usual_price: shape (n_series, n_periods), moving mean of the price at each period.
        codes: shape (n_series, n_static).
        first: shape (n_series,), first period with known sales; n_periods where there is none.
        reading: how it was read.
    """

    past: FloatArray
    sales: FloatArray
    scale: FloatArray
    calendar: FloatArray
    year_ago: tuple[FloatArray, ...]
    seasonal: tuple[FloatArray, ...]
    rhythms: tuple[FloatArray, ...]
    levels: tuple[FloatArray, ...]
    planned: FloatArray
    usual_price: FloatArray
    codes: NDArray[np.int32]
    first: Places
    reading: Reading

    @classmethod
    def of(cls, panel: Panel, reading: Reading, columns: PastColumns | None = None) -> Self:
        """Return the arrays of a prepared panel, with the past columns of the global network or others."""
        sales = panel.past[t.SALES_HISTORY]
        # Carried on: a stock-out of a whole window is no reason to expect less than before it.
        means = [carried(moving_mean(sales, window)) for window in reading.windows]
        # Means of logarithms: one bulk order must not lift what the forecasts of the next year are relative to.
        logs = [carried(moving_mean(np.log1p(sales), window)) for window in reading.windows[1:]]
        typical = [np.expm1(np.nan_to_num(mean)) for mean in logs]
        scale = (SMALLEST_SCALE + 0.7 * typical[0] + 0.3 * typical[1]).astype(np.float32)
        dates = np.concatenate([panel.periods, periods_after(panel.periods, reading.horizon)])
        calendar = calendar_features(dates)
        calendar[:, :N_ANNUAL] *= reading.annual
        known = np.isfinite(sales)
        signals, first_lag = [column(panel, name) for name in reading.signals], reading.lags[:1]
        past = (columns or past_columns)(panel, reading, means=means, scale=scale, calendar=calendar[: len(panel.periods)])
        return cls(
            # Nothing before a series starts: what is read of it must not depend on where the panel starts.
            past=past * np.maximum.accumulate(known, axis=1)[:, :, None],
            sales=sales,
            scale=scale,
            calendar=calendar,
            year_ago=tuple(lagged(means[1], lag) for lag in reading.lags),
            seasonal=tuple(seasonal_mean(sales, lag, N_SEASONS) for lag in reading.lags),
            rhythms=tuple(seasonal_mean(signal, lag, N_SEASONS) for lag in first_lag for signal in signals),
            levels=tuple(moving_mean(signal, reading.windows[1]) for _ in first_lag for signal in signals),
            planned=_planned_columns(panel, reading),
            usual_price=moving_mean(column(panel, t.PRICE), reading.windows[2]),
            codes=reading.codes(panel),
            first=first_known(sales),
            reading=reading,
        )

    def slices(self, rows: Places, ends: Places, *, context: int) -> FloatArray:
        """Return shape (n, context, n_past_columns): periods up to and with `ends`, zeros before the first."""
        places = ends[:, None] + np.arange(1 - context, 1)
        return np.asarray(self.past[rows[:, None], np.maximum(places, 0)] * (places >= 0)[:, :, None])

    def future(self, rows: Places, origins: Places) -> FloatArray:
        """Return shape (n, horizon, n_future_columns): what each origin knows of the steps after it."""
        horizon = self.reading.horizon
        places = origins[:, None] + np.arange(1, horizon + 1)
        scale = self.scale[rows, origins][:, None]
        planned = self.planned[rows[:, None], places]
        price = log_ratio(planned[:, :, 0], self.usual_price[rows, origins][:, None])
        columns = [self.calendar[places], np.nan_to_num(price)[:, :, None], np.nan_to_num(planned[:, :, 1:])]
        for lag, year_ago, seasonal in zip(self.reading.lags, self.year_ago, self.seasonal, strict=True):
            columns += [one[:, :, None] for one in self._season_ago(rows, origins, lag=lag, seasonal=seasonal)]
            columns.append(np.broadcast_to(relative(year_ago[rows, origins][:, None], scale)[:, :, None], (*places.shape, 1)))
        for rhythm, level in zip(self.rhythms, self.levels, strict=True):
            at_place = _at(rhythm, rows, origins[:, None] + self._season_before(self.reading.lags[0]), last=origins)
            columns.append(np.nan_to_num(log_ratio(at_place + 1, level[rows, origins][:, None] + 1))[:, :, None])
        columns.append(np.broadcast_to((np.arange(horizon) / horizon)[None, :, None], (*places.shape, 1)))
        return np.asarray(np.concatenate(columns, axis=2), np.float32)

    def targets(self, rows: Places, origins: Places) -> FloatArray:
        """Return shape (n, horizon): sales of the steps after each origin, units; NaN = unknown or after the last period."""
        places = origins[:, None] + np.arange(1, self.reading.horizon + 1)
        return _at(self.sales, rows, places, last=np.full(len(rows), self.sales.shape[1] - 1))

    def _season_before(self, lag: int) -> Places:
        """Return shape (horizon,): the last place of the same season not after the origin, relative to it."""
        steps = np.arange(1, self.reading.horizon + 1)
        return np.asarray(steps - lag * -(-steps // lag))

    def _season_ago(self, rows: Places, origins: Places, *, lag: int, seasonal: FloatArray) -> tuple[FloatArray, ...]:
        """Return sales a season before each step, their mean with the neighbours, over the last seasons, whether known."""
        places = origins[:, None] + self._season_before(lag)
        around = np.stack([_at(self.sales, rows, places + shift, last=origins) for shift in (-1, 0, 1)])
        known = np.isfinite(around)
        mean = np.where(known, around, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        scale = self.scale[rows, origins][:, None]
        over_seasons = _at(seasonal, rows, places, last=origins)
        ratios = (relative(values, scale) for values in (around[1], mean, over_seasons))
        return (*ratios, known[1].astype(np.float32))


def _at(values: FloatArray, rows: Places, places: Places, *, last: Places) -> FloatArray:
    """Return values by series and period at the places, shape of `places`; NaN outside of 0..last."""
    inside = (places >= 0) & (places <= last[:, None])
    found = values[rows[:, None], np.clip(places, 0, values.shape[1] - 1)]
    return np.where(inside, found, np.nan).astype(np.float32)


def relative(values: FloatArray, scale: FloatArray) -> FloatArray:
    """Return log(1 + value / scale), 0 where the value is unknown."""
    return np.asarray(np.log1p(np.nan_to_num(values) / scale), np.float32)


def past_columns(
    panel: Panel, reading: Reading, *, means: list[FloatArray], scale: FloatArray, calendar: FloatArray
) -> FloatArray:
    """Return shape (n_series, n_periods, n_columns), every number of the order of one; 0 stands for unknown."""
    sales = panel.past[t.SALES_HISTORY]
    known = np.isfinite(sales)
    customers = column(panel, t.CUSTOMER_COUNT)
    price = column(panel, t.PRICE)
    zero = np.where(known, sales == 0, np.nan).astype(np.float32)
    started = np.maximum.accumulate(known, axis=1)
    columns = [
        np.log1p(np.nan_to_num(sales)) / 5, relative(sales, scale), known, started, np.log(scale) / 5,
        *(relative(mean, scale) for mean in means),
        moving_mean(zero, reading.windows[1]), np.log1p(periods_since(known & (sales > 0))) / 3,
        np.log1p(np.minimum(periods_since(~started), reading.windows[2])) / 4,  # beyond, age would be a clock
        log_ratio(price, moving_mean(price, reading.windows[2])), column(panel, t.PROMOTION), column(panel, t.IN_STOCK),
        np.log1p(customers) / 3, np.log1p(moving_mean(customers, reading.windows[0])) / 3,
        np.log1p(means[1] / (0.1 + moving_mean(customers, reading.windows[1]))) / 5,
        *(relative(lagged(sales, lag), scale) for lag in reading.lags),
        *(np.isfinite(lagged(sales, lag)) for lag in reading.lags),
        *(_signal(column(panel, name), reading.windows[1]) for name in reading.signals),
    ]  # fmt: skip
    stacked = np.stack([np.nan_to_num(np.asarray(one, np.float32)) for one in columns], axis=2)
    return with_calendar(stacked, calendar)


def with_calendar(columns: FloatArray, calendar: FloatArray) -> FloatArray:
    """Return columns, shape (n_series, n_periods, n), with those of the calendar, shape (n_periods, n_calendar), after them."""
    return np.concatenate([columns, np.broadcast_to(calendar, (*columns.shape[:2], calendar.shape[1]))], axis=2)


def _planned_columns(panel: Panel, reading: Reading) -> FloatArray:
    """Return shape (n_series, n_periods + horizon, n_columns): planned price, planned promotion, events; NaN = unknown."""
    planned = np.full((len(panel.keys), len(panel.periods) + reading.horizon, 2 + len(reading.events)), np.nan, np.float32)
    for place, name in enumerate((t.PLANNED_PRICE, t.PLANNED_PROMOTION, *reading.events)):
        if name in panel.known:
            given = panel.known[name][:, : planned.shape[1]]
            planned[:, : given.shape[1], place] = given
    return planned


def column(panel: Panel, name: str) -> FloatArray:
    """Return a past column, NaN where the panel has none."""
    return panel.past.get(name, np.full(panel.shape, np.nan, np.float32))


def log_ratio(values: FloatArray, usual: FloatArray) -> FloatArray:
    """Return log(value / usual), bounded to -3..3; NaN where one of them is unknown or zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where((values > 0) & (usual > 0), values / usual, np.nan)
        return np.clip(np.log(ratio), -3, 3).astype(np.float32)


def _signal(values: FloatArray, window: int) -> FloatArray:
    """Return log of a past-only signal over its recent level."""
    return log_ratio(values + 1, moving_mean(values, window) + 1)
