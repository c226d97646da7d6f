"""Metrics as parts that add up: every metric is a ratio of sums over series, steps and folds (`scores.METRICS`).

Actuals are what was sold, neither clipped nor masked nor cleaned; a period is left out only where they are unknown.
error = forecast - actual.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32] | NDArray[np.float64]
Doubles = NDArray[np.float64]
COVERAGES = {0.5: "coverage_50", 0.9: "coverage_90"}


@dataclass(frozen=True)
class Scored:
    """Forecasts from one cutoff beside what came.

    Attributes:
        actual: shape (n_series, horizon), units sold, NaN = unknown.
        mean: shape (n_series, horizon), units, NaN = no forecast.
        median: same shape.
        quantiles: shape (n_series, horizon, n_levels), units.
        levels: shape (n_levels,), levels of the quantiles, in (0, 1).
        transform: shape (n_series, horizon), randomised probability integral transform of the actual, 0..1 (see `randomised_transform`).
    """

    actual: Array
    mean: Array
    median: Array
    quantiles: Array
    levels: Array
    transform: Array


@dataclass(frozen=True)
class InSample:
    """What errors of a series are scaled and weighted by: known at the cutoff.

    Attributes:
        absolute: shape (n_series,), mean absolute change from period to period, units; NaN = not defined.
        squared: shape (n_series,), mean squared change, units^2; NaN = not defined.
        weight: shape (n_series,), e.g. revenue of the last periods, >= 0.
    """

    absolute: Doubles
    squared: Doubles
    weight: Doubles
