"""What checks look at: counts that add up over series, made by Spark in one pass over the sales, and the last run's values."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

import replen.tables as t

ALL = "all"
NOW, THEN = "now", "then"
"""Windows of periods: up to the cutoff, and up to that of the run that this one is compared with."""
WINDOW, BIN = "window", "bin"
FACT_KEY = (str(t.SEGMENT), WINDOW, BIN)
N_SERIES, PERIODS, ZEROS, ROWS = "n_series", "periods", "zeros", "rows"
GAPPED, PRICED, JUMPED, SOLD_ROWS, SOLD_EMPTY, LAST_SALE = "gapped", "priced", "jumped", "sold_rows", "sold_empty", "last_sale"
REFUSED = "refused"
WITHOUT = {t.STOCK.name: "without_stock", t.SUPPLY.name: "without_supply"}
NEWEST = tuple(f"newest_{number}" for number in range(5))
"""Units of the newest period, then of the four before it that are like it: weeks, or the same day of the week."""

BINS_PER_OCTAVE = 4
ZERO_BIN, LOWEST_BIN, HIGHEST_BIN = -1000, -10 * BINS_PER_OCTAVE, 20 * BINS_PER_OCTAVE
"""Bins of levels: no sale at all, up to 2^-10 and from 2^20 units a period."""


def unknown(column: str) -> str:
    """Return the name of the count of rows in which a column is unknown."""
    return f"unknown {column}"


@dataclass(frozen=True)
class Facts:
    """What is known of a run's inputs, without its rows.

    Attributes:
        cutoff: last period known.
        end: its last day.
        today: the day it is.
        sales: one row a segment, window and bin (the quarter octave of a series' units a period in the window; `ZERO_BIN` =
            none were sold, null = no period of the window is known). `n_series`, `periods`, `zeros` (periods without a
            sale) and `rows` are of the window; all else is counted in rows of `NOW` only.
        n_rows: table -> rows that ingest kept.
        unknown: table -> column -> rows in which it is unknown.
        findings: one row a table and rule of ingest: `n_rows`, and how many of them were `refused`.
        oldest_stock: day of the oldest count of stock; None = there is no stock.
        long_lead_times: rows of supply above the longest lead time that is no mistake.
    """

    cutoff: dt.date
    end: dt.date
    today: dt.date
    sales: pd.DataFrame
    n_rows: Mapping[str, int]
    unknown: Mapping[str, Mapping[str, int]]
    findings: pd.DataFrame
    oldest_stock: dt.date | None
    long_lead_times: int


@dataclass(frozen=True)
class Reference:
    """The run that this one is compared with: its counts of rows by table and its rows of `tables.QUALITY_CHECKS`."""

    run_id: str
    cutoff: dt.date
    n_rows: Mapping[str, int]
    checks: pd.DataFrame

    def measured(self, name: str, table: str, segment: str) -> dict[str, float]:
        """Return what a check's value was made of then; empty where it was not made."""
        checks = self.checks
        row = checks[(checks[t.NAME] == name) & (checks[t.TABLE] == table) & (checks[t.SEGMENT] == segment)]
        return {} if row.empty else dict(row[t.MEASURED].iloc[0])


def median_level(counts: pd.Series) -> float:
    """Return the median units a period of the series that sold, from their counts by bin; NaN where none did.

    >>> round(median_level(pd.Series({ZERO_BIN: 7, 0: 1, 4: 2, 8: 1})), 3)
    2.181
    """
    sold = counts[counts.index > ZERO_BIN].sort_index()
    total = np.cumsum(sold.to_numpy(np.float64))
    if not len(total) or not total[-1]:
        return float("nan")
    at = int(np.searchsorted(total, total[-1] / 2))
    within = 1 - (total[at] - total[-1] / 2) / sold.iloc[at]
    return float(2 ** ((sold.index[at] + within) / BINS_PER_OCTAVE))


def by_octave(counts: pd.Series) -> dict[str, float]:
    """Return the number of series by octave of their level, `zero` being those that sold nothing."""
    named = ["zero" if bin_ == ZERO_BIN else f"2^{int(bin_ // BINS_PER_OCTAVE)}" for bin_ in counts.index]
    summed = counts.groupby(np.array(named, dtype=object)).sum()
    return {str(name): float(count) for name, count in summed.items()}


def stability_index(found: Mapping[str, float], expected: Mapping[str, float]) -> float:
    """Return the population stability index of two counts by class: the sum of (p - q) log(p / q), 0 where shares are equal.

    Half a series is added to every class, so that an empty one is no infinity.

    >>> stability_index({"a": 5, "b": 5}, {"a": 50, "b": 50})
    0.0
    """
    names = sorted(found.keys() | expected.keys())
    shares = []
    for counts in (found, expected):
        smooth = np.array([counts.get(name, 0.0) for name in names]) + 0.5
        shares.append(smooth / smooth.sum())
    return float(((shares[0] - shares[1]) * np.log(shares[0] / shares[1])).sum())


def factor(value: float, other: float) -> float:
    """Return how many times the larger of two numbers is the smaller: 1 where they are equal; NaN where nothing is there.

    >>> factor(2.0, 8.0), factor(0.0, 8.0)
    (4.0, inf)
    """
    if not value + other > 0:
        return float("nan")
    low, high = sorted((value, other))
    return high / low if low > 0 else float("inf")
