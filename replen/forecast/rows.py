"""Distributions as rows of the `forecasts` table, and back; exact in float32."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from replen import tables as t
from replen.errors import TableError
from replen.forecast.distribution import Distribution


def to_rows(distribution: Distribution, keys: pd.DataFrame, *, seeds: NDArray[np.int64]) -> pa.Table:
    """Return one row a series: the columns of `tables.FORECASTS` that the distribution and its keys give.

    Args:
        distribution: of the series of `keys`, in the same order.
        keys: sku, site, stream, bucket.
        seeds: shape (n_series,), what each series' sample paths are drawn from.
    """
    n_series, dependence = len(distribution), distribution.dependence
    columns = {
        **{column: keys[column] for column in (t.SKU, t.SITE, t.STREAM, t.BUCKET)},
        t.MEAN: nested(distribution.mean),
        t.MEDIAN: nested(distribution.median),
        t.QUANTILES: nested(distribution.quantiles),
        t.FAMILY: [distribution.family] * n_series,
        t.PARAMETERS: nested(distribution.parameters),
        t.DEPENDENCE: nested(np.broadcast_to(dependence, (n_series, len(dependence)))),
        t.SEED: seeds,
        t.REASON: [reason or None for reason in distribution.reason.tolist()],
    }
    return pa.table({str(column): pa.array(values, t.ARROW[column.type]) for column, values in columns.items()})


def nested(values: NDArray[np.floating[Any]]) -> pa.ListArray:
    """Return a list a row, or lists of lists, of float32 that lie in one array."""
    lists = pa.array(np.ravel(values).astype(np.float32, copy=False))
    for axis in range(values.ndim - 1, 0, -1):
        edges = np.arange(math.prod(values.shape[:axis]) + 1, dtype=np.int32) * values.shape[axis]
        lists = pa.ListArray.from_arrays(edges, lists)
    return lists


def from_rows(forecasts: pd.DataFrame, *, levels: tuple[float, ...]) -> Distribution:
    """Return the distribution of rows of one family and horizon, in the order of the rows; null quantiles are left out.

    Raises:
        TableError: rows of several families or of no series.
    """
    families = sorted(set(forecasts[t.FAMILY]))
    if len(families) != 1:
        raise TableError(f"table {t.FORECASTS.name}, column {t.FAMILY}: expected rows of one family, found {families}")
    mean, known = _stack(forecasts[t.MEAN]), forecasts[t.QUANTILES].notna().all()
    return Distribution(
        family=families[0],
        parameters=_stack(forecasts[t.PARAMETERS]),
        levels=np.asarray(levels if known else (), np.float32),
        mean=mean,
        quantiles=_stack(forecasts[t.QUANTILES]) if known else np.empty((*mean.shape, 0), np.float32),
        dependence=np.asarray(forecasts[t.DEPENDENCE].iloc[0], np.float32),
        reason=forecasts[t.REASON].fillna("").to_numpy(dtype=str),
    )


def _stack(cells: "pd.Series[Any]") -> NDArray[np.float32]:
    """Return the arrays of a column stacked; their inner arrays may be arrays of arrays, as Parquet and Arrow give them."""
    first = cells.iloc[0]
    if np.ndim(first[0]) == 0:
        return np.concatenate(cells.to_list(), dtype=np.float32).reshape(len(cells), -1)
    return np.concatenate([inner for cell in cells for inner in cell], dtype=np.float32).reshape(len(cells), len(first), -1)


def paths_of_rows(
    forecasts: pd.DataFrame, *, levels: tuple[float, ...], n_paths: int, horizon: int, draw: int = 0
) -> NDArray[np.float32]:
    """Return shape (n_rows, n_paths, horizon): joint sample paths of rows of any family; NaN where there is no forecast.

    Args:
        forecasts: rows of `tables.FORECASTS`.
        levels: of their quantiles.
        n_paths: how many.
        horizon: first steps that are kept.
        draw: paths of another draw are independent of these.
    """
    if forecasts[t.SEED].dtype != np.int64:
        raise TableError(f"table {t.FORECASTS.name}, column {t.SEED}: expected whole numbers, found {forecasts[t.SEED].dtype}")
    paths = np.full((len(forecasts), n_paths, horizon), np.nan, np.float32)
    for _, rows in forecasts[forecasts[t.MEAN].notna()].groupby(t.FAMILY):
        drawn = from_rows(rows, levels=levels).sample_paths(rows[t.SEED].to_numpy(np.int64) + draw, n_paths, horizon)
        paths[forecasts.index.get_indexer(rows.index)] = drawn
    return paths
