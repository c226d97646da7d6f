"""Stock-outs: where the shelf was empty, sales say nothing about demand; where it was for a while, they say a part of it."""

import numpy as np

from replen.features.known import FloatArray


def without_stock_outs(values: FloatArray, in_stock: FloatArray, *, min_in_stock: float) -> FloatArray:
    """Return what would have been counted with stock for the whole period; unknown (NaN) where that cannot be told.

    A period in stock for a smaller share than `min_in_stock` is unknown; another one is scaled up from its share to the whole
    period. Masking it instead would keep the bias: shelves are empty in the periods that sell most. Values stay as they are
    where it is unknown whether there was stock.

    Args:
        values: shape (n_series, n_periods), what an empty shelf cuts: units sold, customers who bought.
        in_stock: same shape, 0..1, NaN = unknown.
        min_in_stock: 0..1; 0 leaves all values as they are.

    >>> without_stock_outs(np.array([[3.0, 0.0, 2.0, 4.0]]), np.array([[1.0, 0.2, np.nan, 0.8]]), min_in_stock=0.5)
    array([[ 3., nan,  2.,  5.]])
    """
    if not min_in_stock:
        return values
    share = np.where(in_stock < 1, np.maximum(in_stock, min_in_stock), 1.0)
    return np.where(in_stock < min_in_stock, np.nan, values / share).astype(values.dtype)
