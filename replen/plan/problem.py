"""What is left to decide: the series of a bucket, grouped by timing, from the arrival of the first order to the horizon."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from replen.plan.positions import Positions
from replen.plan.projection import Projection
from replen.plan.timing import FloatArray, IntArray, order_steps


@dataclass(frozen=True)
class Problem:
    """Series with one lead time and one review period.

    An order of step t meets the needs of row t: rows count from the first arrival, not from the plan date.

    Attributes:
        positions: n_series positions without backorders (see `serve_backorders`).
        opening: shape (n_series, n_paths), units on the shelf before the first arrival.
        needs: shape (n_steps, n_series, n_paths), demand less receipts of open orders; below zero where these are more.
    """

    positions: Positions
    opening: FloatArray
    needs: FloatArray

    @property
    def steps(self) -> IntArray:
        """Return the steps at which an order may be placed."""
        return order_steps(0, int(self.positions.review_period[0]), len(self.needs))

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> "Problem":
        """Return the chosen series."""
        return Problem(self.positions.take(rows), self.opening[rows], self.needs[:, rows])

    def stock(self, quantities: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the units left on each path summed over the steps, and those left at the horizon: (n_series, n_paths) each."""
        stock, held = self.opening.copy(), np.zeros(self.opening.shape)
        for step, needs in enumerate(self.needs):
            stock += quantities[:, step, None]
            stock -= needs
            np.maximum(stock, 0.0, out=stock)
            held += stock
        return held, stock

    def cost(self, quantities: FloatArray) -> FloatArray:
        """Return expected money from the first arrival on, (n_series,), the value of what is left at the horizon taken off.

        Args:
            quantities: shape (n_series, n_steps), units by step of the order.
        """
        costs, ordered = self.positions, quantities.sum(axis=1)
        held, left = (units.mean(axis=1) for units in self.stock(quantities))
        lost = self.needs.mean(axis=2).sum(axis=0) - self.opening.mean(axis=1) - ordered + left
        purchase = costs.unit_cost * ordered + costs.order_cost * np.count_nonzero(quantities, axis=1)
        return np.asarray(purchase + costs.holding_cost * held + costs.lost_sale_cost * lost - costs.end_value * left)


def problems(positions: Positions, demand: FloatArray, idle: Projection) -> Iterator[tuple[NDArray[np.intp], Problem]]:
    """Yield rows and problem of the series of each lead time and review period for which an order can arrive in time.

    Args:
        positions: n_series positions without backorders.
        demand: shape (horizon, n_series, n_paths), units.
        idle: what happens if nothing is ordered.
    """
    timings = np.stack([positions.lead_time, positions.review_period], axis=1)
    for timing in np.unique(timings, axis=0):
        lead_time = int(timing[0])
        if lead_time >= len(demand):
            continue
        rows = np.flatnonzero((timings == timing).all(axis=1))
        group, needs = positions.take(rows), demand[lead_time:, rows]
        opening = idle.ending[lead_time - 1, rows] if lead_time else np.repeat(group.on_hand[:, None], needs.shape[2], axis=1)
        yield rows, Problem(group, opening, needs - group.receipts[:, lead_time:].T[:, :, None])
