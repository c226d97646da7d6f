"""What is left to decide: the series of a bucket, grouped by lead time, from the first arrival to the horizon."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from replen.plan.delays import expected_later, shifted, within
from replen.plan.path_tree import Terms
from replen.plan.positions import Positions
from replen.plan.projection import Projection, open_orders
from replen.plan.timing import BoolArray, FloatArray


@dataclass(frozen=True)
class Problem:
    """Series with one shortest lead time; whatever else differs between them or from step to step is an array.

    An order of step t meets the needs of row t: rows count from the first arrival, not from the plan date, and where lead times
    vary from the arrival on each path (see `delays`): the last rows of a late path lie past the horizon, where nothing is
    needed and nothing costs money. Costs are those of the problem, not of `positions`: whoever prices a limit adds the price
    here.

    Attributes:
        positions: n_series positions without backorders (see `serve_backorders`).
        opening: shape (n_series, n_paths), units on the shelf before the first arrival.
        needs: shape (n_steps, n_series, n_paths), demand less receipts of open orders; below zero where these are more.
        unit_cost: shape (n_series, n_steps), expected money a unit ordered at the step; what never arrives is not paid for.
        holding_cost: shape (n_series, n_steps), or (n_series, n_steps, n_paths) where lead times vary: money a unit left at the
            end of the step.
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
    def stock_cost(self) -> FloatArray:
        """Return money a unit left at the end of the step, (n_series, n_steps, n_paths), or one path that stands for all."""
        shared = self.holding_cost.shape == self.largest.shape
        return self.holding_cost[:, :, None] if shared else self.holding_cost

    @property
    def arriving(self) -> FloatArray:
        """Return the share of paths on which an order of the step arrives within the horizon, (n_series, n_steps)."""
        return expected_later(np.ones(self.largest.shape), self.positions.delays)

    @property
    def last(self) -> BoolArray:
        """Return the last step of each path within the horizon, (n_steps, n_series, n_paths), or one path of one series."""
        counted = within(self.positions.delays, len(self.needs))
        return np.asarray(counted & ~np.concatenate([counted[1:], np.zeros_like(counted[:1])]))

    @property
    def terms(self) -> Terms:
        """Return the money of orders and stock once lost units are written as needs - orders + stock at the horizon."""
        lost_sale_cost, stock = self.positions.lost_sale_cost[:, None], self.stock_cost
        left = (lost_sale_cost - self.positions.end_value[:, None])[:, :, None]
        stock = np.where(self.last.transpose(1, 0, 2), stock + left, stock)
        return Terms(self.unit_cost - lost_sale_cost * self.arriving, stock, self.largest)

    def stock(self, quantities: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return expected money of the units left at the end of each step, (n_series, n_steps), and units left on each path."""
        stock, held = self.opening.copy(), np.empty(quantities.shape)
        left, prices, last = self.opening.copy(), self.stock_cost, self.last
        for step, needs in enumerate(self.needs):
            stock += quantities[:, step, None]
            stock -= needs
            np.maximum(stock, 0.0, out=stock)
            held[:, step] = _expected_money(prices[:, step], stock)
            np.copyto(left, stock, where=last[step])
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
        spent = (self.unit_cost * quantities + held).sum(axis=1)
        return np.asarray(spent + lines + costs.lost_sale_cost * lost - costs.end_value * remaining)


def _expected_money(prices: FloatArray, units: FloatArray) -> FloatArray:
    """Return prices x units, mean over paths, (n_series,); prices of (n_series, 1) are those of all paths."""
    return np.asarray(prices[:, 0] * units.mean(axis=1) if prices.shape[1] == 1 else (prices * units).mean(axis=1))


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

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Self:
        """Return the prices of the chosen series."""
        return type(self)(self.order[rows], self.receipt[rows], self.stock[rows])


def largest_orders(positions: Positions, prices: Prices) -> FloatArray:
    """Return the units that may be ordered at each step at most, (n_series, horizon); 0 where limits leave no room."""
    return np.where(np.isfinite(prices.order), positions.largest_by_step, 0.0)


def problems(
    positions: Positions, demand: FloatArray, idle: Projection, prices: Prices | None = None
) -> Iterator[tuple[NDArray[np.intp], Problem]]:
    """Yield rows and problem of the series of each lead time with which an order can arrive in time.

    Args:
        positions: n_series positions without backorders.
        demand: shape (horizon, n_series, n_paths), units.
        idle: what happens if nothing is ordered.
        prices: of limits that couple series; None = there are none.
    """
    prices = prices or Prices.none(positions)
    needs = demand - open_orders(positions)
    kinds = np.column_stack([positions.lead_time, positions.varies])
    for lead_time, late in np.unique(kinds[positions.lead_time < len(demand)], axis=0):
        rows = np.flatnonzero((kinds == (lead_time, late)).all(axis=1))
        group = positions.take(rows) if late else replace(positions, delays=None).take(rows)
        problem = _unpriced(group, needs[:, rows], idle.ending[:, rows])
        yield rows, priced(problem, prices.take(rows))


def _unpriced(positions: Positions, needs: FloatArray, idle: FloatArray) -> Problem:
    """Return the problem of series with one shortest lead time and no limits.

    Args:
        positions: n_series positions.
        needs: shape (horizon, n_series, n_paths), demand less receipts of open orders by calendar step.
        idle: shape (horizon, n_series, n_paths), units left at the end of the calendar step if nothing is ordered.
    """
    first, delays, horizon = int(positions.lead_time[0]), positions.delays, len(needs)
    stock = np.concatenate([np.broadcast_to(positions.on_hand[:, None], idle[:1].shape), idle])
    counted, holding = within(delays, horizon - first), positions.holding_cost[:, None]
    whole = np.repeat(holding, horizon - first, axis=1)
    arrives = expected_later(np.ones(whole.shape), delays)
    return Problem(
        positions=positions,
        opening=np.where(counted[0], shifted(stock[first:], delays)[0], 0.0),
        needs=np.where(counted, shifted(needs[first:], delays), 0.0),
        unit_cost=positions.unit_cost[:, None] * arrives,
        holding_cost=whole if delays is None else np.where(counted.transpose(1, 0, 2), holding[:, :, None], 0.0),
        largest=positions.largest_by_step[:, : horizon - first],
    )


def priced(problem: Problem, prices: Prices) -> Problem:
    """Return the problem with prices of limits: an order pays its receipts' prices as often as it arrives in each step.

    Args:
        problem: n_series series without limits.
        prices: of the same series, by calendar step.
    """
    delays, n_steps = problem.positions.delays, len(problem.needs)
    first = prices.order.shape[1] - n_steps
    order = prices.order[:, :n_steps] + expected_later(prices.receipt[:, first:], delays)
    stock = prices.stock[:, first:]
    if delays is not None:
        on_path = shifted(np.repeat(stock.T[:, :, None], delays.shape[1], axis=2), delays)
        stock = np.where(within(delays, n_steps), on_path, 0.0).transpose(1, 0, 2)
    return replace(
        problem,
        unit_cost=problem.unit_cost + np.where(np.isfinite(order), order, 0.0),
        holding_cost=problem.holding_cost + stock,
        largest=np.where(np.isfinite(prices.order[:, :n_steps]), problem.largest, 0.0),
    )
