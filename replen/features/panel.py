"""A panel: the series of a bucket range as dense arrays on one calendar. Every model input is a pure function of it."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from replen import tables as t
from replen.errors import TableError
from replen.features.periods import DateArray, Freq, period_dates, period_numbers

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]

_KEYS = (*t.SERIES.key, t.BUCKET, t.START_DATE, t.CATEGORY, t.BRAND, t.UNIT_PRICE, t.LAUNCH_DATE, t.END_DATE)
_CARRIED = (t.WEIGHTS_BY_CUTOFF,)
_PAST = (t.SALES_HISTORY, t.PRICE, t.PROMOTION, t.IN_STOCK, t.CUSTOMER_COUNT, t.INVENTORY_LEVEL)
_PLANNED = (t.PLANNED_PRICE, t.PLANNED_PROMOTION)
MIN_PERIODS = 2
"""Periods that a panel has at least."""


@dataclass(frozen=True)
class Panel:
    """Series as rows, periods as columns; NaN means unknown, or before the series starts.

    Attributes:
        keys: one row a series with a RangeIndex: sku, site, stream, bucket, start_date and the static columns of
            `tables.SERIES`; where the rows have them, the weights of models of single series by cutoff.
        periods: shape (n_periods,), consecutive days or Mondays; the last one is the cutoff. At least two, which tell how long
            a period is, wherever rows of `tables.SERIES` are read or an earlier cutoff is looked at.
        past: column -> shape (n_series, n_periods), known up to the cutoff only: sales, price, promotion, in_stock, ...
        known: column -> shape (n_series, n_periods + n_ahead), known in advance: planned_price, planned_promotion, events.
    """

    keys: pd.DataFrame
    periods: DateArray
    past: Mapping[str, FloatArray]
    known: Mapping[str, FloatArray]

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit the keys and periods."""
        n_series, n_periods = self.shape
        for name, values in {**self.past, **self.known}.items():
            too_short = values.shape[1] < n_periods if name in self.known else values.shape[1] != n_periods
            if values.shape[0] != n_series or too_short:
                raise TableError(f"panel, {name}: expected {n_series} series x {n_periods} periods, found {values.shape}")

    @property
    def shape(self) -> tuple[int, int]:
        """Return (n_series, n_periods)."""
        return len(self.keys), len(self.periods)

    @property
    def cutoff(self) -> np.datetime64:
        """Return the last period known."""
        return np.datetime64(self.periods[-1])

    def until(self, cutoff: np.datetime64, n_ahead: int) -> Self:
        """Return the panel as it stood at an earlier cutoff: nothing past it but `n_ahead` periods known in advance.

        Where it would have fewer than two periods, as no series had started, unknown ones are put before them.
        """
        first, second = self.periods[:2]
        n_kept = min(int((cutoff - first) // (second - first)) + 1, len(self.periods))
        n_before = max(MIN_PERIODS - n_kept, 0)
        periods = first + (second - first) * np.arange(-n_before, n_kept)
        past = {name: _later(values, n_before)[:, : len(periods)] for name, values in self.past.items()}
        known = {name: _later(values, n_before)[:, : len(periods) + n_ahead] for name, values in self.known.items()}
        return replace(self, periods=periods, past=past, known=known)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Self:
        """Return the panel of the chosen series."""
        keys = self.keys.loc[rows].reset_index(drop=True) if rows.dtype == bool else self.keys.iloc[rows].reset_index(drop=True)
        past = {name: values[rows] for name, values in self.past.items()}
        known = {name: values[rows] for name, values in self.known.items()}
        return replace(self, keys=keys, past=past, known=known)


def panel_from_series(
    rows: pd.DataFrame, market: pd.DataFrame, *, freq: Freq, cutoff: dt.date | np.datetime64, n_ahead: int
) -> Panel:
    """Return the panel of series as it stood at a cutoff, from their earliest start on; signals of `market` are read-only.

    Series that all start at the cutoff have one unknown period before it.

    Args:
        rows: rows of `tables.SERIES`; what arrays hold after the cutoff is used of the planned ones only.
        market: rows of `tables.MARKET`; a signal is `known` if all its rows say so, else `past`; a row of the site goes
            before a row of all sites (`*`).
        freq: length of a period.
        cutoff: last period known.
        n_ahead: periods after the cutoff for what is known in advance; NaN where a plan ends earlier.
    """
    start, last = period_numbers(rows[t.START_DATE], freq), int(period_numbers(cutoff, freq))
    first = min(int(start.min(initial=last)), last + 1 - MIN_PERIODS)
    widths = {False: last - first + 1, True: last - first + 1 + n_ahead}
    past = {str(column): _dense(rows[column], start - first, widths[False]) for column in _PAST}
    known = {str(column): _dense(rows[column], start - first, widths[True]) for column in _PLANNED}
    covariates = rows[t.COVARIATES].map(lambda signals: dict(signals or ()))
    for name in sorted(set().union(*covariates)):
        past[name] = _dense((signals.get(name) for signals in covariates), start - first, widths[False])
    for name, signal in market.groupby(t.NAME):
        is_known = bool(signal[t.KNOWN_IN_ADVANCE].all())
        (known if is_known else past)[str(name)] = _by_site(
            signal, rows[t.SITE], period_numbers(signal[t.DATE], freq) - first, widths[is_known]
        )
    carried = [column for column in _CARRIED if column in rows]
    keys = rows[[*_KEYS, *carried]].reset_index(drop=True)
    return Panel(keys=keys, periods=period_dates(np.arange(first, last + 1), freq), past=past, known=known)


def active(panel: Panel, n_periods: int) -> NDArray[np.bool_]:
    """Return, by series, whether it is known to have sold within the last `n_periods` up to the cutoff."""
    return np.asarray((panel.past[t.SALES_HISTORY][:, -n_periods:] > 0).any(axis=1))


def started(panel: Panel) -> NDArray[np.bool_]:
    """Return, by series and period, whether the series had started; before that, nothing is filled in."""
    start = panel.keys[t.START_DATE].to_numpy(dtype="datetime64[D]")
    return np.asarray(panel.periods >= start[:, None])


def _later(values: FloatArray, n_periods: int) -> FloatArray:
    """Return values by series and period behind a number of unknown periods."""
    return np.pad(values, ((0, 0), (n_periods, 0)), constant_values=np.nan) if n_periods else values


def _dense(arrays: Iterable[ArrayLike | None], offset: IntArray, width: int) -> FloatArray:
    """Return shape (n_series, width): each array from its offset on, cut at the width; None = an empty array."""
    room = np.maximum(width - offset, 0)
    kept = [
        np.asarray(() if array is None else array, dtype=np.float32)[:places]
        for array, places in zip(arrays, room.tolist(), strict=True)
    ]
    length = np.array([len(array) for array in kept], dtype=np.int64)
    column = np.arange(width)
    dense = np.full((len(kept), width), np.nan, dtype=np.float32)
    dense[(column >= offset[:, None]) & (column < (offset + length)[:, None])] = np.concatenate([[], *kept])
    return dense


def _by_site(signal: pd.DataFrame, sites: pd.Series, column: IntArray, width: int) -> FloatArray:
    """Return shape (n_series, width) of one signal; one row shown n_series times where all sites share it."""
    inside = (column >= 0) & (column < width)
    signal, column = signal[inside], column[inside]
    names = pd.Index(sites.unique())
    site = names.get_indexer(signal[t.SITE])
    values = signal[t.VALUE].to_numpy(dtype=np.float32, na_value=np.nan)
    for_all = (signal[t.SITE] == t.POOLED).to_numpy()
    shared = np.full(width, np.nan, dtype=np.float32)
    shared[column[for_all]] = values[for_all]
    if (site < 0).all():
        return np.broadcast_to(shared, (len(sites), width))
    by_site = np.tile(shared, (len(names), 1))
    by_site[site[site >= 0], column[site >= 0]] = values[site >= 0]
    return np.asarray(by_site[names.get_indexer(sites)])
