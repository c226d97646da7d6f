"""What is left to decide: the series of a bucket, grouped by lead time, from the arrival of the first order to the horizon."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from replen.plan.path_tree import Terms
from replen.plan.positions import Positions
from replen.plan.projection import Projection
from replen.plan.timing import FloatArray


@dataclass(frozen=True)
class Problem:
    """Series with one lead time; whatever else differs between them or from step to step is an array.

    An order of step t meets the needs of row t: rows count from the first arrival, not from the plan date. Costs are those of
    the problem, not of `positions`: whoever prices a limit adds the price here.

    Attributes:
        positions: n_series positions without backorders (see `serve_backorders`).
        opening: shape (n_series, n_paths), units on the shelf before the first arrival.
        needs: shape (n_steps, n_series, n_paths), demand less receipts of open orders; below zero where these are more.
        unit_cost: shape (n_series, n_steps), money a unit ordered at the step.
        holding_cost: shape (n_series, n_steps), money a unit left at the end of the step.
        largest: shape (n_series, n_steps), units that may be ordered at the step at most: whole packs, at least the smallest
            line, or 0 where no order may be placed.
    """

    positions: Positions
    opening: FloatArray
    needs: FloatArray
    unit_cost: FloatArray
    holding_cost: FloatArray
    largest: FloatArray

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Self:
        """Return the chosen series."""
        by_series = {
            field.name: getattr(self, field.name) for field in fields(self) if field.name not in ("positions", "needs")
        }
        taken = {name: values[rows] for name, values in by_series.items()}
        return type(self)(positions=self.positions.take(rows), needs=self.needs[:, rows], **taken)

    @property
    def net_needs(self) -> FloatArray:
        """Return needs with the opening stock taken off the first step, (n_steps, n_series, n_paths), units."""
        needs = self.needs.copy()
        needs[0] -= self.opening
        return needs

    @property
    def terms(self) -> Terms:
        """Return the money of orders and stock once lost units are written as needs - orders + stock at the horizon."""
        lost_sale_cost, stock = self.positions.lost_sale_cost, self.holding_cost.copy()
        stock[:, -1] += lost_sale_cost - self.positions.end_value
        return Terms(self.unit_cost - lost_sale_cost[:, None], stock, self.largest)

    def at(self, prices: "Prices") -> Self:
        """Return the problem with prices of limits on top; where these are inf, nothing can be ordered.

        Args:
            prices: of these series, by period from the plan date on.
        """
        n_steps, lead_time = self.largest.shape[1], prices.order.shape[1] - self.largest.shape[1]
        open_to = np.isfinite(prices.order[:, :n_steps])
        order = np.where(open_to, prices.order[:, :n_steps], 0.0) + prices.receipt[:, lead_time:]
        return replace(
            self,
            unit_cost=self.unit_cost + order,
            holding_cost=self.holding_cost + prices.stock[:, lead_time:],
            largest=np.where(open_to, self.largest, 0.0),
        )

    def stock(self, quantities: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the expected units left at the end of each step, (n_series, n_steps), and on each path at the horizon."""
        stock, held = self.opening.copy(), np.empty(quantities.shape)
        for step, needs in enumerate(self.needs):
            stock += quantities[:, step, None]
            stock -= needs
            np.maximum(stock, 0.0, out=stock)
            held[:, step] = stock.mean(axis=1)
        return held, stock

    def cost(self, quantities: FloatArray) -> FloatArray:
        """Return expected money from the first arrival on, (n_series,), the value of what is left at the horizon taken off.

        Args:
            quantities: shape (n_series, n_steps), units by step of the order.
        """
        costs, (held, _) = self.positions, self.stock(quantities)
        lost = self.needs.mean(axis=2).sum(axis=0) - self.opening.mean(axis=1) - quantities.sum(axis=1) + held[:, -1]
        lines = costs.order_cost * np.count_nonzero(quantities, axis=1)
        spent = (self.unit_cost * quantities + self.holding_cost * held).sum(axis=1)
        return np.asarray(spent + lines + costs.lost_sale_cost * lost - costs.end_value * held[:, -1])


@dataclass(frozen=True)
class Prices:
    """What limits that couple series add to the costs, 0 where none binds.

    Attributes:
        order: shape (n_series, horizon), money a unit ordered at the step; inf = nothing may be ordered.
        receipt: shape (n_series, horizon), money a unit received at the step.
        stock: shape (n_series, horizon), money a unit left at the end of the step.
    """

    order: FloatArray
    receipt: FloatArray
    stock: FloatArray

    @classmethod
    def none(cls, positions: Positions) -> Self:
        """Return the prices of no limits."""
        nothing = np.zeros(positions.receipts.shape)
        return cls(nothing, nothing, nothing)

    def take(self, rows: NDArray[np.intp]) -> Self:
        """Return the prices of the chosen series."""
        return type(self)(self.order[rows], self.receipt[rows], self.stock[rows])


def problems(positions: Positions, demand: FloatArray, idle: Projection) -> Iterator[tuple[NDArray[np.intp], Problem]]:
    """Yield rows and problem of the series of each lead time with which an order can arrive in time.

    Args:
        positions: n_series positions without backorders.
        demand: shape (horizon, n_series, n_paths), units.
        idle: what happens if nothing is ordered.
    """
    largest = positions.largest_by_step
    for lead_time in np.unique(positions.lead_time[positions.lead_time < len(demand)]):
        rows = np.flatnonzero(positions.lead_time == lead_time)
        group, needs = positions.take(rows), demand[lead_time:, rows]
        opening = idle.ending[lead_time - 1, rows] if lead_time else np.repeat(group.on_hand[:, None], needs.shape[2], axis=1)
        shape = (len(rows), len(needs))
        yield (
            rows,
            Problem(
                positions=group,
                opening=opening,
                needs=needs - group.receipts[:, lead_time:].T[:, :, None],
                unit_cost=np.broadcast_to(group.unit_cost[:, None], shape),
                holding_cost=np.broadcast_to(group.holding_cost[:, None], shape),
                largest=largest[rows, : len(needs)],
            ),
        )
