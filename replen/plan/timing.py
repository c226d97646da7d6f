"""Days become periods once, here; every other function of the planner counts in periods (steps from the plan date)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
DateArray = NDArray[np.datetime64]
BoolArray = NDArray[np.bool_]

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
PERIOD_DAYS = {"D": 1, "W": 7}
WHOLE = 1e-9  # days that are a multiple of the period up to rounding errors are that multiple


@dataclass(frozen=True)
class Calendar:
    """The periods of a plan.

    Attributes:
        first_day: of step 0, the plan date.
        horizon: steps planned.
        freq: D or W.
        frozen_periods: first steps in which no order is placed.
    """

    first_day: np.datetime64
    horizon: int
    freq: str
    frozen_periods: int = 0

    @property
    def dates(self) -> DateArray:
        """Return the first day of every step, (horizon,)."""
        return step_dates(self.first_day, horizon=self.horizon, freq=self.freq)

    @property
    def weekdays(self) -> IntArray:
        """Return the weekday on which every step begins, (horizon,), 0 = Monday.

        >>> Calendar(np.datetime64("2024-04-18"), horizon=5, freq="D").weekdays
        array([3, 4, 5, 6, 0])
        """
        return (self.dates.astype(np.int64) + 3) % 7  # day 0 of numpy was a Thursday

    def days_to_order(self, taken: BoolArray) -> IntArray:
        """Return days from the start of a step to the order that is placed in it, (n_series,).

        In a week an order waits for the first day on which the supplier takes one; in a day there is nothing to wait for.

        Args:
            taken: shape (n_series, 7), weekdays, Monday first, on which orders are taken; at least one.
        """
        from_first_day = np.roll(taken, -self.weekdays[0], axis=1)
        return np.where(self.freq == "W", np.argmax(from_first_day, axis=1), 0)

    def order_steps(self, taken: BoolArray) -> BoolArray:
        """Return the steps in which orders are taken and that are not frozen, (n_series, horizon).

        Args:
            taken: as in `days_to_order`; every week has a day on which orders are taken.
        """
        on_the_day = taken[:, self.weekdays] | (self.freq == "W")
        return np.asarray(on_the_day & (np.arange(self.horizon) >= self.frozen_periods))


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


def on_sale(launch: DateArray, end: DateArray, dates: DateArray) -> BoolArray:
    """Return which series are on sale in which step, shape (n_series, horizon); NaT = no such date known.

    >>> none, day = np.array(["NaT"], "M8[D]"), np.array(["2024-04-20"], "M8[D]")
    >>> on_sale(none, day, step_dates(np.datetime64("2024-04-15"), horizon=2, freq="W"))
    array([[ True, False]])
    """
    days = np.append(dates[1:], dates[-1] + (dates[-1] - dates[-2] if len(dates) > 1 else 1)) - 1  # last day of each step
    launched = np.isnat(launch)[:, None] | (launch[:, None] <= days)
    return np.asarray(launched & (np.isnat(end)[:, None] | (end[:, None] >= dates)))


def by_arrival(by_step: FloatArray, lead_time: IntArray) -> FloatArray:
    """Return values by step of the order as values by step of the arrival, (n_series, horizon); 0 before the first arrival."""
    steps = np.arange(by_step.shape[1]) - lead_time[:, None]
    return np.where(steps >= 0, np.take_along_axis(by_step, np.maximum(steps, 0), axis=1), 0.0)


def by_order_step(by_arrival: FloatArray, lead_time: IntArray) -> FloatArray:
    """Return values by step of the arrival as values by step of the order, (n_series, horizon); 0 past the last arrival."""
    horizon = by_arrival.shape[1]
    steps = np.arange(horizon) + lead_time[:, None]
    return np.where(steps < horizon, np.take_along_axis(by_arrival, np.minimum(steps, horizon - 1), axis=1), 0.0)


def padded(cells: Iterable[Sequence[float] | None], horizon: int, *, missing: float, less: IntArray) -> FloatArray:
    """Return ragged values by step as one array, (n_series, horizon); later steps are cut.

    Args:
        cells: n_series arrays; None = nothing is known.
        horizon: steps wanted.
        missing: what stands where a cell has no value.
        less: shape (n_series,), last values of each cell that are left out.

    >>> padded([[1.0, 2.0, 3.0], None], 4, missing=0.0, less=np.array([1, 0])).tolist()
    [[1.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]
    """
    whole = np.full((len(less), horizon), missing)
    for row, values in enumerate(cells):
        if values is not None and np.ndim(values):
            known = np.asarray(values, dtype=np.float64)[: max(len(values) - int(less[row]), 0)][:horizon]
            whole[row, : len(known)] = known
    return whole
