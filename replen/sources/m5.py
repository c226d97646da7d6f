"""The M5 layout (wide daily sales, calendar, weekly prices) -> rows of `tables.SERIES` and `tables.MARKET`, in one process."""

import datetime as dt
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from replen import tables as t
from replen.errors import SourceError
from replen.sources.layouts import laid_out

FloatArray = NDArray[np.float32]

ID, ITEM, DEPARTMENT, STORE, STATE = "id", "item_id", "dept_id", "store_id", "state_id"
GROUPS = (ITEM, DEPARTMENT, "cat_id", STORE, STATE)
WEEK, SELL_PRICE, DAY, CALENDAR_DATE = "wm_yr_wk", "sell_price", "d", "date"
EVENT_TYPES = ("event_type_1", "event_type_2")
SNAP, TOGETHER = "snap", "department_units"
SUFFIXES = ("_validation", "_evaluation")
"""What the competition's files append to an id; taken off, so that ids of different files meet."""


@dataclass(frozen=True)
class M5:
    """What the files of a folder hold.

    Attributes:
        series: rows of `tables.SERIES` in order of id, arrays up to the last day of sales; planned prices go on to the last
            day of the calendar.
        market: rows of `tables.MARKET`: SNAP days by store, and events by type with the day before each.
        groups: one row a series: id and the labels it is added up by.
        first: number of the first of the days in a row that every series has, up to the last such day (d_1 is 1).
        dates: the calendar's days from `first` on.
        last: number of the last day that every series has.
        left_out: what the files hold besides, in words; empty: nothing.
    """

    series: pd.DataFrame
    market: pd.DataFrame
    groups: pd.DataFrame
    first: int
    dates: NDArray[np.datetime64]
    last: int
    left_out: str

    def date_of(self, day: int) -> np.datetime64:
        """Return the date of d_<day>."""
        return np.datetime64(self.dates[day - self.first])


def read_m5(folder: Path) -> M5:
    """Return the series of all sales files in a folder, over the days that all of them have.

    Files may hold other series, other days, or the same again: a series' days are put together by its id, and of a day that
    several files have, that of the file with most days counts. Sums over series are what M5 scores, so a day is there for all
    series or for none. Before the first week with a price an item was not on sale: its sales are unknown (NaN) there, not zero.

    Raises:
        SourceError: no sales, calendar or prices in the folder, columns are missing, or there is no day that all series have.
    """
    with laid_out(folder, "M5"):
        files = sorted(path for path in folder.rglob("*") if path.suffix in (".csv", ".parquet"))
        groups, days, cells = _sales(files, folder)
        first, last = _common_span(days, cells, folder)
        calendar, prices = _calendar(files, folder, first, last), _prices(files, folder)
        price = _price_by_day(groups, prices, calendar)
        quantity = cells[:, days.index(first) : days.index(last) + 1]
        dates = pd.DatetimeIndex(calendar[CALENDAR_DATE]).to_numpy().astype("datetime64[D]")
        series, market = _series(groups, quantity, price, dates), _market(calendar, sorted(set(groups[STORE])))
        return M5(series, market, groups, first, dates, last, _left_out(days, cells, first, last))


def _read(path: Path) -> pd.DataFrame:
    table = pq.read_table(path) if path.suffix == ".parquet" else pyarrow.csv.read_csv(path)
    return pd.DataFrame(table.to_pandas())


def _header(path: Path) -> list[str]:
    if path.suffix == ".parquet":
        return list(pq.read_schema(path).names)
    with path.open(encoding="utf-8-sig") as file:
        return [name.strip().strip('"') for name in file.readline().split(",")]


def _with_columns(files: Sequence[Path], folder: Path, needed: Sequence[str], what: str) -> list[Path]:
    found = [path for path in files if set(needed) <= set(_header(path))]
    if not found:
        names = [path.name for path in files] or "no .csv or .parquet file"
        raise SourceError(f"{folder}: expected {what} with columns {', '.join(needed)}; found {names}")
    return found


