"""Values looked for among paths and between bounds: the critical value of a sample, the point up to which something pays."""

from collections.abc import Callable

import numpy as np

from replen.plan.timing import BoolArray, FloatArray

ROUNDED = 1e-9  # a rank that is whole up to rounding errors is that rank


def critical_value(values: FloatArray, share: FloatArray) -> FloatArray:
    """Return the smallest value that the share of the values does not pass, over the last axis.

    Args:
        values: shape (..., n_values).
        share: broadcasts to `values` without its last axis; at 0 or below the smallest value is returned, at 1 the largest.

    >>> critical_value(np.array([[4.0, 1.0, 2.0, 3.0]]), np.array([0.75]))
    array([3.])
    """
    n_values = values.shape[-1]
    rank = np.clip(np.ceil(share * n_values - ROUNDED).astype(np.intp) - 1, 0, n_values - 1)
    places = np.broadcast_to(rank, values.shape[:-1])[..., None]
    return np.asarray(np.take_along_axis(np.sort(values, axis=-1), places, axis=-1)[..., 0])


def pays_up_to(pays: Callable[[FloatArray], BoolArray], most: FloatArray, *, halvings: int) -> FloatArray:
    """Return the values between 0 and `most` up to which something pays, shape of `most`, found by halving.

    Args:
        pays: whether it pays at values of that shape; where it does not, it does not at any higher value.
        most: values at which it no longer pays.
        halvings: of the interval.
    """
    low, high = np.zeros_like(most), most
    for _ in range(halvings):
        middle = (low + high) / 2
        still = pays(middle)
        low, high = np.where(still, middle, low), np.where(still, high, middle)
    return high
