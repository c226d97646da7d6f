"""What is expected before each order of a VN2 window: members fitted on what was known then, their blend, sample paths.

What takes long to learn (LightGBM, the LSTM) is learned once a window, from the weeks before it, and told the newest sales
before each order; moving averages and seasonal indices are taken anew.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from replen import tables as t
from replen.config import Config
from replen.errors import ConfigError
from replen.evaluate.vn2 import COVER, LEAD_TIME, N_ORDERS
from replen.features.calendar import iso_week, periods_after
from replen.features.panel import Panel
from replen.features.periods import DateArray
from replen.features.prepare import prepare
from replen.forecast import random
from replen.forecast.distribution import from_negative_binomial
from replen.forecast.interface import EpochMetrics, Forecaster
from replen.forecast.moving_average import point
from replen.forecast.ranks import ALONE
from replen.forecast.season import SeasonSums
from replen.forecast.streamed import STREAMED

FloatArray = NDArray[np.float64]
Note = Callable[[str], None]

REFERENCE_WINDOW = 13
WINDOWS = (8, 26, 52)
"""Weeks of the moving averages whose mean is the member `moving_average`: one that follows, one that is steady, a year."""
MOVING_AVERAGE, LIGHTGBM = "moving_average", "lightgbm"
N_SEEDS = 2
"""Fits of each member that learns, averaged: a part of what one fit says is chance."""
STEPS = LEAD_TIME + 1
"""Weeks ahead that orders depend on: up to the week of delivery."""
LEVELS = np.array([0.5], np.float32)


@dataclass(frozen=True)
class Outlook:
    """What is expected before one order, from the weeks before it alone.

    Attributes:
        reference: shape (n_series, COVER), units, the forecast of the first two reference policies.
        members: name -> shape (n_series, STEPS), units; a member that cannot tell gives what the moving averages give.
        seeds: shape (n_series,), of the sample paths.
    """

    reference: FloatArray
    members: Mapping[str, FloatArray]
    seeds: NDArray[np.int64]

    def blend(self, weights: Mapping[str, float]) -> FloatArray:
        """Return the weighted mean of members, shape (n_series, STEPS), units."""
        return np.asarray(sum(weight * self.members[name] for name, weight in weights.items()) / sum(weights.values()))

    def paths(self, mean: FloatArray, *, dispersion: float, n_paths: int) -> FloatArray:
        """Return negative binomial sample paths around a mean, shape (n_series, n_paths, STEPS), units; steps independent."""
        spread, apart = np.full(mean.shape, dispersion, np.float32), np.zeros(STEPS - 1, np.float32)
        no_reason = np.full(len(mean), "")
        around = from_negative_binomial(mean.astype(np.float32), spread, levels=LEVELS, dependence=apart, reason=no_reason)
        return around.sample_paths(self.seeds, n_paths).astype(np.float64)


def outlooks(series: Panel, first: int, config: Config, *, note: Note) -> list[Outlook]:
    """Return what is expected before each of the N_ORDERS orders of a window.

    Args:
        series: all weeks, as recorded; none from `first + step` on is looked at for the order of a step.
        first: place of the window's first week.
        config: its sections `features` and `forecast`.
        note: told what is under way.
    """

    def seen(step: int) -> Panel:
        return prepare(series.until(series.periods[first + step - 1], 0), config.features)

    names = [str(name) for name in config.forecast.blend.weights if name != MOVING_AVERAGE]
    learned = {name: _learn(name, seen(0), config, note) for name in dict.fromkeys([*names, LIGHTGBM])}
    return [_outlook(seen(step), learned, config.seed) for step in range(N_ORDERS)]


def reference_forecast(sales: FloatArray, weeks: DateArray) -> FloatArray:
    """Return the forecast of the reference policies for the next COVER weeks, shape (n_series, COVER), units.

    Base times seasonal index. The index of an ISO week is the mean over its weeks of the mean sales of all series, over the
    mean of these means; 1 for a week never seen. The base is the mean of the known sales over index of the last
    REFERENCE_WINDOW weeks, 0 where none is known.

    Args:
        sales: shape (n_series, n_weeks), units, NaN = unknown.
        weeks: shape (n_weeks,), Mondays.
    """
    known = np.isfinite(sales)
    mean = np.where(known, sales, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    places = iso_week(np.concatenate([weeks, periods_after(weeks, COVER)]))
    past, seen = places[: len(weeks)], known.any(axis=0)
    counts = np.bincount(past[seen], minlength=54)
    by_week = np.bincount(past[seen], weights=mean[seen], minlength=54) / np.maximum(counts, 1)
    index = np.where(counts > 0, by_week / by_week[counts > 0].mean(), 1.0)[places]
    recent = slice(max(len(weeks) - REFERENCE_WINDOW, 0), len(weeks))
    ratio = np.divide(sales[:, recent], index[recent], out=np.zeros_like(sales[:, recent]), where=known[:, recent])
    base = ratio.sum(axis=1) / np.maximum(known[:, recent].sum(axis=1), 1)
    return np.asarray(base[:, None] * index[len(weeks) :])


def _learn(name: str, panel: Panel, config: Config, note: Note) -> list[Forecaster]:
    """Return the fits of a member that learns from all series."""
    if name not in STREAMED:
        raise ConfigError(f"forecast.blend.weights: expected some of {MOVING_AVERAGE}, {', '.join(STREAMED)}; found {name}")
    note(f"{name}, from {panel.shape[1]} weeks")

    def heard(_: EpochMetrics) -> None:
        """Do nothing: epochs are too short to be told."""

    fits = []
    for number in range(N_SEEDS):
        with TemporaryDirectory() as folder:
            fit = STREAMED[name](lambda: iter([panel]), config.forecast, config.seed + number, folder, heard, ALONE)
        fits.append(fit)
    return fits


def _outlook(panel: Panel, learned: Mapping[str, Sequence[Forecaster]], seed: int) -> Outlook:
    season, sales = SeasonSums.of(panel), panel.past[t.SALES_HISTORY].astype(np.float64)
    average = np.mean([point(panel, season, window=window, horizon=STEPS) for window in WINDOWS], axis=0)
    members = {MOVING_AVERAGE: average}
    for name, fits in learned.items():
        mean = np.mean([fit.predict(panel, horizon=STEPS, levels=LEVELS).mean for fit in fits], axis=0, dtype=np.float64)
        members[name] = np.where(np.isfinite(mean), mean, average)
    seeds = random.series_seeds(panel.keys, panel.cutoff, seed=seed)
    return Outlook(reference_forecast(sales, panel.periods), members, seeds)
