"""The negative binomial by mean and dispersion (variance = mean + dispersion * mean^2): distribution function, inverse."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, gammaincinv, ndtr, ndtri

FloatArray = NDArray[np.float64]

LARGE_MEAN = 40.0
"""Cells with a larger mean take their quantiles from a gamma distribution of the same mean and variance."""
_MAX_COUNT = 4096
_SHAPES = np.geomspace(1e-3, 1e6, 400)
_SCORES = np.linspace(-8.0, 8.0, 641)


def cdf(counts: FloatArray, mean: FloatArray, dispersion: FloatArray) -> FloatArray:
    """Return P(X <= counts) elementwise, in [0, 1]; 0 below zero."""
    shape = 1.0 / np.maximum(dispersion, 1e-9)
    at_or_below = betainc(shape, np.floor(np.maximum(counts, 0.0)) + 1.0, shape / (shape + np.maximum(mean, 1e-12)))
    return np.asarray(np.where(counts < 0, 0.0, at_or_below))


def quantile(levels: FloatArray, mean: FloatArray, dispersion: FloatArray) -> FloatArray:
    """Return the smallest whole number x with P(X <= x) >= level.

    Args:
        levels: shape (n_cells, n_levels), inside (0, 1).
        mean: shape (n_cells,), >= 0.
        dispersion: shape (n_cells,), >= 0.

    Returns:
        shape (n_cells, n_levels). Exact where mean <= LARGE_MEAN (up to 4,096 units, further out and elsewhere by the gamma
        approximation, within one unit or 4 % of the exact value).
    """
    mean, dispersion = np.maximum(mean, 1e-12), np.maximum(dispersion, 1e-9)
    found = np.empty(levels.shape)
    small = mean <= LARGE_MEAN
    found[~small] = _by_gamma(levels[~small], mean[~small], dispersion[~small])
    found[small] = _by_table(levels[small], mean[small], dispersion[small])
    return found


def _by_gamma(levels: FloatArray, mean: FloatArray, dispersion: FloatArray) -> FloatArray:
    """Return quantiles of a gamma distribution with the mean (shifted by half a unit) and variance of the counts."""
    variance = mean + dispersion * mean**2
    middle = mean + 0.5
    scaled = gamma_quantile(levels, (middle**2 / variance)[:, None])
    return np.asarray(np.maximum(np.ceil(scaled * middle[:, None] - 1.0), 0.0))


def gamma_quantile(levels: FloatArray, shape: FloatArray) -> FloatArray:
    """Return quantiles of a gamma distribution with mean one, read off a table of log quantiles by shape and normal score."""
    table = _gamma_table()
    row = np.clip(np.log(shape / _SHAPES[0]) / np.log(_SHAPES[1] / _SHAPES[0]), 0, len(_SHAPES) - 1.000001)
    column = np.clip((ndtri(levels) - _SCORES[0]) / (_SCORES[1] - _SCORES[0]), 0, len(_SCORES) - 1.000001)
    i, j = row.astype(np.intp), column.astype(np.intp)
    down, right = row - i, column - j
    upper = table[i, j] * (1 - right) + table[i, j + 1] * right
    lower = table[i + 1, j] * (1 - right) + table[i + 1, j + 1] * right
    return np.asarray(np.exp(upper * (1 - down) + lower * down))


@cache
def _gamma_table() -> FloatArray:
    """Return shape (n_shapes, n_scores): log of the quantile over the mean."""
    quantiles = gammaincinv(_SHAPES[:, None], ndtr(_SCORES)[None, :]) / _SHAPES[:, None]
    return np.asarray(np.log(np.maximum(quantiles, 1e-300)))


def _by_table(levels: FloatArray, mean: FloatArray, dispersion: FloatArray) -> FloatArray:
    """Return exact quantiles: all cells' cumulative probabilities lie in one ascending array, cell i between i and i + 1."""
    if len(mean) == 0:
        return np.empty(levels.shape)
    top = 1.0 if levels.size == 0 else float(levels.max())
    widths = _by_gamma(np.full((len(mean), 1), min(top, 1 - 1e-12)), mean, dispersion)[:, 0]
    widths = np.minimum(np.ceil(1.1 * widths) + 6, _MAX_COUNT).astype(np.intp)
    found = np.empty(levels.shape)
    order = np.argsort(widths, kind="stable")
    for rows in np.array_split(order, max(1, len(order) // 2048)):
        cumulative = _cumulative(mean[rows], dispersion[rows], int(widths[rows].max()))
        cells = np.arange(len(rows))[:, None]
        flat = (cumulative + cells).ravel()
        places = np.searchsorted(flat, levels[rows] + cells)
        found[rows] = np.minimum(places - cells * cumulative.shape[1], cumulative.shape[1] - 1)
    return found


def _cumulative(mean: FloatArray, dispersion: FloatArray, n_counts: int) -> FloatArray:
    """Return shape (n_cells, n_counts): P(X <= 0), P(X <= 1), ... with the last one set to 1."""
    shape = 1.0 / dispersion
    ratio = mean / (mean + shape)
    counts = np.arange(1, n_counts)
    log_first = -shape * np.log1p(mean / shape)
    steps = np.log(ratio)[:, None] + np.log((counts - 1 + shape[:, None]) / counts)
    log_probability = np.concatenate([log_first[:, None], steps], axis=1).cumsum(axis=1)
    cumulative = np.asarray(np.minimum(np.exp(log_probability).cumsum(axis=1), 1.0))
    cumulative[:, -1] = 1.0
    return cumulative