def _sales(files: Sequence[Path], folder: Path) -> tuple[pd.DataFrame, list[int], FloatArray]:
    """Return one row a series sorted by id, the numbers of all days, and units by series and day; NaN = in no file."""
    paths = [path for path in _with_columns(files, folder, GROUPS, "wide daily sales") if _days(_header(path))]
    if not paths:
        raise SourceError(f"{folder}: expected sales columns d_1, d_2, ...; found none")
    frames = sorted((_named(_read(path)) for path in paths), key=lambda frame: -len(_days(frame.columns)))
    groups = pd.concat([frame[[ID, *GROUPS]] for frame in frames]).drop_duplicates(ID).sort_values(ID, ignore_index=True)
    days = sorted({day for frame in frames for day in _days(frame.columns)})
    cells, ids = np.full((len(groups), len(days)), np.nan, np.float32), pd.Index(groups[ID])
    for frame in reversed(frames):  # what comes later goes over what was there
        named = _days(frame.columns)
        given = frame[[f"d_{day}" for day in named]].to_numpy(np.float32)
        place = np.ix_(ids.get_indexer(frame[ID]), np.searchsorted(days, named))
        cells[place] = np.where(np.isnan(given), cells[place], given)
    return groups, days, cells


def _common_span(days: Sequence[int], cells: FloatArray, folder: Path) -> tuple[int, int]:
    """Return the first and the last of the days in a row that end with the last day that every series has."""
    common = set(np.asarray(days)[np.isfinite(cells).all(axis=0)].tolist())
    if not common:
        raise SourceError(
            f"{folder}: expected a day with sales of all {len(cells)} series, found none from d_{days[0]} to d_{days[-1]}; "
            "leave files of other days out"
        )
    last = max(common)
    n_days = next(n for n in range(1, len(common) + 1) if last - n not in common)
    return last + 1 - n_days, last


def _left_out(days: Sequence[int], cells: FloatArray, first: int, last: int) -> str:
    """Return which days are not used, and of how many series, e.g. `d_1 to d_1761 (3456 of 30490 series)`."""
    told = []
    for unused in ([day for day in days if day < first], [day for day in days if day > last]):
        if unused:
            places = np.searchsorted(days, unused)
            n_series = int(np.isfinite(cells[:, places]).any(axis=1).sum())
            told.append(f"d_{unused[0]} to d_{unused[-1]} ({n_series} of {len(cells)} series)")
    return " and ".join(told)


def _days(names: Iterable[Hashable]) -> list[int]:
    return [int(name[2:]) for name in map(str, names) if name.startswith("d_") and name[2:].isdigit()]


def _named(sales: pd.DataFrame) -> pd.DataFrame:
    """Return sales with an id a row, made of item and store where the file has none."""
    ids = sales[ID].astype(str) if ID in sales else sales[ITEM].astype(str) + "_" + sales[STORE].astype(str)
    for suffix in SUFFIXES:
        ids = ids.str.removesuffix(suffix)
    return sales.assign(**{ID: ids, **{name: sales[name].astype(str) for name in GROUPS}})


def _calendar(files: Sequence[Path], folder: Path, first: int, last: int) -> pd.DataFrame:
    """Return the calendar from the first day on, one row a day."""
    (path, *_) = _with_columns(files, folder, [CALENDAR_DATE, WEEK, DAY, *EVENT_TYPES], "a calendar")
    calendar = _read(path)
    numbers = calendar[DAY].str[2:].astype(int)
    kept = calendar.assign(**{CALENDAR_DATE: pd.to_datetime(calendar[CALENDAR_DATE])})[numbers >= first]
    found = sorted(numbers[numbers >= first])
    if found != list(range(first, first + len(found))) or len(found) <= last - first:
        raise SourceError(f"{path}: expected a row for each day of sales, d_{first} to d_{last}, found {len(found)} rows")
    return kept.sort_values(CALENDAR_DATE, ignore_index=True)


def _prices(files: Sequence[Path], folder: Path) -> pd.DataFrame:
    columns = [STORE, ITEM, WEEK, SELL_PRICE]
    return pd.concat([_read(path)[columns] for path in _with_columns(files, folder, columns, "weekly prices")])


