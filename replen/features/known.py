"""Statistics over the known values of each row; NaN = unknown. A row without known values gives NaN, and no warning."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
FloatArray = NDArray[np.float32]
Doubles = NDArray[np.float64]


def known_count(values: Array) -> NDArray[np.int64]:
    """Return the number of known values, shape (n_series, 1)."""
    return np.asarray(np.count_nonzero(~np.isnan(values), axis=1, keepdims=True), dtype=np.int64)


def first_known(values: Array) -> NDArray[np.intp]:
    """Return the place of the first known value, shape (n_series,); the number of places where there is none."""
    known = ~np.isnan(values)
    return np.asarray(np.where(known.any(axis=1), known.argmax(axis=1), values.shape[1]))


def known_total(values: Array) -> Doubles:
    """Return the sum of the known values, shape (n_series, 1); 0 where there is none."""
    return np.asarray(np.nansum(values, axis=1, keepdims=True, dtype=np.float64))


def known_mean(values: Array) -> Doubles:
    """Return the mean of the known values, shape (n_series, 1)."""
    count = known_count(values)
    return np.asarray(np.divide(known_total(values), count, out=np.full(count.shape, np.nan), where=count > 0))


def known_quantile(values: Array, level: float) -> Doubles:
    """Return the quantile of the known values, shape (n_series, 1), interpolated linearly between order statistics."""
    count = known_count(values)
    if values.shape[1] == 0:
        return np.full(count.shape, np.nan)
    ordered = np.sort(values, axis=1).astype(np.float64)  # NaN comes last
    rank = np.maximum(count - 1, 0) * level
    below = np.floor(rank).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(count - 1, 0))
    low, high = np.take_along_axis(ordered, below, axis=1), np.take_along_axis(ordered, above, axis=1)
    return np.asarray(low + (high - low) * (rank - below))
