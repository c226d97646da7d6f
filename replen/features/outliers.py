"""Unusual values of the history up to a cutoff: fences by series, and what is done with values outside them."""

import numpy as np
from numpy.typing import NDArray

from replen.config import Outliers
from replen.features.known import Doubles, FloatArray, known_count, known_mean, known_quantile

_MAD_TO_SD = 1.482602  # standard deviations a median absolute deviation, of the normal distribution
_MEAN_AD_TO_SD = 1.253314  # and a mean absolute deviation


def treat_outliers(values: FloatArray, settings: Outliers) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return the values after the action of the settings, and which of them lay outside the fences.

    Args:
        values: shape (n_series, n_periods), NaN = unknown, up to the cutoff.
        settings: rule, action, threshold, and the known periods below which a series is left alone.
    """
    if settings.rule == "none":
        return values, np.zeros(values.shape, dtype=bool)
    low, high = (_robust_fences if settings.rule == "robust_z" else _quartile_fences)(values, settings.threshold)
    judged = (known_count(values) >= settings.min_periods) & (high > low)
    outside = judged & ((values < low) | (values > high))
    if settings.action == "keep":
        return values, outside
    treated = np.clip(values, low, high) if settings.action == "clip" else np.nan
    return np.where(outside, treated, values).astype(np.float32), outside


def _robust_fences(values: FloatArray, threshold: float) -> tuple[Doubles, Doubles]:
    """Return fences at `threshold` robust standard deviations around the median, shape (n_series, 1) each.

    The deviation is the median absolute one; where more than half the values are alike it is 0, and the mean one is taken.
    Equal fences: all values are alike.

    Source: Iglewicz & Hoaglin, How to Detect and Handle Outliers (1993), modified z-scores.
    """
    median = known_quantile(values, 0.5)
    deviation = np.abs(values - median)
    by_median = _MAD_TO_SD * known_quantile(deviation, 0.5)
    sd = np.where(by_median > 0, by_median, _MEAN_AD_TO_SD * known_mean(deviation))
    return median - threshold * sd, median + threshold * sd


def _quartile_fences(values: FloatArray, threshold: float) -> tuple[Doubles, Doubles]:
    """Return Tukey's fences, `threshold` interquartile ranges outside the quartiles, shape (n_series, 1) each.

    Equal fences: at least half the values are alike.

    Source: Tukey, Exploratory Data Analysis (1977), ch. 2 (threshold 1.5: outside, 3: far out).
    """
    low, high = known_quantile(values, 0.25), known_quantile(values, 0.75)
    reach = threshold * (high - low)
    return low - reach, high + reach
