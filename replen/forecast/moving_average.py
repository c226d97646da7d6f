"""Stock-out-masked seasonal moving average: a recent level without the season, times the season that all series share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from replen import tables as t
from replen.features.calendar import periods_after
from replen.features.panel import Panel
from replen.forecast.distribution import Distribution
from replen.forecast.residuals import ResidualProfile
from replen.forecast.season import SeasonSums
from replen.forecast.simple import ARRAYS, count_residuals, distribution_of

FloatArray = NDArray[np.float32]
Float64Array = NDArray[np.float64]

NO_SALES = "no known sales: zero"


@dataclass(frozen=True)
class MovingAverage:
    """Level times season: the level is the mean of the last `window` known values of sales / index, however long ago.

    Attributes:
        window: known periods.
        season: sales of all series by period, up to the cutoff at least.
        profile: how far it was off before the cutoff, over all series.
    """

    window: int
    season: SeasonSums
    profile: ResidualProfile

    @staticmethod
    def measure(panel: Panel, season: SeasonSums, *, window: int, horizon: int, windows: int) -> ResidualProfile:
        """Return the errors of a panel's last windows, to be added up over all panels; `season` is that of all series."""
        return count_residuals(
            panel, lambda at, n_steps: point(at, season, window=window, horizon=n_steps), horizon=horizon, windows=windows
        )

    def predict(self, panel: Panel, *, horizon: int, levels: FloatArray) -> Distribution:
        """Return the demand of the next `horizon` periods; zero, with the reason, where no sales are known."""
        forecast = point(panel, self.season, window=self.window, horizon=horizon)
        known = np.isfinite(panel.past[t.SALES_HISTORY]).any(axis=1)
        return distribution_of(forecast, self.profile, levels=levels, reason=np.where(known, "", NO_SALES))

    def save(self, folder: Path) -> None:
        """Write the fitted state into a folder."""
        np.savez_compressed(folder / ARRAYS, window=self.window, profile=self.profile.counts, **self.season.arrays())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Return what `save` has written."""
        with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
            return cls(int(arrays["window"]), SeasonSums.from_arrays(arrays), ResidualProfile(arrays["profile"]))


def point(panel: Panel, season: SeasonSums, *, window: int, horizon: int) -> Float64Array:
    """Return shape (n_series, horizon): expected demand, units; 0 where no sales are known.

    After a stock-out the level is that of the periods before it: only known periods without sales make it zero.
    """
    n_periods, ahead = len(panel.periods), periods_after(panel.periods, horizon)
    index = season.index(panel.cutoff, np.concatenate([panel.periods, ahead]))
    past, coming = index[:n_periods], index[n_periods:]
    sales = panel.past[t.SALES_HISTORY]
    known = np.isfinite(sales) & (past > 0)
    latest = known & (known[:, ::-1].cumsum(axis=1)[:, ::-1] <= window)
    ratio = np.divide(sales, past, out=np.zeros(sales.shape), where=latest)
    level = ratio.sum(axis=1) / np.maximum(latest.sum(axis=1), 1)
    return np.asarray(level[:, None] * coming)
