"""Lags and moving statistics: what each period knows of itself and of the periods before it, never of later ones."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


def lagged(values: FloatArray, lag: int) -> FloatArray:
    """Return values of `lag` periods before, same shape (n_series, n_periods); NaN before the first period.

    >>> lagged(np.array([[1, 2, 3]], np.float32), 1)
    array([[nan,  1.,  2.]], dtype=float32)
    """
    moved = np.full(values.shape, np.nan, np.float32)
    if lag < values.shape[1]:
        moved[:, lag:] = values[:, : values.shape[1] - lag]
    return moved


def moving_mean(values: FloatArray, window: int) -> FloatArray:
    """Return the mean of the known values among the last `window` periods, the present one included; NaN if none is known.

    >>> moving_mean(np.array([[2, np.nan, 4, 6]], np.float32), 2)
    array([[2., 2., 4., 5.]], dtype=float32)
    """
    known = np.isfinite(values)
    sums = _moving_sum(np.where(known, values, 0.0), window)
    counts = _moving_sum(known, window)
    with np.errstate(invalid="ignore"):
        return np.where(counts > 0, sums / counts, np.nan).astype(np.float32)


def carried(values: FloatArray) -> FloatArray:
    """Return the last known value up to each period; NaN before the first.

    >>> carried(np.array([[np.nan, 2, np.nan, 3]], np.float32))
    array([[nan,  2.,  2.,  3.]], dtype=float32)
    """
    return np.take_along_axis(values, last_known(values), axis=1)


def last_known(values: FloatArray) -> NDArray[np.intp]:
    """Return the place of the last known value up to each period, shape of `values`; 0 before the first."""
    return np.asarray(np.maximum.accumulate(np.where(np.isnan(values), 0, np.arange(values.shape[1])), axis=1))


def seasonal_mean(values: FloatArray, lag: int, n_seasons: int) -> FloatArray:
    """Return the mean of the known values of this period and those one, two, ... seasons of `lag` periods before it.

    >>> seasonal_mean(np.array([[1, 9, 3, np.nan, 5]], np.float32), 2, 2)
    array([[1., 9., 2., 9., 4.]], dtype=float32)
    """
    past = np.stack([lagged(values, lag * season) for season in range(n_seasons)])
    known = np.isfinite(past)
    counts = known.sum(axis=0)
    with np.errstate(invalid="ignore"):
        return np.where(counts > 0, np.where(known, past, 0.0).sum(axis=0) / counts, np.nan).astype(np.float32)


def periods_since(happened: NDArray[np.bool_]) -> FloatArray:
    """Return periods since `happened` was last true, 0 where it is; counted from before the first period if it never was.

    >>> periods_since(np.array([[False, True, False, False]]))
    array([[1., 0., 1., 2.]], dtype=float32)
    """
    places = np.arange(happened.shape[1])
    last = np.maximum.accumulate(np.where(happened, places, -1), axis=1)
    return (places - last).astype(np.float32)


def _moving_sum(values: NDArray[np.generic], window: int) -> NDArray[np.float64]:
    """Return the sum over the last `window` columns."""
    total = np.cumsum(values, axis=1, dtype=np.float64)
    total[:, window:] = total[:, window:] - total[:, :-window]
    return total
