"""The seasonal index that all series share: sums and counts by period that any number of workers add up."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from replen import tables as t
from replen.features.calendar import N_WEEKS, day_of_week, iso_week
from replen.features.panel import Panel
from replen.features.periods import DateArray

Float64Array = NDArray[np.float64]

WEEK, YEAR = 7, 365
"""Days."""
SHRINKAGE = 0.25
"""Seasons that a trend must span for half of its growth to be believed."""


@dataclass(frozen=True)
class SeasonSums:
    """Sales over all series by period, known values only; adding the sums of parts gives the sums of the whole.

    Attributes:
        periods: shape (n_periods,).
        sums: shape (n_periods,), units.
        counts: shape (n_periods,), series with known sales.
    """

    periods: DateArray
    sums: Float64Array
    counts: Float64Array

    @classmethod
    def of(cls, panel: Panel) -> Self:
        """Return the sums of one panel."""
        sales = panel.past[t.SALES_HISTORY]
        # In whole 1/1024 units, so that neither the parts nor their order can change the sums.
        sums = np.nansum(np.round(sales.astype(np.float64) * 1024), axis=0) / 1024
        return cls(panel.periods, sums, np.isfinite(sales).sum(axis=0).astype(np.float64))

    def arrays(self) -> dict[str, Any]:
        """Return what a file keeps."""
        return {"days": self.periods.astype("datetime64[D]").astype(np.int64), "sums": self.sums, "counts": self.counts}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the sums that `arrays` gave."""
        return cls(arrays["days"].astype("datetime64[D]"), arrays["sums"], arrays["counts"])

    def __add__(self, other: Self) -> Self:
        """Return the sums of both; their periods may start or end at different dates."""
        periods = np.union1d(self.periods, other.periods)
        sums, counts = np.zeros(len(periods)), np.zeros(len(periods))
        for part in (self, other):
            places = np.searchsorted(periods, part.periods)
            sums[places] += part.sums
            counts[places] += part.counts
        return type(self)(periods, sums, counts)

    def index(self, cutoff: np.datetime64, periods: DateArray) -> Float64Array:
        """Return shape (len(periods),): the seasonal index, mean one, from what was known up to the cutoff.

        With m the mean over series by period: the index of an ISO week is the mean ratio of m to its trend over a year in the
        periods of that week, over the mean of these; 1 where a week has never been seen, and for all where less than a year
        was seen, as it would be trend and chance. Daily periods have an index of the weekday first, likewise from the trend
        over a week, and that of the ISO week is taken from m over it.
        """
        known = self.periods <= cutoff
        past, mean = self.periods[known], np.full(known.sum(), np.nan)
        np.divide(self.sums[known], self.counts[known], out=mean, where=self.counts[known] > 0)
        days = int((past[1] - past[0]) / np.timedelta64(1, "D")) if len(past) > 1 else WEEK
        weekday = _index_by(day_of_week(past), mean, n_groups=7, season=WEEK // days)
        mean = mean / np.where(weekday > 0, weekday, 1.0)[day_of_week(past)]
        week = _index_by(iso_week(past), mean, n_groups=N_WEEKS + 1, season=YEAR // days)
        return np.asarray(weekday[day_of_week(periods)] * week[iso_week(periods)])


def _index_by(group: NDArray[np.intp], mean: Float64Array, *, n_groups: int, season: int) -> Float64Array:
    """Return shape (n_groups,): mean ratio to the trend by group over the mean of these means; 1 for a group never seen."""
    ratio = mean / _trend(mean, season)
    seen = np.isfinite(ratio)
    counts = np.bincount(group[seen], minlength=n_groups)
    by_group = np.bincount(group[seen], weights=ratio[seen], minlength=n_groups) / np.maximum(counts, 1)
    if not by_group.any():
        return np.ones(n_groups)
    return np.where(counts > 0, by_group / by_group[counts > 0].mean(), 1.0)


def _trend(mean: Float64Array, season: int) -> Float64Array:
    """Return the centred mean over one season, shape (n_periods,); NaN where less than a season was seen.

    Half a season at either end has no such mean. There the nearest one goes on at the growth of those known between them, which
    as many pairs of periods tell as they are apart: it is shrunk to nothing where they are few. (Without it the growth of half
    a year is taken for season.)

    Source: ratio-to-moving-average decomposition (Hyndman & Athanasopoulos, Forecasting, ch. 3.4), but for the ends.
    """
    weights = np.ones(season) if season % 2 else np.concatenate([[0.5], np.ones(season - 1), [0.5]])
    if len(mean) < len(weights):
        return np.full(len(mean), np.nan)
    sums, counts = (np.convolve(part, weights, "valid") for part in (np.nan_to_num(mean), np.isfinite(mean)))
    found = np.flatnonzero(sums > 0)
    if not len(found):
        return np.full(len(mean), np.nan)
    logs, centres = np.log(sums[found] / counts[found]), found + len(weights) // 2
    growth = (logs[-1] - logs[0]) / (centres[-1] - centres[0] + season * SHRINKAGE)
    places = np.arange(len(mean))
    beyond = places - np.clip(places, centres[0], centres[-1])
    return np.asarray(np.exp(np.interp(places, centres, logs) + growth * beyond))