def _price_by_day(sales: pd.DataFrame, prices: pd.DataFrame, calendar: pd.DataFrame) -> FloatArray:
    """Return shape (n_series, n_days): money a unit, NaN where the item was not on sale; the last price goes on."""
    rows = pd.MultiIndex.from_frame(sales[[STORE, ITEM]])
    weeks = pd.Index(calendar[WEEK].unique())
    row = rows.get_indexer(pd.MultiIndex.from_frame(prices[[STORE, ITEM]].astype(str)))
    week = weeks.get_indexer(prices[WEEK])
    inside = (row >= 0) & (week >= 0)
    by_week = np.full((len(rows), len(weeks)), np.nan, np.float32)
    by_week[row[inside], week[inside]] = prices[SELL_PRICE].to_numpy(np.float32)[inside]
    for column in range(1, len(weeks)):
        gap = np.isnan(by_week[:, column])
        by_week[gap, column] = by_week[gap, column - 1]
    return by_week[:, weeks.get_indexer(calendar[WEEK])]


def _series(groups: pd.DataFrame, quantity: FloatArray, price: FloatArray, dates: NDArray[np.datetime64]) -> pd.DataFrame:
    """Return rows of `tables.SERIES`."""
    n_days = quantity.shape[1]
    on_sale = np.isfinite(price)
    sold = np.logical_or.accumulate(quantity > 0, axis=1)
    known = np.where(on_sale[:, :n_days] | sold, quantity, np.nan)
    last_price = price[np.arange(len(price)), np.maximum(on_sale[:, :n_days].cumsum(axis=1).argmax(axis=1), 0)]
    nothing: list[tuple[()]] = [()] * len(groups)
    arrays = (t.PROMOTION, t.IN_STOCK, t.CUSTOMER_COUNT, t.INVENTORY_LEVEL, t.PLANNED_PROMOTION)
    columns: dict[str, object] = {str(name): nothing if name in arrays else None for name in t.SERIES.names}
    columns |= {
        t.SKU: groups[ITEM], t.SITE: groups[STORE], t.STREAM: t.POOLED, t.BUCKET: 0, t.START_DATE: dates[0].astype(dt.date),
        t.SALES_HISTORY: list(known), t.PRICE: list(price[:, :n_days]), t.PLANNED_PRICE: list(price),
        t.COVARIATES: _together(known, groups), t.CATEGORY: groups[DEPARTMENT], t.UNIT_PRICE: last_price.astype(np.float64),
    }  # fmt: skip
    return pd.DataFrame(columns, index=groups.index)[t.SERIES.names]


def _together(sales: FloatArray, groups: pd.DataFrame) -> list[dict[str, FloatArray]]:
    """Return by series the units that its department sells in its store: a rhythm that no single series shows so clearly."""
    number = groups.groupby([STORE, DEPARTMENT]).ngroup().to_numpy()
    sums = np.zeros((number.max() + 1, sales.shape[1]), np.float32)
    np.add.at(sums, number, np.nan_to_num(sales))
    return [{TOGETHER: sums[place]} for place in number.tolist()]


def _market(calendar: pd.DataFrame, stores: Sequence[str]) -> pd.DataFrame:
    """Return SNAP days of each store's state, event types and the day before them: all known in advance."""
    dates = calendar[CALENDAR_DATE].dt.date
    signals: list[tuple[str, str, FloatArray]] = []
    for store in stores:
        column = f"{SNAP}_{store[:2]}"
        if column in calendar:
            signals.append((store, SNAP, calendar[column].to_numpy(float)))
    kinds = sorted(set(calendar[list(EVENT_TYPES)].stack()) - {""})
    for kind in kinds:
        on_day = (calendar[list(EVENT_TYPES)] == kind).any(axis=1).to_numpy(float)
        name = str(kind).lower()
        signals += [(t.POOLED, name, on_day), (t.POOLED, f"{name}_eve", np.append(on_day[1:], 0.0))]
    frames = [
        pd.DataFrame({t.SITE: site, t.DATE: dates, t.NAME: name, t.VALUE: values, t.KNOWN_IN_ADVANCE: True})
        for site, name, values in signals
    ]
    return pd.concat(frames, ignore_index=True)[t.MARKET.names]
