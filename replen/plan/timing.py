"""Days become periods once, here; every other function of the planner counts in periods (steps from the plan date)."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
DateArray = NDArray[np.datetime64]

PERIOD_DAYS = {"D": 1, "W": 7}
WHOLE = 1e-9  # days that are a multiple of the period up to rounding errors are that multiple


def periods(days: FloatArray, freq: str) -> IntArray:
    """Return whole periods for days, rounded up, so that no plan counts on units before they can be there.

    An order placed at the end of step t-1 with a lead time of L periods is on the shelf at the start of step t+L.

    >>> periods(np.array([0.0, 6.0, 7.0, 10.0]), "W")
    array([0, 1, 1, 2])
    """
    return np.ceil(days / PERIOD_DAYS[freq] - WHOLE).astype(np.int64)


def step_dates(plan_date: np.datetime64, *, horizon: int, freq: str) -> DateArray:
    """Return the first day of every planned period, shape (horizon,).

    >>> step_dates(np.datetime64("2024-04-15"), horizon=2, freq="W")
    array(['2024-04-15', '2024-04-22'], dtype='datetime64[D]')
    """
    return np.asarray(plan_date.astype("datetime64[D]") + PERIOD_DAYS[freq] * np.arange(horizon))


def on_sale(launch: DateArray, end: DateArray, dates: DateArray) -> NDArray[np.bool_]:
    """Return which series are on sale in which step, shape (n_series, horizon); NaT = no such date known.

    >>> none, day = np.array(["NaT"], "M8[D]"), np.array(["2024-04-20"], "M8[D]")
    >>> on_sale(none, day, step_dates(np.datetime64("2024-04-15"), horizon=2, freq="W"))
    array([[ True, False]])
    """
    days = np.append(dates[1:], dates[-1] + (dates[-1] - dates[-2] if len(dates) > 1 else 1)) - 1  # last day of each step
    launched = np.isnat(launch)[:, None] | (launch[:, None] <= days)
    return np.asarray(launched & (np.isnat(end)[:, None] | (end[:, None] >= dates)))


def order_steps(lead_time: int, review_period: int, horizon: int) -> IntArray:
    """Return the steps at which an order may be placed and still arrives within the horizon.

    >>> order_steps(lead_time=2, review_period=3, horizon=8)
    array([0, 3])
    """
    return np.arange(0, max(horizon - lead_time, 0), review_period)
