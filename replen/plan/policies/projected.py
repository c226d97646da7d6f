"""Projected inventory: the stock expected on the shelf when the order arrives is brought to a target; and lot for lot.

Under lost sales the inventory position forgets that what is short before the delivery is lost, and orders it again; the
projection does not.

Source: van Jaarsveld & Arts, Projected inventory-level policies for lost sales inventory systems, 2024.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from replen.plan.packs import nearest_line
from replen.plan.policies.known import Known, OrderLevels
from replen.plan.positions import Positions, chunks
from replen.plan.timing import FloatArray, IntArray

Rows = NDArray[np.intp]
CELLS = 2_000_000  # stocks projected at once: (series, path known, path ahead)


@dataclass(frozen=True)
class ProjectedInventory:
    """Orders the nearest whole line that brings the stock expected just after the delivery to its target.

    Attributes:
        positions: the series, for packs, limits and lead time.
        demand: shape (n_steps, n_series, n_samples), sample paths of demand as forecast before step 0, units.
        targets: shape (n_series, n_steps), units on the shelf just after the delivery, by step of the order.
        backorders: True: what is short waits; False: it is lost.
    """

    positions: Positions
    demand: FloatArray
    targets: FloatArray
    backorders: bool = False

    def __call__(self, known: Known) -> FloatArray:
        """Return units to order, (n_series, n_paths)."""
        return nearest_line(self.positions, self.wanted(known))

    def wanted(self, known: Known) -> FloatArray:
        """Return units that bring the expected stock to its target, (n_series, n_paths)."""
        return np.maximum(self.targets[:, known.step, None] - self.expected_on_delivery(known), 0.0)

    def order_levels(self, known: Known) -> OrderLevels:
        """Return the position at which nothing would be missing on delivery, twice: what is due and on hand is as it is."""
        level = known.inventory_position + self.targets[:, known.step, None] - self.expected_on_delivery(known)
        return OrderLevels(level, level)

    def expected_on_delivery(self, known: Known) -> FloatArray:
        """Return units expected on the shelf when an order of this step would arrive, without it, (n_series, n_paths)."""
        expected = np.empty(known.on_hand.shape)
        for rows, stock in stock_on_delivery(self.positions, self.demand, known, backorders=self.backorders):
            expected[rows] = stock.mean(axis=2)
        return expected


def stock_on_delivery(
    positions: Positions, demand: FloatArray, known: Known, *, backorders: bool = False
) -> Iterator[tuple[Rows, FloatArray]]:
    """Yield rows of series, and their units on the shelf when an order of this step would arrive, without it.

    Args:
        positions: n_series positions; where lead times vary, each sample path has its own, and what is due is late on it too.
        demand: shape (n_steps, n_series, n_samples), sample paths from step 0 on, units; one path has mean lead times.
        known: what is known before its step; deliveries after the last step due are projected to that step.
        backorders: True: what is short waits; False: it is lost.

    Yields:
        rows, and units of shape (n_rows, n_paths, n_samples): of every path known, on every sample path ahead.
    """
    if positions.delays is None or demand.shape[2] != positions.delays.shape[1]:
        positions = replace(positions, lead_time=positions.expected_lead_time, delays=None)
    last, size = len(known.due) - 1, max(CELLS // (known.on_hand.shape[1] * demand.shape[2]), 1)
    kinds = np.column_stack([np.minimum(positions.lead_time, last), positions.varies])
    for ahead, varies in np.unique(kinds, axis=0):
        for rows in chunks(np.flatnonzero((kinds == (ahead, varies)).all(axis=1)), size):
            some = positions.take(rows)
            delivery = np.minimum(some.lead_times, last) if varies else np.array([[ahead]])
            stock = np.repeat((known.on_hand - known.backorders)[rows][:, :, None], demand.shape[2], axis=2)
            due = _due(known.due[:, rows], some.lateness if varies else None)
            delivered = np.empty_like(stock)
            for step in range(int(delivery.max()) + 1):
                arriving, now = due(step), delivery == step
                if now.any():
                    np.copyto(delivered, stock + arriving, where=now[:, None, :])
                stock += arriving - demand[known.step + step, rows][:, None, :]
                if not backorders:
                    np.maximum(stock, 0.0, out=stock)
            yield rows, delivered


def _due(due: FloatArray, lateness: IntArray | None) -> Callable[[int], FloatArray]:
    """Return the function that gives units which arrive in a step, (n_series, n_paths, n_samples or 1).

    Args:
        due: shape (n_steps, n_series, n_paths), units by the step they are expected in.
        lateness: shape (n_series, n_samples), periods after it that they come; None = none.
    """
    if lateness is None:
        return lambda step: due[step][:, :, None]
    rows = np.arange(due.shape[1])[:, None]

    def late(step: int) -> FloatArray:
        units = due[np.maximum(step - lateness, 0), rows].transpose(0, 2, 1)
        return np.where((step >= lateness)[:, None, :], units, 0.0)

    return late


def lot_for_lot(
    positions: Positions, demand: FloatArray, delivered: FloatArray, *, safety_stock: FloatArray, backorders: bool = False
) -> ProjectedInventory:
    """Return the rule that orders the net requirement of the time until the next delivery, as if demand came as expected.

    Net requirement = expected demand of that time + safety stock - stock projected with expected demand.

    Args:
        positions: the series.
        demand: shape (n_steps, n_series, n_paths), units.
        delivered: shape (n_steps, n_series, n_paths), demand from each step's delivery to the next, see `delivered_demand`.
        safety_stock: shape (n_series, n_steps), units; 0: pure lot for lot.
        backorders: as in `ProjectedInventory`.
    """
    expected = demand.mean(axis=2, keepdims=True)
    return ProjectedInventory(positions, expected, delivered.mean(axis=2).T + safety_stock, backorders)
