"""Periods as numbers: consecutive whole numbers, so that arrays are indexed by subtraction. Weeks start on Monday."""

import datetime as dt
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Freq = Literal["D", "W"]
Dates = ArrayLike | dt.date | np.datetime64
DateArray = NDArray[np.datetime64]

_DAYS = {"D": 1, "W": 7}
_FIRST_MONDAY = -3  # 1969-12-29, in days from 1970-01-01


def period_numbers(dates: "Dates | pd.Series[Any]", freq: Freq) -> NDArray[np.int64]:
    """Return the number of the period each date lies in; consecutive periods have consecutive numbers.

    >>> period_numbers(["2024-01-01", "2024-01-07", "2024-01-08"], "W") - period_numbers("2024-01-01", "W")
    array([0, 0, 1])
    """
    if isinstance(dates, pd.Series) and dates.dtype == object:  # few distinct dates, and converting date objects is slow
        codes, distinct = pd.factorize(dates)
        return np.asarray(period_numbers(distinct.to_numpy(), freq)[codes])
    days = np.asarray(dates, dtype="datetime64[D]").astype(np.int64)
    return np.asarray(days if freq == "D" else (days - _FIRST_MONDAY) // _DAYS["W"])


def period_dates(numbers: ArrayLike, freq: Freq) -> DateArray:
    """Return the day, or the Monday, that names each period number, as datetime64[D]."""
    counted = np.asarray(numbers, dtype=np.int64)
    return np.asarray((counted if freq == "D" else counted * _DAYS["W"] + _FIRST_MONDAY).astype("datetime64[D]"))


def period_range(first: Dates, last: Dates, freq: Freq) -> DateArray:
    """Return all periods from the one `first` lies in to the one `last` lies in; empty where last comes before first.

    >>> period_range("2024-01-03", "2024-01-09", "W")
    array(['2024-01-01', '2024-01-08'], dtype='datetime64[D]')
    """
    return period_dates(np.arange(int(period_numbers(first, freq)), int(period_numbers(last, freq)) + 1), freq)
