"""The VN2 layout (weekly files of sales and flags, products, opening state) -> arrays and rows of `tables.SERIES`."""

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replen import tables as t
from replen.errors import SourceError, raise_all
from replen.sources.layouts import laid_out

FloatArray = NDArray[np.float64]
Keys = pd.MultiIndex | pd.Index
BoolArray = NDArray[np.bool_]
DateArray = NDArray[np.datetime64]

STORE, PRODUCT = "Store", "Product"
KEY = [STORE, PRODUCT]
SALES, IN_STOCK, MASTER, STATE = "sales", "in stock", "master", "initial state"
DEPARTMENT, GROUP = "Department", "ProductGroup"
NAMES = {STORE, PRODUCT, DEPARTMENT, GROUP}
"""Columns that say which series share what: never empty."""
ON_HAND, RECEIPTS = "End Inventory", ("In Transit W+1", "In Transit W+2")
FILE = re.compile(r"week\s*(\d+)\s*-\s*(?:(\d{4}-\d\d-\d\d)\s*-\s*)?(.+)\.csv", re.IGNORECASE)
DATE = re.compile(r"\d{4}-\d\d-\d\d")
TOGETHER = {"of_product": PRODUCT, "of_department": DEPARTMENT}
"""Past-only signal -> what its series share: units sold together show a rhythm that no single series shows so clearly."""
WEEK = np.timedelta64(7, "D")


@dataclass(frozen=True)
class Vn2:
    """What the files say; rows of all arrays are the series in the order of week 0's sales.

    Attributes:
        keys: one row a series: Store, Product and what the master data say of them.
        weeks: shape (n_weeks,), Mondays in a row: history, then weeks 1, 2, ... of the competition as far as they are there.
        sales: shape (n_series, n_weeks), units.
        in_stock: shape (n_series, n_weeks), false where sales say nothing of demand.
        n_history: weeks up to week 0.
        on_hand: shape (n_series,), units at the end of week 0.
        receipts: shape (n_series, 2), units on the shelf at the start of weeks 1 and 2.
    """

    keys: pd.DataFrame
    weeks: DateArray
    sales: FloatArray
    in_stock: BoolArray
    n_history: int
    on_hand: FloatArray
    receipts: FloatArray

    @property
    def n_played(self) -> int:
        """Return how many weeks of the competition are there."""
        return len(self.weeks) - self.n_history

    @property
    def series(self) -> pd.DataFrame:
        """Return rows of `tables.SERIES` with all weeks."""
        nothing: list[tuple[()]] = [()] * len(self.keys)
        empty = (t.PRICE, t.PROMOTION, t.CUSTOMER_COUNT, t.INVENTORY_LEVEL, t.PLANNED_PRICE, t.PLANNED_PROMOTION)
        text = self.keys.astype(str)
        columns: dict[str, object] = {str(name): nothing if name in empty else None for name in t.SERIES.names}
        columns |= {
            t.SKU: text[PRODUCT], t.SITE: text[STORE], t.STREAM: t.POOLED, t.BUCKET: 0,
            t.START_DATE: self.weeks[0].astype(dt.date), t.CATEGORY: text[DEPARTMENT], t.BRAND: text[GROUP],
            t.SALES_HISTORY: list(self.sales), t.IN_STOCK: list(self.in_stock.astype(np.float64)),
            t.COVARIATES: self._together(),
        }  # fmt: skip
        return pd.DataFrame(columns, index=self.keys.index)[t.SERIES.names]

    def _together(self) -> list[dict[str, FloatArray]]:
        """Return by series the mean units a week of the series in stock that share its product, or its department."""
        units, known = np.where(self.in_stock, self.sales, 0.0), self.in_stock.astype(np.float64)
        signals = {}
        for name, shared in TOGETHER.items():
            number = self.keys.groupby(shared).ngroup().to_numpy()
            sums, counts = (np.zeros((number.max() + 1, len(self.weeks))) for _ in range(2))
            np.add.at(sums, number, units)
            np.add.at(counts, number, known)
            signals[name] = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)[number]
        return [{name: values[row] for name, values in signals.items()} for row in range(len(self.keys))]


@dataclass(frozen=True)
class _File:
    """One of the files: the week it was handed out in, the date in its name, what it holds."""

    path: Path
    week: int
    date: str | None
    kind: str


def read_vn2(folder: Path) -> Vn2:
    """Return what the files of a folder say: week 0, and the weeks of the competition after it where they are there.

    A week's numbers are taken from the first file handed out when they were known: what later files say of it, or earlier
    ones of the future, is not used, so no round sees later than it may.

    Raises:
        SourceError: a file, series, week or quantity is not as it should be; all problems at once.
    """
    with laid_out(folder, "VN2"):
        files = [found for path in sorted(folder.glob("*")) if (found := _file(path))]
        frames = {
            kind: [(file, _frame(file)) for file in files if file.kind == kind] for kind in (SALES, IN_STOCK, MASTER, STATE)
        }
        missing = [kind for kind in frames if not any(file.week == 0 for file, _ in frames[kind])]
        if missing:
            names = ", ".join(f"`Week 0 - [DATE - ]{kind.title()}.csv`" for kind in missing)
            raise SourceError(
                f"{folder}: expected {names}; found {[path.name for path in sorted(folder.glob('*'))] or 'no file'}"
            )
        first = _of_week_0(frames[SALES])
        keys = first.index
        master, state = (_of_week_0(frames[kind]).reindex(keys) for kind in (MASTER, STATE))
        raise_all(SourceError, [*_wrong_columns(folder, master, state), *_wrong_rows(frames, keys)])
        weeks = _weeks(folder, frames[SALES])
        n_history = len(_dated(first))
        sales, flags = (_by_week(frames[kind], keys, weeks, n_history) for kind in (SALES, IN_STOCK))
        stock = state[[ON_HAND, *RECEIPTS]].to_numpy(np.float64)
        raise_all(SourceError, [*_wrong_units(folder, SALES, sales), *_wrong_units(folder, STATE, stock)])
        in_stock = np.nan_to_num(flags, nan=1.0) > 0
        return Vn2(master.reset_index(), weeks, sales, in_stock, n_history, stock[:, 0], stock[:, 1:])


