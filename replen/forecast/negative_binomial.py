"""The negative binomial by mean and dispersion (variance = mean + dispersion * mean^2): distribution function, inverse."""

import math
from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import betainc, gammaincinv, ndtr, ndtri

FloatArray = NDArray[np.float64]

LARGE_MEAN = 40.0
"""Cells with a larger mean take their quantiles from a gamma distribution of the same mean and variance."""
MAX_COUNT = 4096
NEGLIGIBLE = 1e-18
"""A probability that changes no sum."""
SHAPES = np.geomspace(1e-3, 1e6, 400)
SCORES = np.linspace(-8.0, 8.0, 641)


def cdf(counts: FloatArray, mean: FloatArray, dispersion: FloatArray) -> FloatArray:
    """Return P(X <= counts) elementwise, in [0, 1]; 0 below zero."""
    shape = 1.0 / np.maximum(dispersion, 1e-9)
    at_or_below = betainc(shape, np.floor(np.maximum(counts, 0.0)) + 1.0, shape / (shape + np.maximum(mean, 1e-12)))
    return np.asarray(np.where(counts < 0, 0.0, at_or_below))


def quantile(levels: FloatArray, mean: FloatArray, dispersion: FloatArray) -> FloatArray:
    """Return the smallest whole number x with P(X <= x) >= level.

    Args:
        levels: shape (n_series, n_cells, n_levels), inside (0, 1).
        mean: shape (n_series, n_cells), >= 0.
        dispersion: shape (n_series, n_cells), >= 0.

    Returns:
        shape (n_series, n_cells, n_levels). Exact where mean <= LARGE_MEAN (up to 4,096 units, further out and elsewhere by the
        gamma approximation, within one unit or 4 % of the exact value).
    """
    mean, dispersion = np.maximum(mean, 1e-12), np.maximum(dispersion, 1e-9)
    found, large = np.empty(levels.shape), mean > LARGE_MEAN
    found[large] = _by_gamma(levels[large], mean[large], dispersion[large])
    _by_table(levels, mean, dispersion, found)
    return found


def _by_gamma(levels: FloatArray, mean: FloatArray, dispersion: FloatArray) -> FloatArray:
    """Return quantiles of a gamma distribution with the mean (shifted by half a unit) and variance of the counts."""
    variance = mean + dispersion * mean**2
    middle = mean + 0.5
    scaled = gamma_quantile(levels, (middle**2 / variance)[:, None])
    return np.asarray(np.maximum(np.ceil(scaled * middle[:, None] - 1.0), 0.0))


def gamma_quantile(levels: FloatArray, shape: FloatArray) -> FloatArray:
    """Return quantiles of a gamma distribution with mean one, read off a table of log quantiles by shape and normal score."""
    table = gamma_table()
    row = np.clip(np.log(shape / SHAPES[0]) / np.log(SHAPES[1] / SHAPES[0]), 0, len(SHAPES) - 1.000001)
    column = np.clip((ndtri(levels) - SCORES[0]) / (SCORES[1] - SCORES[0]), 0, len(SCORES) - 1.000001)
    i, j = row.astype(np.intp), column.astype(np.intp)
    down, right = row - i, column - j
    upper = table[i, j] * (1 - right) + table[i, j + 1] * right
    lower = table[i + 1, j] * (1 - right) + table[i + 1, j + 1] * right
    return np.asarray(np.exp(upper * (1 - down) + lower * down))


@cache
def gamma_table() -> FloatArray:
    """Return shape (n_shapes, n_scores): log of the quantile over the mean."""
    quantiles = gammaincinv(SHAPES[:, None], ndtr(SCORES)[None, :]) / SHAPES[:, None]
    return np.asarray(np.log(np.maximum(quantiles, 1e-300)))


@njit(cache=True)
def _by_table(levels: FloatArray, mean: FloatArray, dispersion: FloatArray, found: FloatArray) -> None:
    """Fill in the exact quantiles of cells whose mean is not large, each read off the cell's cumulative probabilities."""
    cumulative, (n_series, n_cells, n_levels) = np.empty(MAX_COUNT), levels.shape
    for row in range(n_series * n_cells):
        series, cell = row // n_cells, row % n_cells
        expected = mean[series, cell]
        if expected > LARGE_MEAN:
            continue
        shape, highest = 1.0 / dispersion[series, cell], 0.0
        for place in range(n_levels):
            highest = max(highest, levels[series, cell, place])
        ratio = expected / (expected + shape)
        probability = math.exp(-shape * math.log1p(expected / shape))
        cumulative[0], n_counts = probability, 1
        while cumulative[n_counts - 1] < highest and n_counts < MAX_COUNT:
            probability *= ratio * (n_counts - 1 + shape) / n_counts
            if probability < NEGLIGIBLE and n_counts > expected:
                break
            cumulative[n_counts] = cumulative[n_counts - 1] + probability
            n_counts += 1
        known = cumulative[:n_counts]
        for place in range(n_levels):
            found[series, cell, place] = min(np.searchsorted(known, levels[series, cell, place]), n_counts - 1)
