"""What is left to decide: the series of a bucket, grouped by lead time, from the first arrival to the horizon."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from replen.plan.delays import expected_later, shifted, within
from replen.plan.path_tree import Terms
from replen.plan.positions import Positions
from replen.plan.projection import Projection, open_orders, stock_before_arrival
from replen.plan.timing import FloatArray


@dataclass(frozen=True)
class Problem:
    """Series with one shortest lead time; whatever else differs between them or from step to step is an array.

    An order of step t meets the needs of row t: rows count from the first arrival, not from the plan date, and where lead times
    vary from the first arrival on each path (see `delays`): the last rows of a late path lie past the horizon, where nothing is
    needed and nothing costs money. Costs are those of
    the problem, not of `positions`: whoever prices a limit adds the price here.

    Attributes:
        positions: n_series positions without backorders (see `serve_backorders`).
        opening: shape (n_series, n_paths), units on the shelf before the first arrival.
        needs: shape (n_steps, n_series, n_paths), demand less receipts of open orders; below zero where these are more.
        unit_cost: shape (n_series, n_steps), expected money a unit ordered at the step: what never arrives is not paid for.
        holding_cost: shape (n_series, n_steps), money a unit left at the end of the calendar step, from the first arrival on.
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
    def arriving(self) -> FloatArray:
        """Return the share of paths on which an order of the step arrives within the horizon, (n_series, n_steps)."""
        return expected_later(np.ones(self.largest.shape), self.positions.delays)

    @property
    def terms(self) -> Terms:
        """Return the money of orders and stock once lost units are written as needs - orders + stock at the horizon."""
        lost_sale_cost, delays, stock = self.positions.lost_sale_cost, self.positions.delays, self.holding_cost.copy()
        stock[:, -1] += lost_sale_cost - self.positions.end_value
        on_path = within(delays, len(self.needs)) * shifted(stock.T[:, :, None], delays)
        order = self.unit_cost - lost_sale_cost[:, None] * self.arriving
        return Terms(order, np.ascontiguousarray(on_path.transpose(1, 0, 2)), self.largest)

    def at(self, prices: "Prices") -> Self:
        """Return the problem with prices of limits on top; where these are inf, nothing can be ordered.

        Args:
            prices: of these series, by period from the plan date on.
        """
        n_steps, lead_time = self.largest.shape[1], prices.order.shape[1] - self.largest.shape[1]
        open_to = np.isfinite(prices.order[:, :n_steps])
        received = expected_later(prices.receipt[:, lead_time:], self.positions.delays)
        order = np.where(open_to, prices.order[:, :n_steps], 0.0) + received
        return replace(
            self,
            unit_cost=self.unit_cost + order,
            holding_cost=self.holding_cost + prices.stock[:, lead_time:],
            largest=np.where(open_to, self.largest, 0.0),
        )

    def stock(self, quantities: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return expected units left at the end of each calendar step, (n_series, n_steps), and on each path at the horizon.

        Of a late path, steps before its first arrival are left out.
        """
        stock, held, delays = self.opening.copy(), np.zeros(quantities.shape), self.positions.delays
        left = stock if delays is None else np.zeros(stock.shape)
        for step, needs in enumerate(self.needs):
            stock += quantities[:, step, None]
            stock -= needs
            np.maximum(stock, 0.0, out=stock)
            if delays is None:
                held[:, step] = stock.mean(axis=1)
                continue
            row, path = np.nonzero(delays < len(self.needs) - step)
            np.add.at(held, (row, step + delays[row, path]), stock[row, path] / stock.shape[1])
            np.copyto(left, stock, where=delays == len(self.needs) - 1 - step)
        return held, left

    def cost(self, quantities: FloatArray) -> FloatArray:
        """Return expected money from the first arrival on, (n_series,), the value of what is left at the horizon taken off.

        Args:
            quantities: shape (n_series, n_steps), units by step of the order.
        """
        costs, (held, left) = self.positions, self.stock(quantities)
        arrived, remaining = (self.arriving * quantities).sum(axis=1), left.mean(axis=1)
        lost = self.needs.mean(axis=2).sum(axis=0) - self.opening.mean(axis=1) - arrived + remaining
        lines = costs.order_cost * np.count_nonzero(quantities, axis=1)
        spent = (self.unit_cost * quantities + self.holding_cost * held).sum(axis=1)
        return np.asarray(spent + lines + costs.lost_sale_cost * lost - costs.end_value * remaining)


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

    def paid(self, order: FloatArray, receipt: FloatArray, stock: FloatArray) -> FloatArray:
        """Return what limits take for units by step, (n_series, horizon) each, money (n_series,); inf for forbidden orders."""
        ordered = np.where(order > 0, self.order, 0.0) * np.where(order > 0, order, 1.0)
        return np.asarray((ordered + self.receipt * receipt + self.stock * stock).sum(axis=1))


def problems(positions: Positions, demand: FloatArray, idle: Projection) -> Iterator[tuple[NDArray[np.intp], Problem]]:
    """Yield rows and problem of the series of each lead time with which an order can arrive in time.

    Args:
        positions: n_series positions without backorders.
        demand: shape (horizon, n_series, n_paths), units.
        idle: what happens if nothing is ordered.
    """
    needs = demand - open_orders(positions)
    reached = positions.lead_times < len(demand)
    opening = np.where(reached, stock_before_arrival(positions, idle.ending), 0.0)
    kinds = np.column_stack([positions.lead_time, positions.varies])
    for lead_time, varies in np.unique(kinds[positions.lead_time < len(demand)], axis=0):
        rows = np.flatnonzero((kinds == (lead_time, varies)).all(axis=1))
        group = (positions if varies else replace(positions, delays=None)).take(rows)
        yield rows, _problem(group, needs[lead_time:, rows], opening[rows])


def _problem(positions: Positions, needs: FloatArray, opening: FloatArray) -> Problem:
    """Return the problem of series with one shortest lead time.

    Args:
        positions: n_series positions.
        needs: shape (n_steps, n_series, n_paths), demand less receipts of open orders by calendar step from that time on.
        opening: shape (n_series, n_paths), units on the shelf before the first arrival on each path.
    """
    delays, shape = positions.delays, (positions.n_series, len(needs))
    return Problem(
        positions=positions,
        opening=opening,
        needs=needs if delays is None else np.where(within(delays, len(needs)), shifted(needs, delays), 0.0),
        unit_cost=positions.unit_cost[:, None] * expected_later(np.ones(shape), delays),
        holding_cost=np.broadcast_to(positions.holding_cost[:, None], shape),
        largest=positions.largest_by_step[:, : len(needs)],
    )