def _file(path: Path) -> _File | None:
    named = FILE.fullmatch(path.name)
    return _File(path, int(named[1]), named[2], named[3].strip().lower().replace("_", " ")) if named else None


def _frame(file: _File) -> pd.DataFrame:
    """Return the rows of a file by Store and Product; a file with one week without its date has it from its name."""
    rows = pd.read_csv(file.path).rename(columns=lambda name: str(name).strip())
    if missing := [name for name in KEY if name not in rows]:
        raise SourceError(f"{file.path}: expected columns {', '.join(KEY)}, found no {', '.join(missing)}")
    for name in sorted(NAMES & set(rows)):
        if (nameless := rows[name].isna()).any():
            raise SourceError(f"{file.path}: expected a {name} in every row, found none in line {nameless.argmax() + 2}")
    if rows.empty:
        raise SourceError(f"{file.path}: expected a row for each series, found none")
    rows = rows.set_index(KEY)
    if rows.index.has_duplicates:
        twice = _first(rows.index[rows.index.duplicated()])
        raise SourceError(f"{file.path}: expected one row a Store and Product, found several of {twice}")
    if file.kind in (SALES, IN_STOCK) and not _dated(rows) and len(rows.columns) == 1 and file.date:
        rows.columns = [file.date]
    return rows


def _first(keys: Keys) -> str:
    store, product = keys[0]
    return f"{STORE} {store}, {PRODUCT} {product}"


def _of_week_0(frames: Iterable[tuple[_File, pd.DataFrame]]) -> pd.DataFrame:
    return next(rows for file, rows in frames if file.week == 0)


def _dated(rows: pd.DataFrame) -> list[str]:
    return sorted(str(name) for name in rows if DATE.fullmatch(str(name)))


def _weeks(folder: Path, sales: Sequence[tuple[_File, pd.DataFrame]]) -> DateArray:
    """Return the Mondays of history and of the weeks played since, which follow each other without a gap."""
    history = _dated(_of_week_0(sales))
    if not history:
        raise SourceError(f"{folder}, sales of week 0: expected columns named by date, such as 2024-04-08, found none")
    numbers = sorted({file.week for file, _ in sales})
    days = np.array(history, "datetime64[D]")
    weeks = np.concatenate([days, days[-1] + WEEK * np.arange(1, numbers[-1] + 1)])
    problems = [] if (np.diff(days) == WEEK).all() else [f"{folder}, sales of week 0: expected a column a week, found a gap"]
    if lacking := sorted(set(range(numbers[-1])) - set(numbers)):
        problems.append(f"{folder}: expected sales of every week up to {numbers[-1]}, found none of weeks {lacking}")
    for file, rows in sales:
        week = str(weeks[len(days) - 1 + file.week])
        if week not in rows:
            problems.append(f"{file.path}: expected a column {week}, its week's sales; found {_dated(rows)[-3:] or list(rows)}")
    raise_all(SourceError, problems)
    return np.asarray(weeks)


def _by_week(frames: Sequence[tuple[_File, pd.DataFrame]], keys: Keys, weeks: DateArray, n_history: int) -> FloatArray:
    """Return shape (n_series, n_weeks): each week from the first file that could know it, NaN where there is none."""
    cells = np.full((len(keys), len(weeks)), np.nan)
    ordered = sorted(frames, key=lambda frame: frame[0].week)
    for column, week in enumerate(weeks.astype(str)):
        knowing = [rows for file, rows in ordered if file.week >= column + 1 - n_history and week in rows]
        if knowing:
            cells[:, column] = knowing[0][week].reindex(keys).astype(np.float64)
    return cells


def _wrong_columns(folder: Path, master: pd.DataFrame, state: pd.DataFrame) -> Iterator[str]:
    for kind, rows, needed in ((MASTER, master, (DEPARTMENT, GROUP)), (STATE, state, (ON_HAND, *RECEIPTS))):
        if missing := [name for name in needed if name not in rows]:
            yield f"{folder}, {kind} of week 0: expected columns {', '.join(needed)}; found no {', '.join(missing)}"


def _wrong_rows(frames: Mapping[str, Sequence[tuple[_File, pd.DataFrame]]], keys: Keys) -> Iterator[str]:
    for file, rows in (frame for kind in frames.values() for frame in kind):
        missing = keys[~keys.isin(rows.index)]
        if len(missing):
            yield f"{file.path}: expected a row for each of the {len(keys)} series of week 0, {_first(missing)} is not there"


def _wrong_units(folder: Path, kind: str, units: FloatArray) -> Iterator[str]:
    wrong = ~(np.isfinite(units) & (units >= 0))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        yield (
            f"{folder}, {kind}: expected units of 0 or more, found {units[row, column]} in row {row + 1}, number {column + 1} "
            f"({wrong.sum()} in all)"
        )
