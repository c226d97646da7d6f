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
    scaled = gamma_quantile(levels, middle**2 / variance)
    return np.asarray(np.maximum(np.ceil(scaled * middle[:, None] - 1.0), 0.0))


def gamma_quantile(levels: FloatArray, shape: FloatArray) -> FloatArray:
    """Return quantiles of gamma distributions with mean one.

    Args:
        levels: shape (n, n_levels), inside (0, 1).
        shape: of the distributions, shape (n,), > 0.
    """
    found = np.asarray(ndtri(levels), np.float64)
    _at_scores(gamma_table(), shape, found)
    return found


@njit(cache=True)
def _at_scores(table: FloatArray, shape: FloatArray, scores: FloatArray) -> None:
    """Put quantiles in the place of their normal scores, (n, n_levels)."""
    for row in range(len(scores)):
        place = shape_place(shape[row])
        for column in range(scores.shape[1]):
            scores[row, column] = gamma_at(table, place, scores[row, column])


@njit(cache=True)
def shape_place(shape: float) -> float:
    """Return where in the rows of `gamma_table` a shape lies, for compiled code."""
    return float(min(max(math.log(shape / _SHAPES[0]) / math.log(_SHAPES[1] / _SHAPES[0]), 0.0), len(_SHAPES) - 1.000001))


@njit(cache=True)
def gamma_at(table: FloatArray, place: float, score: float) -> float:
    """Return the quantile over the mean at a place among the shapes and a normal score, for compiled code."""
    across = min(max((score - _SCORES[0]) / (_SCORES[1] - _SCORES[0]), 0.0), len(_SCORES) - 1.000001)
    i, j = int(place), int(across)
    down, right = place - i, across - j
    upper = table[i, j] * (1 - right) + table[i, j + 1] * right
    lower = table[i + 1, j] * (1 - right) + table[i + 1, j + 1] * right
    return math.exp(upper * (1 - down) + lower * down)


@cache
def gamma_table() -> FloatArray:
    """Return shape (n_shapes, n_scores): log of the quantile over the mean."""
    quantiles = gammaincinv(_SHAPES[:, None], ndtr(_SCORES)[None, :]) / _SHAPES[:, None]
    return np.asarray(np.log(np.maximum(quantiles, 1e-300)))


@njit(cache=True)
def accumulate(mean: float, dispersion: float, highest: float, cumulative: FloatArray) -> int:
    """Fill in P(X <= 0), P(X <= 1), ... up to the highest level asked for; return how many there are. For compiled code."""
    shape = 1.0 / dispersion
    ratio = mean / (mean + shape)
    probability = math.exp(-shape * math.log1p(mean / shape))
    cumulative[0], n_counts = probability, 1
    while cumulative[n_counts - 1] < highest and n_counts < len(cumulative):
        probability *= ratio * (n_counts - 1 + shape) / n_counts
        if probability < NEGLIGIBLE and n_counts > mean:
            break
        cumulative[n_counts] = cumulative[n_counts - 1] + probability
        n_counts += 1
    return n_counts


@njit(cache=True)
def _by_table(levels: FloatArray, mean: FloatArray, dispersion: FloatArray, found: FloatArray) -> None:
    """Fill in the exact quantiles of cells whose mean is not large, each read off the cell's cumulative probabilities."""
    cumulative, (n_series, n_cells, n_levels) = np.empty(MAX_COUNT), levels.shape
    for row in range(n_series * n_cells):
        series, cell = row // n_cells, row % n_cells
        if mean[series, cell] > LARGE_MEAN:
            continue
        highest = 0.0
        for place in range(n_levels):
            highest = max(highest, levels[series, cell, place])
        n_counts = accumulate(mean[series, cell], dispersion[series, cell], highest, cumulative)
        known = cumulative[:n_counts]
        for place in range(n_levels):
            found[series, cell, place] = min(np.searchsorted(known, levels[series, cell, place]), n_counts - 1)
