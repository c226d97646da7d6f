"""What is known of the series of a bucket when their plan is made, as flat arrays: stock, timing, packs, costs."""

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from replen.plan.timing import BoolArray, FloatArray, IntArray

WHOLE = 1e-9  # packs: numbers nearer to whole ones are whole


@dataclass(frozen=True)
class Positions:
    """One entry a series; nothing is NaN.

    Attributes:
        on_hand: shape (n_series,), units on the shelf when the first order is placed.
        backorders: shape (n_series,), units owed to customers, served before anything is sold.
        receipts: shape (n_series, horizon), units of open orders that reach the shelf at the start of the step.
        lead_time: shape (n_series,), periods: an order of step t is on the shelf at the start of step t + lead_time; where lead
            times vary, the shortest.
        review_period: shape (n_series,), periods between two orders, >= 1; the first is placed at step 0.
        order_multiple: shape (n_series,), units in a pack, > 0.
        min_order_quantity: shape (n_series,), units a line has at least, or is not placed.
        max_order_quantity: shape (n_series,), units a line has at most; inf = no limit.
        unit_cost: shape (n_series,), money a unit ordered.
        holding_cost: shape (n_series,), money a unit left at the end of a period.
        lost_sale_cost: shape (n_series,), money a unit of demand that is not met.
        backorder_cost: shape (n_series,), money a unit owed at the end of a period.
        order_cost: shape (n_series,), money an order line.
        end_value: shape (n_series,), money a unit left at the horizon is worth.
        order_window: shape (n_series, horizon), steps in which an order may be placed, whenever the review is; None = all.
        shelf_life: shape (n_series,), periods in which a unit can be sold, that of its arrival included, >= 1; None = it keeps.
        line_limit: shape (n_series, horizon), units a line of each step has at most: nothing or a line that may be placed;
            None = whatever may be placed.
        delays: shape (n_series, n_paths), periods after `lead_time` that every order of a path takes, >= 0; None = none. Open
            orders are late by as much as new ones are later than expected, and never early.
    """

    on_hand: FloatArray
    backorders: FloatArray
    receipts: FloatArray
    lead_time: IntArray
    review_period: IntArray
    order_multiple: FloatArray
    min_order_quantity: FloatArray
    max_order_quantity: FloatArray
    unit_cost: FloatArray
    holding_cost: FloatArray
    lost_sale_cost: FloatArray
    backorder_cost: FloatArray
    order_cost: FloatArray
    end_value: FloatArray
    order_window: BoolArray | None = None
    shelf_life: IntArray | None = None
    line_limit: FloatArray | None = None
    delays: IntArray | None = None

    @property
    def n_series(self) -> int:
        """Return the number of series."""
        return len(self.on_hand)

    @property
    def lead_times(self) -> IntArray:
        """Return the lead time on each path, (n_series, n_paths), or (n_series, 1) where it does not vary; periods."""
        lead_time = self.lead_time[:, None]
        return lead_time if self.delays is None else lead_time + self.delays

    @property
    def varies(self) -> BoolArray:
        """Return which series have lead times that vary, shape (n_series,)."""
        return np.asarray(np.zeros(self.n_series) if self.delays is None else self.delays.any(axis=1), np.bool_)

    @property
    def expected_lead_time(self) -> IntArray:
        """Return the mean lead time, shape (n_series,), in whole periods: when an order is expected."""
        return self.lead_time if self.delays is None else self.lead_time + self._expected_delay

    @property
    def lateness(self) -> IntArray | None:
        """Return periods after the step they are expected in that open orders come, (n_series, n_paths); None = none."""
        return None if self.delays is None else np.maximum(self.delays - self._expected_delay[:, None], 0)

    @property
    def _expected_delay(self) -> IntArray:
        mean = np.zeros(self.n_series) if self.delays is None else self.delays.mean(axis=1)
        return np.rint(mean).astype(np.int64)

    @property
    def inventory_position(self) -> FloatArray:
        """Return on hand + on order - backorders, shape (n_series,), units."""
        return np.asarray(self.on_hand + self.receipts.sum(axis=1) - self.backorders)

    @property
    def smallest_order(self) -> FloatArray:
        """Return the smallest line that may be placed, shape (n_series,), units: packs that reach the minimum, at least one."""
        return smallest_line(self.min_order_quantity, self.order_multiple)

    @property
    def largest_order(self) -> FloatArray:
        """Return the largest line that may be placed, shape (n_series,), units; 0 where no line fits between the limits."""
        largest = largest_line(self.max_order_quantity, self.order_multiple)
        return np.where(largest < self.smallest_order, 0.0, largest)

    @property
    def may_order(self) -> BoolArray:
        """Return at which steps an order may be placed, (n_series, horizon).

        A review outside the order window waits for the next step inside; an order must be expected within the horizon.
        """
        steps = np.arange(self.receipts.shape[1])
        in_window = np.ones(self.receipts.shape, dtype=bool) if self.order_window is None else self.order_window
        last = np.maximum.accumulate(np.where(in_window, steps, -1), axis=1)
        before = np.column_stack([np.full(self.n_series, -1), last[:, :-1]])
        reviewed = steps // self.review_period[:, None] > before // self.review_period[:, None]
        return np.asarray(in_window & reviewed & (steps + self.expected_lead_time[:, None] < len(steps)))

    @property
    def largest_by_step(self) -> FloatArray:
        """Return the units that may be ordered at each step at most, (n_series, horizon); 0 where no order may be placed."""
        largest = self.largest_order[:, None] if self.line_limit is None else self.line_limit
        return np.where(self.may_order, largest, 0.0)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Self:
        """Return the chosen series."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: array[rows] for name, array in arrays.items() if array is not None})


def smallest_line(minimum: FloatArray, pack: FloatArray) -> FloatArray:
    """Return the smallest line of whole packs that reaches a minimum, at least one pack, units."""
    return np.asarray(np.maximum(np.ceil(minimum / pack - WHOLE), 1.0) * pack)


def largest_line(maximum: FloatArray, pack: FloatArray) -> FloatArray:
    """Return the largest line of whole packs within a maximum, units; 0 if not even one pack fits."""
    return np.asarray(np.floor(maximum / pack + WHOLE) * pack)


def chunks(rows: NDArray[np.intp], size: int) -> list[NDArray[np.intp]]:
    """Return the rows in parts of at most `size`, so that the paths worked on at once fit into memory; none if there are none.

    >>> [part.tolist() for part in chunks(np.arange(5), 2)]
    [[0, 1], [2, 3], [4]]
    """
    return [rows[first : first + size] for first in range(0, len(rows), size)]


def serve_backorders(positions: Positions, demand: FloatArray) -> tuple[Positions, FloatArray]:
    """Return positions and demand after what is owed to customers is taken off the units that come first.

    Stock serves backorders first, then open orders up to the first order's arrival; what is owed even then is demand of the
    step in which that order arrives on the path (of the last step, if none arrives within the horizon).

    Args:
        positions: n_series positions.
        demand: shape (horizon, n_series, n_paths), units.

    Returns:
        Positions without backorders, and demand of the same shape.
    """
    if not positions.backorders.any():
        return positions, demand
    horizon = len(demand)
    arrival = np.minimum(positions.lead_time, horizon - 1)
    stock = np.column_stack([positions.on_hand, np.where(np.arange(horizon) <= arrival[:, None], positions.receipts, 0.0)])
    served = np.diff(np.minimum(np.cumsum(stock, axis=1), positions.backorders[:, None]), axis=1, prepend=0.0)
    owed = positions.backorders - served.sum(axis=1)
    net = replace(
        positions,
        on_hand=positions.on_hand - served[:, 0],
        receipts=positions.receipts - served[:, 1:],
        backorders=np.zeros_like(owed),
    )
    demand = demand.copy()
    steps, rows = np.minimum(positions.lead_times, horizon - 1), np.arange(positions.n_series)[:, None]
    demand[steps, rows, np.arange(demand.shape[2])] += owed[:, None]
    return net, demand
