"""Long rows of sales and signals -> one row a series with arrays by period. Nothing here depends on a cutoff but array ends."""

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from replen import tables as t
from replen.features.flat import Flat, IntArray, Layout, Places
from replen.features.periods import Freq, period_dates, period_numbers

Signals = pa.map_(pa.string(), pa.list_(pa.float32()))
STATIC = (t.CATEGORY, t.BRAND, t.UNIT_PRICE, t.LAUNCH_DATE, t.END_DATE)


@dataclass(frozen=True)
class SeriesInputs:
    """The rows of some series: all rows of a series are here, or none. Text is fastest as categories, dates as datetime64.

    Attributes:
        sales: rows of `tables.SALES` with the column `bucket`, several channels a period; they say which series there are.
        planned_prices: rows of `tables.PLANNED_PRICES`; those of other series or before the first sale row are left out.
        behaviour: rows of `tables.BEHAVIOUR`; likewise, and those after the last period too.
    """

    sales: pd.DataFrame
    planned_prices: pd.DataFrame
    behaviour: pd.DataFrame


def series_rows(inputs: SeriesInputs, *, freq: Freq, last_period: dt.date, complete: bool) -> pa.Table:
    """Return rows of `tables.SERIES` for stream `*`, sorted by key: arrays from the first period with a row to `last_period`.

    Channels are pooled by period: quantities and customers are summed, prices weighted by quantity (a plain mean where
    nothing was sold), promotion and in_stock averaged; inventory_level is the largest, since channels share the shelf. Means
    and sums are over known values, but one unknown quantity makes the sales of the period unknown. The columns of `STATIC`
    are left out: they are joined by sku from the catalogue.

    Args:
        inputs: rows of some series; rows of sales after `last_period` are not used.
        freq: length of a period.
        last_period: last period of the data, where all arrays but the planned ones end.
        complete: true: a period without a row sold nothing, to nobody; false: it is unknown (NaN).
    """
    last, periods = int(period_numbers(last_period, freq)), period_numbers(inputs.sales[t.DATE], freq)
    sales, period = inputs.sales[periods <= last], periods[periods <= last]
    index = _SeriesIndex(sales)
    series = index.find(sales)
    start = np.full(len(index), last, dtype=np.int64)
    np.minimum.at(start, series, period)
    layout = Layout.from_ends(start, np.full_like(start, last))

    columns: dict[str, pa.Array] = index.keys()
    columns[t.BUCKET] = pa.array(_bucket(sales, series, len(index)))
    columns[t.START_DATE] = pa.array(period_dates(start, freq))
    arrays = _pool_channels(sales, layout.place(series, period)[0], complete=complete)
    columns |= {column: layout.lists(values) for column, values in arrays.items()}
    columns |= _planned(*_rows_of(index, inputs.planned_prices, freq), start)
    columns[t.COVARIATES] = _covariates(*_rows_of(index, inputs.behaviour, freq), layout)
    return pa.table({name: columns[name] for name in t.SERIES.names if name not in STATIC})


class _SeriesIndex:
    """Finds the series of rows: its number in the order of (sku, site)."""

    def __init__(self, sales: pd.DataFrame) -> None:
        self._skus, self._sites = (pd.Index(pd.factorize(sales[key])[1], dtype=object).sort_values() for key in (t.SKU, t.SITE))
        self._pairs = pd.Index(np.unique(self._pair(sales)))

    def __len__(self) -> int:
        return len(self._pairs)

    def _pair(self, rows: pd.DataFrame) -> IntArray:
        sku, site = _codes(rows[t.SKU], self._skus), _codes(rows[t.SITE], self._sites)
        return np.where((sku < 0) | (site < 0), -1, sku * len(self._sites) + site)

    def find(self, rows: pd.DataFrame) -> IntArray:
        """Return the number of the series of each row, -1 where it is none of ours."""
        return np.asarray(self._pairs.get_indexer(pd.Index(self._pair(rows))), dtype=np.int64)

    def keys(self) -> dict[str, pa.Array]:
        """Return sku, site and stream of each series."""
        sku, site = np.divmod(self._pairs.to_numpy(dtype=np.int64), max(len(self._sites), 1))
        names = {t.SKU: self._skus[sku], t.SITE: self._sites[site], t.STREAM: [t.POOLED] * len(sku)}
        return {column: pa.array(values, pa.string()) for column, values in names.items()}


