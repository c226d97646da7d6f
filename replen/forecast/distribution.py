"""Demand as a distribution: marginals by step, dependence between steps, joint sample paths.

What a forecaster returns, what the `forecasts` table stores and what the planner draws its paths from.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Distribution:
    """Demand of the next periods of n_series series.

    Attributes:
        family: what `parameters` mean: `negative_binomial` (mean, dispersion: variance = mean + dispersion * mean^2) or
            `quantiles` (the quantile function at `levels`, interpolated between them).
        parameters: shape (n_series, horizon, n_parameters).
        levels: shape (n_levels,), levels of the quantiles asked for, ascending in (0, 1).
        mean: shape (n_series, horizon), units, >= 0; NaN where there is no forecast.
        quantiles: shape (n_series, horizon, n_levels), units, never falling along the last axis.
        dependence: shape (n_series, horizon - 1) or (horizon - 1,), correlation of normal scores at distance 1, 2, ... steps.
        reason: shape (n_series,), why there is no forecast or a fallback; empty string = as asked.
    """

    family: str
    parameters: FloatArray
    levels: FloatArray
    mean: FloatArray
    quantiles: FloatArray
    dependence: FloatArray
    reason: NDArray[np.str_]
