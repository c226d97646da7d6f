"""Metrics as parts that add up over series, steps, folds and buckets; every metric is a ratio of sums of parts.

Actuals are what was sold, neither clipped nor masked nor cleaned; a period is left out only where its sales are unknown.
error = forecast - actual.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from replen import tables as t
from replen.features.known import Array, FloatArray, known_mean

Doubles = NDArray[np.float64]
SIMULATED_COST = "simulated_cost"

RATIOS = {
    "mae": ("absolute_error", "n"),
    "mse": ("squared_error", "n"),
    "rmse": ("squared_error", "n"),
    "wape": ("absolute_error", "absolute_actual"),
    "bias": ("error", "n"),
    "relative_bias": ("error", "absolute_actual"),
    "median_mae": ("median_absolute_error", "n"),
    "median_wape": ("median_absolute_error", "absolute_actual"),
    "pinball": ("pinball", "n"),
    "coverage_50": ("below_50", "n"),
    "coverage_90": ("below_90", "n"),
    "rmsse": ("rmsse", "n_scaled"),
    "wrmsse": ("weighted_rmsse", "weight"),
    "spl": ("spl", "n_scaled"),
    "wspl": ("weighted_spl", "weight"),
    SIMULATED_COST: (SIMULATED_COST, "simulated_periods"),
    str(t.FILL_RATE): ("simulated_sold", "simulated_demand"),
}
"""Metric -> the parts it is the ratio of; `rmse` is the root of its ratio. Errors are of the mean; `median_`: of the median.
The last two have parts only where orders were simulated (`evaluate.simulated_cost`)."""

COVERAGE = {"below_50": 0.5, "below_90": 0.9}
COUNTS = (
    "n", "n_missing", "n_series", "absolute_actual", "n_scaled", "weight",
    "n_simulated", "n_no_terms", "n_too_late", "n_unknown_sales",
)  # fmt: skip


@dataclass(frozen=True)
class Scored:
    """Forecasts from one cutoff beside what came.

    Attributes:
        actual: shape (n_series, horizon), units sold, NaN = unknown.
        mean: same shape, units, NaN = no forecast.
        median: same shape, units.
        quantiles: shape (n_series, horizon, n_levels), units.
        levels: shape (n_levels,), levels of the quantiles, in (0, 1).
        transform: shape (n_series, horizon), 0..1, see `randomised_transform`.
    """

    actual: FloatArray
    mean: FloatArray
    median: FloatArray
    quantiles: FloatArray
    levels: FloatArray
    transform: Doubles


@dataclass(frozen=True)
class InSample:
    """What errors of each series are scaled and weighted by, from its history up to the cutoff; shape (n_series,) each.

    Attributes:
        absolute: mean absolute change from period to period, units; NaN = no change is known, or all are 0.
        squared: mean squared change, units^2; likewise.
        weight: what the series counts for, >= 0, such as its revenue of the last periods.
    """

    absolute: Doubles
    squared: Doubles
    weight: Doubles


@dataclass(frozen=True)
class Parts:
    """Sums and counts that metrics are ratios of; never NaN.

    Attributes:
        by_step: part -> shape (n_series, horizon).
        by_series: part -> shape (n_series,), of metrics that take a root or a scale by series.
    """

    by_step: Mapping[str, Doubles]
    by_series: Mapping[str, Doubles]


def in_sample(sales: Array, weight: Doubles) -> InSample:
    """Return the scales of each series: changes between consecutive known periods, from its first sale on.

    Args:
        sales: shape (n_series, n_periods), units up to the cutoff, NaN = unknown.
        weight: shape (n_series,), >= 0.

    Source: Makridakis, Spiliotis & Assimakopoulos (2022), The M5 competition: RMSSE (squared), SPL (absolute).
    """
    selling = np.logical_or.accumulate(sales > 0, axis=1)
    change = np.diff(np.where(selling, sales.astype(np.float64), np.nan), axis=1)
    absolute, squared = known_mean(np.abs(change))[:, 0], known_mean(change**2)[:, 0]
    return InSample(np.where(absolute > 0, absolute, np.nan), np.where(squared > 0, squared, np.nan), weight)


def randomised_transform(below: Doubles, at_or_below: Doubles, uniforms: Doubles) -> Doubles:
    """Return the randomised probability integral transform: uniform on 0..1 if the forecast distribution is right.

    Args:
        below: P(demand < actual), shape (n_series, horizon).
        at_or_below: P(demand <= actual), same shape.
        uniforms: same shape, in [0, 1), keyed by series and step.

    Source: Czado, Gneiting & Held (2009), Predictive model assessment for count data, Biometrics 65, eq. 1.
    """
    return below + uniforms * (at_or_below - below)


def pinball_loss(actual: Array, quantiles: Array, levels: Array) -> Doubles:
    """Return the mean over levels of max(q (y - f), (q - 1) (y - f)), shape (n_series, horizon), units, >= 0.

    Source: Koenker & Bassett (1978); no factor 2, as in M5.

    >>> pinball_loss(np.array([[10.0]]), np.array([[[6.0, 12.0]]]), np.array([0.5, 0.9]))
    array([[1.1]])
    """
    q = np.asarray(levels, dtype=np.float64)
    short = actual.astype(np.float64)[:, :, None] - quantiles
    return np.asarray(np.maximum(q * short, (q - 1) * short).mean(axis=2))


def metric_parts(scored: Scored, scale: InSample) -> Parts:
    """Return the parts of every metric in `RATIOS`, and the counts.

    `n` counts the periods scored and `n_series` the series that have one; `n_missing` counts the periods whose sales are known
    but for which no forecast was made, which no other part holds: models with different `n` cannot be compared.

    By series: RMSSE = root of the mean squared error over `scale.squared`, SPL = mean pinball loss over `scale.absolute`,
    `n_scaled` = 1 where those are defined, and the same times the weight.
    """
    actual = scored.actual.astype(np.float64)
    known, missing = ~np.isnan(actual), np.isnan(scored.mean)
    counted = known & ~missing
    error, pinball = scored.mean - actual, pinball_loss(scored.actual, scored.quantiles, scored.levels)
    cells = {
        "n": np.ones_like(actual),
        "absolute_actual": np.abs(actual),
        "error": error,
        "absolute_error": np.abs(error),
        "squared_error": error**2,
        "median_absolute_error": np.abs(scored.median - actual),
        "pinball": pinball,
    } | {part: np.where(scored.transform < level, 1.0, 0.0) for part, level in COVERAGE.items()}
    by_step = {name: np.where(counted, values, 0.0) for name, values in cells.items()}
    by_step["n_missing"] = (known & missing).astype(np.float64)
    return Parts(by_step, _scaled_parts(by_step, scale))


def _scaled_parts(by_step: Mapping[str, Doubles], scale: InSample) -> dict[str, Doubles]:
    n = by_step["n"].sum(axis=1)
    defined = (n > 0) & ~np.isnan(scale.absolute)
    divisor = np.where(defined, n, np.nan)
    parts = {
        "n_scaled": np.ones_like(n),
        "weight": scale.weight,
        "rmsse": np.sqrt(by_step["squared_error"].sum(axis=1) / divisor / scale.squared),
        "spl": by_step["pinball"].sum(axis=1) / divisor / scale.absolute,
    }
    parts |= {f"weighted_{name}": scale.weight * parts[name] for name in ("rmsse", "spl")}
    return {"n_series": (n > 0) * 1.0} | {name: np.where(defined, values, 0.0) for name, values in parts.items()}


def ratios(sums: Mapping[str, Doubles]) -> dict[str, Doubles]:
    """Return every metric whose parts are there, and counts; NaN where the denominator is 0. Shapes are those of the sums."""
    metrics = {}
    for metric, (above, below) in ((name, parts) for name, parts in RATIOS.items() if parts[0] in sums):
        numerator, denominator = np.asarray(sums[above], np.float64), np.asarray(sums[below], np.float64)
        metrics[metric] = np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > 0)
    counts = {count: np.asarray(sums[count], np.float64) for count in COUNTS if count in sums}
    return {**metrics, "rmse": np.sqrt(metrics["rmse"]), **counts}
