"""Joint sample paths, compiled: normal scores of each series from its own seed, correlated, through the marginals' inverse.

One series after the other, all in memory that stays in the cache; path 2k + 1 mirrors the scores of path 2k.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import ndtri

from replen.forecast.negative_binomial import LARGE_MEAN, MAX_COUNT, accumulate, gamma_at, shape_place
from replen.forecast.random import uniform

Float32Array = NDArray[np.float32]
FloatArray = NDArray[np.float64]
SeedArray = NDArray[np.int64]

HIGHEST = 1 - 1e-12
"""Level beyond which no path goes, and with it the score of that level."""
HIGHEST_SCORE = float(ndtri(HIGHEST))
_N_GUIDES = 64
_NUMERATOR = np.array(
    [
        [2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
         1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0],
        [7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0,
         3.64784832476320460504e0, 5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0],
        [2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
         2.96560571828504891230e-1, 1.78482653991729133580e0, 5.46378491116411436990e0, 6.65790464350110377720e0],
    ]
)  # fmt: skip
_DENOMINATOR = np.array(
    [
        [5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
         5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0],
        [1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
         6.89767334985100004550e-1, 1.67638483018380384940e0, 2.05319162663775882187e0, 1.0],
        [2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
         1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0],
    ]
)  # fmt: skip
_MIDDLE, _FAR = 0.425, 5.0
"""Coefficients of AS 241 by range: |level - 1/2| <= _MIDDLE; further out, in r = sqrt(-log(tail)): r <= _FAR, r > _FAR."""


@njit(cache=True)
def paths_of_counts(
    seeds: SeedArray, factor: FloatArray, mean: FloatArray, dispersion: FloatArray, table: FloatArray, paths: Float32Array
) -> None:
    """Write sample paths whose marginals are negative binomial.

    Args:
        seeds: shape (n_series,).
        factor: Cholesky factor of the scores' correlation, shape (horizon, horizon).
        mean: shape (n_series, horizon), > 0; NaN where there is no forecast.
        dispersion: shape (n_series, horizon), > 0.
        table: of quantiles of the gamma distribution, see `negative_binomial.gamma_table`.
        paths: filled, shape (n_series, n_paths, n_steps), of the first n_steps of the horizon.
    """
    n_series, n_paths, n_steps = paths.shape
    scores, levels = np.empty((n_steps, (n_paths + 1) // 2)), np.empty(n_paths)
    cumulative, guide = np.empty(MAX_COUNT), np.empty(_N_GUIDES + 1, np.int64)
    for row in range(n_series):
        _correlated(seeds[row], factor, scores)
        for step in range(n_steps):
            expected, variance_share = mean[row, step], dispersion[row, step]
            if math.isnan(expected):
                paths[row, :, step] = np.nan
            elif expected > LARGE_MEAN:
                _by_gamma(scores[step], expected, variance_share, table, paths[row, :, step])
            else:
                _levels_of(scores[step], levels)
                n_counts = accumulate(expected, variance_share, levels.max(), cumulative)
                _by_counting(levels, cumulative[:n_counts], guide, paths[row, :, step])


@njit(cache=True)
def paths_of_quantiles(
    seeds: SeedArray, factor: FloatArray, levels: FloatArray, quantiles: Float32Array, paths: Float32Array
) -> None:
    """Write sample paths whose marginals are known by quantiles: linear between them, constant outside.

    Args:
        seeds: shape (n_series,).
        factor: Cholesky factor of the scores' correlation, shape (horizon, horizon).
        levels: of the quantiles, ascending, shape (n_levels,).
        quantiles: shape (n_series, horizon, n_levels); NaN where there is no forecast.
        paths: filled, shape (n_series, n_paths, n_steps), of the first n_steps of the horizon.
    """
    n_series, n_paths, n_steps = paths.shape
    scores, wanted = np.empty((n_steps, (n_paths + 1) // 2)), np.empty(n_paths)
    for row in range(n_series):
        _correlated(seeds[row], factor, scores)
        for step in range(n_steps):
            _levels_of(scores[step], wanted)
            for path in range(n_paths):
                paths[row, path, step] = _between(wanted[path], levels, quantiles[row, step])


@njit(cache=True)
def _between(level: float, levels: FloatArray, quantiles: Float32Array) -> float:
    if len(levels) == 1:
        return float(quantiles[0])
    right = int(np.searchsorted(levels, level))
    right = min(max(right, 1), len(levels) - 1)
    share = (level - levels[right - 1]) / (levels[right] - levels[right - 1])
    return float(quantiles[right - 1] + min(max(share, 0.0), 1.0) * (quantiles[right] - quantiles[right - 1]))


@njit(cache=True)
def _correlated(seed: np.int64, factor: FloatArray, scores: FloatArray) -> None:
    """Fill in correlated normal scores, (n_steps, n_pairs); draws are numbered by pair, then by step of the whole horizon."""
    n_steps, n_pairs = scores.shape
    horizon, drawn = len(factor), np.empty(n_steps)
    for pair in range(n_pairs):
        for step in range(n_steps):
            drawn[step] = normal(uniform(seed, pair * horizon + step))
            total = 0.0
            for earlier in range(step + 1):
                total += factor[step, earlier] * drawn[earlier]
            scores[step, pair] = total


@njit(cache=True)
def _levels_of(scores: FloatArray, levels: FloatArray) -> None:
    """Fill in P(normal <= score) of every path, inside (0, 1): those of the pairs' scores, and of their mirror images."""
    for path in range(0, len(levels), 2):
        level = 0.5 * math.erfc(-scores[path // 2] / math.sqrt(2.0))
        level = min(max(level, 1.0 - HIGHEST), HIGHEST)
        levels[path] = level
        if path + 1 < len(levels):
            levels[path + 1] = 1.0 - level


@njit(cache=True)
def normal(level: float) -> float:
    """Return the normal score of a level inside (0, 1), to about 1e-16 of its size.

    Source: algorithm AS 241, PPND16 (Wichura, The Percentage Points of the Normal Distribution, 1988).
    """
    off = level - 0.5
    if abs(off) <= _MIDDLE:
        return off * _ratio(0, _MIDDLE**2 - off * off)
    r = math.sqrt(-math.log(min(level, 1.0 - level)))
    score = _ratio(1, r - 1.6) if r <= _FAR else _ratio(2, r - _FAR)
    return score if off > 0 else -score


@njit(cache=True)
def _ratio(part: int, x: float) -> float:
    top, bottom = 0.0, 0.0
    for place in range(8):
        top = top * x + _NUMERATOR[part, place]
        bottom = bottom * x + _DENOMINATOR[part, place]
    return float(top / bottom)


@njit(cache=True)
def _by_counting(levels: FloatArray, cumulative: FloatArray, guide: NDArray[np.int64], paths: Float32Array) -> None:
    """Write the smallest counts whose probability reaches the levels; a guide says from which count to look."""
    n_counts, count = len(cumulative), 0
    for number in range(len(guide)):
        while count < n_counts - 1 and cumulative[count] < number / _N_GUIDES:
            count += 1
        guide[number] = count
    for path in range(len(paths)):
        count = guide[int(levels[path] * _N_GUIDES)]
        while count < n_counts - 1 and cumulative[count] < levels[path]:
            count += 1
        paths[path] = count


@njit(cache=True)
def _by_gamma(scores: FloatArray, expected: float, dispersion: float, table: FloatArray, paths: Float32Array) -> None:
    """Write quantiles of a gamma distribution with the mean (shifted by half a unit) and variance of the counts."""
    middle = expected + 0.5
    place = shape_place(middle * middle / (expected + dispersion * expected * expected))
    for path in range(len(paths)):
        score = min(max(scores[path // 2], -HIGHEST_SCORE), HIGHEST_SCORE) * (1 - 2 * (path % 2))
        paths[path] = max(math.ceil(gamma_at(table, place, score) * middle - 1.0), 0.0)
