"""From whom a series is bought: items are sources, (sku, site, supplier), and each series takes the one whose plan costs least.

Every source is planned as if the series bought from it over the whole horizon; only today's order is placed, tomorrow all are
asked again. So the class of plans that a bound is proven for is: one source a series and plan. Costs are compared with the
prices of limits counted; thus a supplier at capacity loses the series that do well elsewhere.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replen import tables as t
from replen.plan.refusals import term_refusals
from replen.plan.timing import FloatArray, IntArray

Rows = NDArray[np.intp]
TIED = 1e-9
"""Share of a cost that is rounding: sources that order nothing cost the same."""


def series_numbers(items: pd.DataFrame) -> IntArray:
    """Return the number of each source's series, (n_items,): 0, 1, ... in the order in which the series first appear."""
    keys = items.groupby([str(t.SKU), str(t.SITE)], sort=False, dropna=False)
    return np.asarray(keys.ngroup(), np.int64)


def by_preference(items: pd.DataFrame) -> pd.DataFrame:
    """Return the sources of each series together, its first choice first."""
    return items.iloc[np.lexsort((items[t.PREFERENCE], series_numbers(items)))].reset_index(drop=True)


def heads(series: IntArray) -> Rows:
    """Return for each source the first one of its series, (n_items,).

    >>> heads(np.array([0, 0, 2, 2, 2, 1]))
    array([0, 0, 2, 2, 2, 5])
    """
    _, first, number = np.unique(series, return_index=True, return_inverse=True)
    return np.asarray(first[number])


def first_choices(items: pd.DataFrame) -> Rows:
    """Return for each source the first one of its series whose terms a plan can be made with, (n_items,); else the first.

    Args:
        items: one row a source, by preference.
    """
    series, refused = series_numbers(items), np.any(list(term_refusals(items).values()), axis=0)
    return cheapest(series, refused.astype(np.float64))[series]


def cheapest(series: IntArray, priced_cost: FloatArray) -> Rows:
    """Return the source that each series takes, (n_series,), by number of the series: that of least cost.

    Args:
        series: shape (n_items,), whole numbers that tell series apart.
        priced_cost: shape (n_items,), money, prices of limits counted; of costs that differ by rounding the first is taken.

    >>> cheapest(np.array([0, 0, 1, 1]), np.array([5.0, 4.0, 7.0, 7.0]))
    array([1, 2])
    """
    least = least_by_series(series, priced_cost)
    rows = np.flatnonzero(priced_cost <= least + TIED * np.maximum(1.0, np.abs(least)))
    return rows[np.unique(series[rows], return_index=True)[1]]


def least_by_series(series: IntArray, values: FloatArray) -> FloatArray:
    """Return for each source the least value of its series, (n_items,).

    >>> least_by_series(np.array([0, 0, 1]), np.array([5.0, 4.0, 7.0]))
    array([4., 4., 7.])
    """
    least = np.full(int(series.max(initial=-1)) + 1, np.inf)
    np.minimum.at(least, series, values)
    return np.asarray(least[series])


def whole_series(rows: Rows, series: IntArray, size: int) -> list[Rows]:
    """Return the rows in parts of about `size` that hold all rows of a series or none; no parts if there are no rows.

    Args:
        rows: shape (n_rows,).
        series: shape (n_rows,), of the rows; those of a series stand together.
        size: rows of a part, at most so many more as a series has sources.

    >>> [part.tolist() for part in whole_series(np.arange(6), np.array([0, 1, 1, 1, 2, 3]), 2)]
    [[0, 1, 2, 3], [4, 5]]
    """
    if not len(rows):
        return []
    starts = np.append(np.flatnonzero(np.diff(series)) + 1, len(rows))
    cuts = np.unique(starts[np.searchsorted(starts, np.arange(size, len(rows), size))])
    return [part for part in np.split(rows, cuts) if len(part)]
