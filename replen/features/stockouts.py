"""Stock-outs: where the shelf was empty, sales say nothing about demand."""

import numpy as np

from replen.features.known import FloatArray


def mask_stock_outs(sales: FloatArray, in_stock: FloatArray, *, min_in_stock: float) -> FloatArray:
    """Return sales, unknown (NaN) where stock was there for a smaller share of the period than `min_in_stock`.

    Sales stay where it is unknown whether there was stock.

    Args:
        sales: shape (n_series, n_periods), units.
        in_stock: same shape, 0..1, NaN = unknown.
        min_in_stock: 0..1; 0 masks nothing.

    >>> mask_stock_outs(np.array([[3.0, 0.0, 2.0]]), np.array([[1.0, 0.2, np.nan]]), min_in_stock=0.5)
    array([[ 3., nan,  2.]])
    """
    return np.where(in_stock < min_in_stock, np.nan, sales).astype(sales.dtype)
