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
        # Rounded to 1/1024 units, so that the order in which parts are added cannot change the sums.
        sums = np.round(np.nansum(sales, axis=0, dtype=np.float64) * 1024) / 1024
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

        With m the mean over series by period: the index of an ISO week is the mean of m over the periods of that week, over
        the mean of these; 1 where a week has never been seen. Daily periods have an index of the weekday first, and that of
        the week is taken from m over it.
        """
        seen = (self.periods <= cutoff) & (self.counts > 0)
        if not seen.any():
            return np.ones(len(periods))
        mean = self.sums[seen] / self.counts[seen]
        weekday = _index_by(day_of_week(self.periods[seen]), mean, n_groups=7)
        mean = mean / np.where(weekday > 0, weekday, 1.0)[day_of_week(self.periods[seen])]
        week = _index_by(iso_week(self.periods[seen]), mean, n_groups=N_WEEKS + 1)
        return np.asarray(weekday[day_of_week(periods)] * week[iso_week(periods)])


def _index_by(group: NDArray[np.intp], mean: Float64Array, *, n_groups: int) -> Float64Array:
    """Return shape (n_groups,): mean by group over the mean of these means; 1 for a group never seen."""
    counts = np.bincount(group, minlength=n_groups)
    by_group = np.bincount(group, weights=mean, minlength=n_groups) / np.maximum(counts, 1)
    level = by_group[counts > 0].mean()
    if level <= 0:
        return np.ones(n_groups)
    return np.where(counts > 0, by_group / level, 1.0)
