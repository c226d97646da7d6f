"""The FreshRetailNet-50K layout (one row a day, store and product) -> rows of `tables.SERIES` and `tables.MARKET`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from replen import tables as t
from replen.errors import SourceError
from replen.sources.layouts import laid_out

FloatArray = NDArray[np.float32]

STORE, PRODUCT, DAY, AMOUNT = "store_id", "product_id", "dt", "sale_amount"
CATEGORY, GROUP = "third_category_id", "first_category_id"
HOURS_OUT, DISCOUNT, HOLIDAY, ACTIVITY = "stockout_hours_6_22", "discount", "holiday_flag", "activity_flag"
WEATHER = ("precpt", "avg_temperature", "avg_humidity", "avg_wind_level")
NEEDED = (STORE, PRODUCT, DAY, AMOUNT, CATEGORY, GROUP, HOURS_OUT, DISCOUNT, HOLIDAY, ACTIVITY)
OPEN_HOURS = 16
UNIT = 0.1
"""Sales are normalised; 98 % of them are whole multiples of this, so it is taken as the unit that is counted."""


@dataclass(frozen=True)
class FreshRetail:
    """What the files of a folder hold.

    Attributes:
        series: rows of `tables.SERIES`, sales in units of `UNIT`, `in_stock` the share of the 16 opening hours in stock.
        market: holidays; weather by store, past only.
        ids: shape (n_series,), store_id-product_id, in the order of the rows.
        dates: shape (n_days,), days that any row has; sales of days without a row are unknown.
    """

    series: pd.DataFrame
    market: pd.DataFrame
    ids: NDArray[np.str_]
    dates: NDArray[np.datetime64]


def read_fresh_retail(folder: Path, *, cutoff: np.datetime64 | None = None) -> FreshRetail:
    """Return the series of all files in a folder.

    Args:
        folder: CSV or Parquet files, each with any part of the rows.
        cutoff: what is planned (discount, activity, holidays) counts as known in advance if there are rows after this day.

    Raises:
        SourceError: no file has the columns.
    """
    with laid_out(folder, "FreshRetailNet"):
        rows = _rows(folder)
        dates = np.arange(rows[DAY].min(), rows[DAY].max() + np.timedelta64(1, "D"), dtype="datetime64[D]")
        distinct = rows[[STORE, PRODUCT, CATEGORY, GROUP]].drop_duplicates([STORE, PRODUCT])
        keys = distinct.sort_values([STORE, PRODUCT], ignore_index=True)
        place = _Place(keys, dates, rows)
        planned = cutoff is None or bool(dates[-1] > cutoff)
        series = _series(keys, place, rows, planned=planned)
        ids = (keys[STORE].astype(str) + "-" + keys[PRODUCT].astype(str)).to_numpy(dtype=str)
        return FreshRetail(series, _market(rows, planned=planned), ids, dates)


class _Place:
    """Where each row of the files stands in arrays by series and day."""

    def __init__(self, keys: pd.DataFrame, dates: NDArray[np.datetime64], rows: pd.DataFrame) -> None:
        self.shape = len(keys), len(dates)
        series = pd.MultiIndex.from_frame(keys[[STORE, PRODUCT]]).get_indexer(pd.MultiIndex.from_frame(rows[[STORE, PRODUCT]]))
        day = ((rows[DAY].to_numpy() - dates[0]) / np.timedelta64(1, "D")).astype(np.intp)
        self.cells = series * len(dates) + day

    def array(self, values: "pd.Series[float]") -> FloatArray:
        """Return shape (n_series, n_days), NaN where there is no row."""
        dense = np.full(self.shape, np.nan, np.float32)
        dense.ravel()[self.cells] = values.to_numpy(np.float32)
        return dense


def _rows(folder: Path) -> pd.DataFrame:
    frames = []
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".csv", ".parquet"))
    for path in files:
        table = pq.read_table(path) if path.suffix == ".parquet" else pyarrow.csv.read_csv(path)
        if set(NEEDED) <= set(table.column_names):
            wanted = [name for name in (*NEEDED, *WEATHER) if name in table.column_names]
            frames.append(pd.DataFrame(table.select(wanted).to_pandas()))
    if not frames:
        raise SourceError(f"{folder}: expected files with columns {', '.join(NEEDED)}; found {[path.name for path in files]}")
    rows = pd.concat(frames, ignore_index=True)
    rows[DAY] = pd.to_datetime(rows[DAY]).to_numpy().astype("datetime64[D]").astype("datetime64[s]")
    return rows.drop_duplicates([STORE, PRODUCT, DAY], keep="last", ignore_index=True)


def _series(keys: pd.DataFrame, place: _Place, rows: pd.DataFrame, *, planned: bool) -> pd.DataFrame:
    """Return rows of `tables.SERIES`; the discount is the price (1 = list price), activity the promotion."""
    price, promotion = list(place.array(rows[DISCOUNT])), list(place.array(rows[ACTIVITY]))
    nothing: list[tuple[()]] = [()] * len(keys)
    first = rows[DAY].min().date()
    columns: dict[str, object] = {str(name): None for name in t.SERIES.names}
    columns |= {
        t.SKU: keys[PRODUCT].astype(str), t.SITE: keys[STORE].astype(str), t.STREAM: t.POOLED, t.BUCKET: 0, t.START_DATE: first,
        t.SALES_HISTORY: list(place.array(rows[AMOUNT] / UNIT)), t.PRICE: price, t.PROMOTION: promotion,
        t.IN_STOCK: list(1 - place.array(rows[HOURS_OUT]) / OPEN_HOURS), t.CUSTOMER_COUNT: nothing, t.INVENTORY_LEVEL: nothing,
        t.PLANNED_PRICE: price if planned else nothing, t.PLANNED_PROMOTION: promotion if planned else nothing,
        t.CATEGORY: keys[CATEGORY].astype(str), t.BRAND: keys[GROUP].astype(str), t.UNIT_PRICE: 1.0,
    }  # fmt: skip
    return pd.DataFrame(columns, index=keys.index)[t.SERIES.names]


def _market(rows: pd.DataFrame, *, planned: bool) -> pd.DataFrame:
    """Return rows of `tables.MARKET`."""
    by_day = rows.groupby(DAY)[HOLIDAY].max()
    frames = [_signal(t.POOLED, pd.DatetimeIndex(by_day.index).date, HOLIDAY, by_day.to_numpy(float), known=planned)]
    weather = [name for name in WEATHER if name in rows]
    by_store = rows.groupby([STORE, DAY], as_index=False)[weather].mean() if weather else rows.iloc[:0]
    for name in weather:
        values = by_store[name].to_numpy(float)
        frames.append(_signal(by_store[STORE].astype(str), by_store[DAY].dt.date, name, values, known=False))
    return pd.concat(frames, ignore_index=True)[t.MARKET.names]


def _signal(site: Any, date: Any, name: str, values: NDArray[np.float64], *, known: bool) -> pd.DataFrame:
    return pd.DataFrame({t.SITE: site, t.DATE: date, t.NAME: name, t.VALUE: values, t.KNOWN_IN_ADVANCE: known})
