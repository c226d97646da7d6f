"""Seasonal naive: demand of one season ago, with quantiles from how far that was off before."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from replen import tables as t
from replen.features.known import known_mean
from replen.features.panel import Panel
from replen.forecast.distribution import Distribution
from replen.forecast.interface import NO_SALES
from replen.forecast.residuals import ResidualProfile
from replen.forecast.simple import ARRAYS, RECENT, count_residuals, distribution_of

FloatArray = NDArray[np.float32]
Float64Array = NDArray[np.float64]

NO_SEASON = "no sales known one season ago: mean of the last known periods"


@dataclass(frozen=True)
class SeasonalNaive:
    """The value one season ago; where it is unknown, the mean of the last 13 periods.

    Attributes:
        season: periods.
        profile: how far it was off before the cutoff, over all series.
    """

    season: int
    profile: ResidualProfile

    @staticmethod
    def measure(panel: Panel, *, season: int, horizon: int, windows: int) -> ResidualProfile:
        """Return the errors of a panel's last windows, to be added up over all panels."""
        return count_residuals(
            panel, lambda at, n_steps: point(at, season=season, horizon=n_steps), horizon=horizon, windows=windows
        )

    def predict(self, panel: Panel, *, horizon: int, levels: FloatArray) -> Distribution:
        """Return the demand of the next `horizon` periods; the reason says where no season was known."""
        forecast = point(panel, season=self.season, horizon=horizon)
        sales = panel.past[t.SALES_HISTORY]
        reason = np.where(np.isnan(_season_ago(sales, self.season, horizon)).any(axis=1), NO_SEASON, "")
        reason = np.where(np.isnan(forecast).any(axis=1), NO_SALES, reason)
        return distribution_of(forecast, self.profile, levels=levels, reason=reason)

    def save(self, folder: Path) -> None:
        """Write the fitted state into a folder."""
        np.savez_compressed(folder / ARRAYS, season=self.season, profile=self.profile.counts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Return what `save` has written."""
        with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
            return cls(int(arrays["season"]), ResidualProfile(arrays["profile"]))


def point(panel: Panel, *, season: int, horizon: int) -> Float64Array:
    """Return shape (n_series, horizon): demand of one season ago, units; NaN where no sales are known at all."""
    sales = panel.past[t.SALES_HISTORY].astype(np.float64)
    ago = _season_ago(sales, season, horizon)
    recent = known_mean(sales[:, -RECENT:])[:, 0]
    recent = np.where(np.isnan(recent), known_mean(sales)[:, 0], recent)
    return np.where(np.isnan(ago), recent[:, None], ago)


def _season_ago(sales: NDArray[np.floating], season: int, horizon: int) -> Float64Array:
    """Return shape (n_series, horizon): sales one season (or, further ahead than that, several) before each step."""
    n_series, n_periods = sales.shape
    steps = np.arange(horizon)
    places = n_periods + steps - season * (1 + steps // season)
    ago = np.full((n_series, horizon), np.nan)
    ago[:, places >= 0] = sales[:, places[places >= 0]]
    return ago
