"""Demand as a distribution: marginals by step, dependence between steps, joint sample paths.

What a forecaster returns, what the `forecasts` table stores and what the planner draws its paths from.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from replen.forecast import negative_binomial
from replen.forecast.paths_kernel import paths_of_counts, paths_of_quantiles

FloatArray = NDArray[np.float32]
Float64Array = NDArray[np.float64]

NEGATIVE_BINOMIAL = "negative_binomial"
QUANTILES = "quantiles"


@dataclass(frozen=True)
class Distribution:
    """Demand of the next periods of n_series series.

    Attributes:
        family: what the marginals are: `negative_binomial` (parameters: mean, dispersion; variance = mean + dispersion *
            mean^2) or `quantiles` (no parameters: the quantile function is linear between `quantiles` and constant outside).
        parameters: shape (n_series, horizon, n_parameters).
        levels: shape (n_levels,), levels of the quantiles asked for, ascending in (0, 1).
        mean: shape (n_series, horizon), units, >= 0; NaN where there is no forecast.
        quantiles: shape (n_series, horizon, n_levels), units, never falling along the last axis.
        dependence: shape (horizon - 1,), correlation of normal scores at distance 1, 2, ... steps.
        reason: shape (n_series,), why there is no forecast or a fallback; empty string = as asked.
    """

    family: str
    parameters: FloatArray
    levels: FloatArray
    mean: FloatArray
    quantiles: FloatArray
    dependence: FloatArray
    reason: NDArray[np.str_]

    def __len__(self) -> int:
        """Return the number of series."""
        return len(self.mean)

    @property
    def horizon(self) -> int:
        """Return the number of steps."""
        return int(self.mean.shape[1])

    @property
    def median(self) -> FloatArray:
        """Return shape (n_series, horizon): the quantile at level 0.5, units."""
        return self.inverse_cdf(np.full((len(self), 1, self.horizon), 0.5))[:, 0]

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp] | slice) -> Self:
        """Return the distribution of the chosen series."""
        by_series = ("parameters", "mean", "quantiles", "reason")
        return replace(self, **{name: getattr(self, name)[rows] for name in by_series})

    def inverse_cdf(self, levels: Float64Array) -> FloatArray:
        """Return the demand that is not exceeded with the given probability.

        Args:
            levels: shape (n_series, n, horizon), inside (0, 1).

        Returns:
            shape (n_series, n, horizon), units; NaN where there is no forecast.
        """
        if self.family == QUANTILES:
            return _interpolate(levels, self.levels.astype(np.float64), self.quantiles)
        mean, dispersion = (np.nan_to_num(self.parameters[:, :, i].astype(np.float64)) for i in range(2))
        found = negative_binomial.quantile(levels.transpose(0, 2, 1), mean, dispersion).astype(np.float32)
        found[np.isnan(self.mean)] = np.nan
        return found.transpose(0, 2, 1)

    def cdf(self, actual: FloatArray) -> tuple[Float64Array, Float64Array]:
        """Return (P(demand < actual), P(demand <= actual)), each of actual's shape (n_series, horizon).

        A uniform number between the two is the randomised probability integral transform. Of the family `quantiles` nothing is
        known outside the quantiles: the two are 0 and the lowest level, or the highest level and 1.
        """
        counts = actual.astype(np.float64)
        if self.family == QUANTILES:
            return _between(counts, self.levels.astype(np.float64), self.quantiles.astype(np.float64))
        mean, dispersion = (self.parameters[:, :, i].astype(np.float64) for i in range(2))
        below = negative_binomial.cdf(np.ceil(counts) - 1.0, mean, dispersion)
        return below, negative_binomial.cdf(counts, mean, dispersion)

    def sample_paths(self, seeds: NDArray[np.int64], n_paths: int, n_steps: int | None = None) -> FloatArray:
        """Return joint sample paths of demand: a Gaussian copula through the marginals' inverse.

        Path 2k + 1 mirrors the normal scores of path 2k (antithetic), which keeps every marginal and lowers the noise of means.

        Args:
            seeds: shape (n_series,), see `random.series_seeds`; the paths of a series depend on its own seed only.
            n_paths: how many.
            n_steps: first steps that are drawn; None: all. They are the same however many follow.

        Returns:
            shape (n_series, n_paths, n_steps), units; NaN where there is no forecast.
        """
        factor, paths = correlation_factor(self.dependence), np.empty((len(self), n_paths, n_steps or self.horizon), np.float32)
        if self.family == QUANTILES:
            paths_of_quantiles(seeds, factor, self.levels.astype(np.float64), self.quantiles, paths)
        else:
            mean = np.where(np.isnan(self.mean), np.nan, np.maximum(self.parameters[:, :, 0].astype(np.float64), 1e-12))
            dispersion = np.maximum(self.parameters[:, :, 1].astype(np.float64), 1e-9)
            paths_of_counts(seeds, factor, mean, dispersion, negative_binomial.gamma_table(), paths)
        return paths


def from_negative_binomial(
    mean: FloatArray, dispersion: FloatArray, *, levels: FloatArray, dependence: FloatArray, reason: NDArray[np.str_]
) -> Distribution:
    """Return the distribution whose marginals are negative binomial; mean and dispersion have shape (n_series, horizon)."""
    parameters = np.stack([mean, dispersion], axis=2).astype(np.float32)
    n_series, horizon = mean.shape
    empty = np.full((n_series, horizon, len(levels)), np.nan, np.float32)
    made = Distribution(
        NEGATIVE_BINOMIAL, parameters, levels.astype(np.float32), parameters[:, :, 0], empty, dependence, reason
    )
    wanted = np.broadcast_to(levels.astype(np.float64)[None, :, None], (n_series, len(levels), horizon))
    return replace(made, quantiles=made.inverse_cdf(wanted).transpose(0, 2, 1))


def from_quantiles(
    mean: FloatArray, quantiles: FloatArray, *, levels: FloatArray, dependence: FloatArray, reason: NDArray[np.str_]
) -> Distribution:
    """Return the distribution that is known by its quantiles, shape (n_series, horizon, n_levels)."""
    ascending = np.maximum.accumulate(quantiles, axis=2).astype(np.float32)
    parameters = np.zeros((*mean.shape, 0), np.float32)
    return Distribution(
        QUANTILES, parameters, levels.astype(np.float32), mean.astype(np.float32), ascending, dependence, reason
    )


def concat(parts: Sequence[Distribution]) -> Distribution:
    """Return the series of all parts, one after the other; family, levels and dependence are those of the first."""
    return replace(
        parts[0],
        parameters=np.concatenate([part.parameters for part in parts]),
        mean=np.concatenate([part.mean for part in parts]),
        quantiles=np.concatenate([part.quantiles for part in parts]),
        reason=np.concatenate([part.reason for part in parts]),
    )


def correlation_factor(dependence: FloatArray) -> Float64Array:
    """Return shape (horizon, horizon): the Cholesky factor of the correlation matrix with `dependence` by distance.

    A matrix that is not positive definite is shrunk towards independence until it is.
    """
    row = np.concatenate([[1.0], dependence.astype(np.float64)])
    distance = np.abs(np.subtract.outer(np.arange(len(row)), np.arange(len(row))))
    matrix = row[distance]
    smallest = np.linalg.eigvalsh(matrix)[0]
    shrink = min(1.0, (1.0 - 1e-4) / max(1.0 - smallest, 1e-9))
    return np.linalg.cholesky(shrink * matrix + (1.0 - shrink) * np.eye(len(row)))


def _interpolate(wanted: Float64Array, levels: Float64Array, quantiles: FloatArray) -> FloatArray:
    """Return the quantile function at the wanted levels, shape (n_series, n, horizon), linear between the levels known."""
    if len(levels) == 1:
        return np.broadcast_to(quantiles.transpose(0, 2, 1), wanted.shape).astype(np.float32)
    right = np.clip(np.searchsorted(levels, wanted), 1, len(levels) - 1)
    share = np.clip((wanted - levels[right - 1]) / (levels[right] - levels[right - 1]), 0.0, 1.0)
    by_level = quantiles.transpose(0, 2, 1)
    low, high = (np.take_along_axis(by_level, place, axis=1) for place in (right - 1, right))
    return (low + share * (high - low)).astype(np.float32)


def _between(actual: Float64Array, levels: Float64Array, quantiles: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Return the lowest and the highest level whose quantile is `actual`, each of its shape (n_series, horizon)."""
    n_left = (quantiles < actual[:, :, None]).sum(axis=2)
    n_not_right = (quantiles <= actual[:, :, None]).sum(axis=2)
    below = np.where(n_left == 0, 0.0, _level_at(actual, levels, quantiles, n_left=n_left))
    at_or_below = np.where(n_not_right == len(levels), 1.0, _level_at(actual, levels, quantiles, n_left=n_not_right))
    known = ~np.isnan(quantiles).any(axis=2) & ~np.isnan(actual)
    return np.where(known, below, np.nan), np.where(known, at_or_below, np.nan)


def _level_at(actual: Float64Array, levels: Float64Array, quantiles: Float64Array, *, n_left: NDArray[np.intp]) -> Float64Array:
    """Return the level of `actual` where `n_left` of the quantiles lie left of it; outside of all, the outermost level."""
    inner = np.clip(n_left, 1, len(levels) - 1)
    low, high = (np.take_along_axis(quantiles, place[:, :, None], axis=2)[:, :, 0] for place in (inner - 1, inner))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.clip(np.nan_to_num((actual - low) / (high - low)), 0.0, 1.0)
    level = levels[inner - 1] + share * (levels[inner] - levels[inner - 1])
    return np.where(n_left == 0, levels[0], np.where(n_left == len(levels), levels[-1], level))