def _codes(values: "pd.Series[str]", known: pd.Index) -> IntArray:
    """Return the place of each value among the known ones, -1 where it is none: each different text is looked up once."""
    codes, distinct = pd.factorize(values)
    return np.append(known.get_indexer(pd.Index(distinct, dtype=object)), -1)[codes]


def _rows_of(index: _SeriesIndex, rows: pd.DataFrame, freq: Freq) -> tuple[pd.DataFrame, IntArray, IntArray]:
    """Return the rows of our series, the number of the series and of the period of each."""
    series = index.find(rows)
    ours = rows[series >= 0]
    return ours, series[series >= 0], period_numbers(ours[t.DATE], freq)


def _bucket(sales: pd.DataFrame, series: IntArray, n_series: int) -> NDArray[np.int32]:
    bucket = np.zeros(n_series, dtype=np.int32)
    bucket[series] = sales[t.BUCKET]
    return bucket


def _pool_channels(sales: pd.DataFrame, places: Places, *, complete: bool) -> dict[str, Flat]:
    # In the order of channels, since sums of floats depend on their order, and Spark's order of rows is no one's promise.
    order = np.argsort(_ranks(sales[t.CHANNEL]), kind="stable")
    places = Places(places.position[order], places.size)
    value = {column: sales[column].to_numpy(dtype=np.float64, na_value=np.nan)[order] for column in t.SALES.values}
    quantity = np.where(np.isnan(value[t.QUANTITY]), np.inf, value[t.QUANTITY])
    sales_history, customers = places.total(quantity), places.total(value[t.CUSTOMER_COUNT])
    nothing = ~places.taken & complete
    return {
        t.SALES_HISTORY: np.where(nothing, 0.0, np.where(np.isinf(sales_history), np.nan, sales_history)),
        t.PRICE: places.mean(value[t.PRICE], weights=value[t.QUANTITY]),
        t.PROMOTION: places.mean(value[t.PROMOTION]),
        t.IN_STOCK: places.mean(value[t.IN_STOCK]),
        t.CUSTOMER_COUNT: np.where(nothing, 0.0, customers),
        t.INVENTORY_LEVEL: places.largest(value[t.INVENTORY_LEVEL]),
    }


def _ranks(values: "pd.Series[str]") -> IntArray:
    distinct = pd.Index(pd.factorize(values)[1], dtype=object)
    return _codes(values, distinct.sort_values())


def _planned(planned: pd.DataFrame, series: IntArray, period: IntArray, start: IntArray) -> dict[str, pa.Array]:
    """Return planned price and promotion, one list a series from its start to its last planned period (empty: no plan)."""
    end = start - 1
    np.maximum.at(end, series, period)
    layout = Layout.from_ends(start, end)
    places, inside = layout.place(series, period)
    columns = {t.PLANNED_PRICE: t.PRICE, t.PLANNED_PROMOTION: t.PROMOTION}
    return {name: layout.lists(places.mean(_values(planned, column)[inside])) for name, column in columns.items()}


def _covariates(behaviour: pd.DataFrame, series: IntArray, period: IntArray, layout: Layout) -> pa.MapArray:
    """Return the signals of each series by name; a series has the names of its own rows only, so a bucket changes nothing."""
    covariates: list[dict[str, NDArray[np.float32]]] = [{} for _ in layout.start]
    values, names = _values(behaviour, t.VALUE), behaviour[t.NAME].to_numpy()
    for name in np.unique(names.astype(str)):
        chosen = names == name
        places, inside = layout.place(series[chosen], period[chosen])
        arrays = layout.cut(places.mean(values[chosen][inside]))
        for number in np.unique(series[chosen][inside]).tolist():
            covariates[number][name] = arrays[number]
    return pa.array([list(signals.items()) for signals in covariates], Signals)


def _values(rows: pd.DataFrame, column: str) -> Flat:
    return np.asarray(rows[column].to_numpy(dtype=np.float64, na_value=np.nan))
