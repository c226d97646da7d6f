"""Statistics over the known values of each row; NaN = unknown. A row without known values gives NaN, and no warning."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
Doubles = NDArray[np.float64]


def known_count(values: FloatArray) -> NDArray[np.int64]:
    """Return the number of known values, shape (n_series, 1)."""
    return np.asarray(np.count_nonzero(~np.isnan(values), axis=1, keepdims=True), dtype=np.int64)


def known_total(values: FloatArray) -> Doubles:
    """Return the sum of the known values, shape (n_series, 1); 0 where there is none."""
    return np.asarray(np.nansum(values, axis=1, keepdims=True, dtype=np.float64))


def known_mean(values: FloatArray) -> Doubles:
    """Return the mean of the known values, shape (n_series, 1)."""
    count = known_count(values)
    return np.divide(known_total(values), count, out=np.full(count.shape, np.nan), where=count > 0)


def known_quantile(values: FloatArray, level: float) -> Doubles:
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
