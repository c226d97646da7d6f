"""Inventory projected over sample paths: what is left, what is lost, what it costs."""

from dataclasses import dataclass

import numpy as np

from replen.plan.delays import delayed, expected_delayed, expected_later
from replen.plan.delays_kernel import running_net
from replen.plan.positions import Positions
from replen.plan.timing import FloatArray, by_arrival, by_order_step


def by_step(demand_paths: FloatArray) -> FloatArray:
    """Return paths of shape (n_series, n_paths, horizon) as (horizon, n_series, n_paths), contiguous, never below zero."""
    return np.maximum(np.ascontiguousarray(np.moveaxis(demand_paths, 2, 0), dtype=np.float64), 0.0)


def arrivals(positions: Positions, quantities: FloatArray) -> FloatArray:
    """Return expected units on the shelf at the start of each step, (n_series, horizon): open orders, orders by step placed."""
    ordered = by_arrival(quantities, positions.lead_time)
    return expected_delayed(positions.receipts, positions.lateness) + expected_delayed(ordered, positions.delays)


def arrivals_by_path(positions: Positions, quantities: FloatArray) -> FloatArray:
    """Return these units on every path, (horizon, n_series, n_paths); (horizon, n_series, 1) where none is late."""
    return open_orders(positions) + delayed(by_arrival(quantities, positions.lead_time), positions.delays)


def open_orders(positions: Positions) -> FloatArray:
    """Return units of open orders on every path, (horizon, n_series, n_paths); (horizon, n_series, 1) where none is late."""
    return delayed(positions.receipts, positions.lateness)


def before_arrival(positions: Positions, values: FloatArray) -> FloatArray:
    """Return expected values by step, (n_series, horizon), on each path up to the arrival of the first order, then 0.

    Args:
        positions: n_series positions.
        values: shape (horizon, n_series, n_paths).
    """
    steps = np.arange(len(values))
    if positions.delays is None:
        return np.where(steps < positions.lead_time[:, None], values.mean(axis=2).T, 0.0)
    return np.asarray(np.where(steps[:, None, None] < positions.lead_times, values, 0.0).mean(axis=2).T)


def stock_before_arrival(positions: Positions, ending: FloatArray) -> FloatArray:
    """Return units on the shelf before the first order arrives, (n_series, n_paths), or before the last step if none does.

    Args:
        positions: n_series positions.
        ending: shape (horizon, n_series, n_paths), units left at the end of each step if nothing is ordered.
    """
    step = np.minimum(positions.lead_times, len(ending) - 1)
    before = ending[np.maximum(step - 1, 0), np.arange(positions.n_series)[:, None], np.arange(ending.shape[2])]
    return np.where(step == 0, positions.on_hand[:, None], before)


def delivered_share(positions: Positions) -> FloatArray:
    """Return the share of paths on which an order arrives within the horizon, (n_series, horizon), by step of the order."""
    on_shelf = expected_later(np.ones(positions.receipts.shape), positions.delays)
    return by_order_step(on_shelf, positions.lead_time)


@dataclass(frozen=True)
class Projection:
    """Stock on every path.

    Attributes:
        ending: shape (horizon, n_series, n_paths), units left at the end of the step.
        short: shape (horizon, n_series, n_paths), units of the step's demand that are lost, or units owed at its end.
    """

    ending: FloatArray
    short: FloatArray


def project(opening: FloatArray, receipts: FloatArray, demand: FloatArray) -> Projection:
    """Return the stock of every path: each step receives, then sells what there is, and loses the rest.

    Args:
        opening: shape (n_series,) or (n_series, n_paths), units on the shelf before the first step.
        receipts: shape (n_series, horizon) or by path (horizon, n_series, n_paths or 1), units at the start of each step.
        demand: shape (horizon, n_series, n_paths), units.

    >>> project(np.array([3.0]), np.array([[0.0, 2.0]]), np.array([[[1.0, 5.0]], [[4.0, 1.0]]])).ending.tolist()
    [[[2.0, 0.0]], [[0.0, 1.0]]]
    """
    ending, short = np.empty_like(demand), np.empty_like(demand)
    stock = opening if opening.ndim > 1 else opening[:, None]
    for step, (received, wanted) in enumerate(zip(_by_path(receipts), demand, strict=True)):
        net = stock + received - wanted
        stock = np.maximum(net, 0.0, out=ending[step])
        np.subtract(stock, net, out=short[step])
    return Projection(ending, short)


def project_backorders(net: FloatArray, receipts: FloatArray, running: FloatArray) -> Projection:
    """Return the stock of every path where demand that is not met waits.

    Args:
        net: shape (n_series,), units on the shelf less those owed before the first step.
        receipts: shape (n_series, horizon) or by path (horizon, n_series, n_paths or 1), units at the start of each step.
        running: shape (horizon, n_series, n_paths), units wanted up to and with each step.
    """
    ending, short = np.empty_like(running), np.empty_like(running)
    running_net(net, _by_path(receipts), running, ending, short)
    return Projection(ending, short)


def _by_path(receipts: FloatArray) -> FloatArray:
    """Return receipts as (horizon, n_series, n_paths or 1)."""
    return receipts.T[:, :, None] if receipts.ndim == 2 else receipts  # noqa: PLR2004


def step_costs(
    positions: Positions, quantities: FloatArray, projection: Projection, short_cost: FloatArray | None = None
) -> FloatArray:
    """Return expected money by step, (n_series, horizon): purchase, order lines, holding, units short; no end value.

    Args:
        positions: n_series positions.
        quantities: shape (n_series, horizon), units ordered by step; what arrives after the horizon is not paid for.
        projection: what they lead to.
        short_cost: shape (n_series,), money a unit short; None = lost_sale_cost.
    """
    delivered = quantities * delivered_share(positions)
    purchase = positions.unit_cost[:, None] * delivered + positions.order_cost[:, None] * (quantities > 0)
    holding = positions.holding_cost[:, None] * projection.ending.mean(axis=2).T
    short = (positions.lost_sale_cost if short_cost is None else short_cost)[:, None] * projection.short.mean(axis=2).T
    return np.asarray(purchase + holding + short)
