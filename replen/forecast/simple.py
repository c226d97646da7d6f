"""What the simple forecasters share: past windows, and a point forecast made a distribution."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from replen import tables as t
from replen.features.panel import Panel
from replen.forecast.distribution import Distribution, from_quantiles
from replen.forecast.residuals import ResidualProfile

FloatArray = NDArray[np.float32]
Float64Array = NDArray[np.float64]
Point = Callable[[Panel, int], Float64Array]

ARRAYS = "arrays.npz"
"""The file a simple forecaster is kept in."""
RECENT = 13
"""Periods that a level is taken from where nothing better is known."""
PERSISTENCE = 0.3
"""Correlation of normal scores of neighbouring steps that simple forecasters assume; it does not fade with distance."""


def count_residuals(panel: Panel, point: Point, *, horizon: int, windows: int) -> ResidualProfile:
    """Return how far `point` was off at the last `windows` origins of each step whose outcome is known at the cutoff."""
    profile = ResidualProfile.empty(horizon)
    sales = panel.past[t.SALES_HISTORY].astype(np.float64)
    n_periods = len(panel.periods)
    for origin in range(max(RECENT, n_periods - windows - horizon + 1), n_periods):
        steps = [step for step in range(horizon) if 0 <= n_periods - 1 - step - origin < windows]
        forecast = point(panel.until(panel.periods[origin - 1], horizon), horizon)
        started = np.isfinite(sales[:, :origin]).any(axis=1)
        for step in steps:
            profile.add_step(step, np.where(started, sales[:, origin + step], np.nan), forecast[:, step])
    return profile


def distribution_of(
    forecast: Float64Array, profile: ResidualProfile, *, levels: FloatArray, reason: NDArray[np.str_]
) -> Distribution:
    """Return the distribution around a point forecast of shape (n_series, horizon); its mean is the point forecast."""
    dependence = np.full(forecast.shape[1] - 1, PERSISTENCE, np.float32)
    quantiles = profile.quantiles(forecast, levels)
    return from_quantiles(forecast.astype(np.float32), quantiles, levels=levels, dependence=dependence, reason=reason)
