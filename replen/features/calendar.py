"""Where a period stands in the week and in the year."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

DateArray = NDArray[np.datetime64]
FloatArray = NDArray[np.float32]

N_WEEKS = 53
CHRISTMAS = (12, 25)
N_ANNUAL = 6
"""First columns of `calendar_features` that tell one time of the year from another."""


def periods_after(periods: DateArray, n_ahead: int) -> DateArray:
    """Return the next `n_ahead` periods after the last one; the step is that of the periods (one period alone: a week)."""
    step = periods[-1] - periods[-2] if len(periods) > 1 else np.timedelta64(7, "D")
    return np.asarray(periods[-1] + step * np.arange(1, n_ahead + 1))


def iso_week(periods: DateArray) -> NDArray[np.intp]:
    """Return the ISO week number of each period, 1..53."""
    return pd.DatetimeIndex(periods).isocalendar().week.to_numpy(dtype=np.intp)


def day_of_week(periods: DateArray) -> NDArray[np.intp]:
    """Return the day of the week of each period, 0 = Monday; all 0 for weekly periods."""
    return pd.DatetimeIndex(periods).dayofweek.to_numpy(dtype=np.intp)


def calendar_features(periods: DateArray) -> FloatArray:
    """Return shape (n_periods, n_features): year position (two harmonics), nearness of Christmas, place in month and week.

    Nearness rises from 0 ten weeks before Christmas to 1 in its week and is 0 after it: what an annual sine cannot follow.
    """
    dates = pd.DatetimeIndex(periods)
    angle = 2 * np.pi * dates.dayofyear.to_numpy() / 365.25
    christmas = pd.to_datetime({"year": dates.year, "month": CHRISTMAS[0], "day": CHRISTMAS[1]}).to_numpy()
    days_left = (christmas - dates.to_numpy()) / np.timedelta64(1, "D")
    near = np.clip(1 - days_left / 70, 0, 1) * (days_left >= 0)
    passed = (days_left < 0).astype(float)
    month = 2 * np.pi * (dates.day.to_numpy() - 1) / dates.days_in_month.to_numpy()
    columns = [np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle), near, passed, np.sin(month), np.cos(month)]
    weekday = dates.dayofweek.to_numpy()[:, None] == np.arange(7)
    return np.concatenate([np.stack(columns, axis=1), weekday], axis=1).astype(np.float32)
