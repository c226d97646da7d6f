"""Inventory projected over sample paths: what is left, what is lost, what it costs."""

from dataclasses import dataclass

import numpy as np

from replen.plan.positions import Positions
from replen.plan.timing import FloatArray


def by_step(demand_paths: FloatArray) -> FloatArray:
    """Return paths of shape (n_series, n_paths, horizon) as (horizon, n_series, n_paths), contiguous, never below zero."""
    return np.maximum(np.ascontiguousarray(np.moveaxis(demand_paths, 2, 0), dtype=np.float64), 0.0)


def arrivals(positions: Positions, quantities: FloatArray) -> FloatArray:
    """Return units on the shelf at the start of each step, (n_series, horizon): open orders, and orders by step placed."""
    total = positions.receipts.copy()
    horizon = total.shape[1]
    rows, steps = np.nonzero(quantities)
    arrive = steps + positions.lead_time[rows]
    inside = arrive < horizon
    np.add.at(total, (rows[inside], arrive[inside]), quantities[rows[inside], steps[inside]])
    return total


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
        receipts: shape (n_series, horizon), units at the start of each step.
        demand: shape (horizon, n_series, n_paths), units.

    >>> project(np.array([3.0]), np.array([[0.0, 2.0]]), np.array([[[1.0, 5.0]], [[4.0, 1.0]]])).ending.tolist()
    [[[2.0, 0.0]], [[0.0, 1.0]]]
    """
    ending, short = np.empty_like(demand), np.empty_like(demand)
    stock = opening if opening.ndim > 1 else opening[:, None]
    for step, wanted in enumerate(demand):
        net = stock + receipts[:, step, None] - wanted
        stock = np.maximum(net, 0.0, out=ending[step])
        np.subtract(stock, net, out=short[step])
    return Projection(ending, short)


def project_backorders(net: FloatArray, receipts: FloatArray, running: FloatArray) -> Projection:
    """Return the stock of every path where demand that is not met waits.

    Args:
        net: shape (n_series,), units on the shelf less those owed before the first step.
        receipts: shape (n_series, horizon), units at the start of each step.
        running: shape (horizon, n_series, n_paths), units wanted up to and with each step.
    """
    supplied = net[:, None] + np.cumsum(receipts, axis=1)
    left = supplied.T[:, :, None] - running
    return Projection(np.maximum(left, 0.0), np.maximum(-left, 0.0))


def step_costs(
    positions: Positions, quantities: FloatArray, projection: Projection, short_cost: FloatArray | None = None
) -> FloatArray:
    """Return expected money by step, (n_series, horizon): purchase, order lines, holding, units short; no end value.

    Args:
        positions: n_series positions.
        quantities: shape (n_series, horizon), units ordered by step.
        projection: what they lead to.
        short_cost: shape (n_series,), money a unit short; None = lost_sale_cost.
    """
    purchase = positions.unit_cost[:, None] * quantities + positions.order_cost[:, None] * (quantities > 0)
    holding = positions.holding_cost[:, None] * projection.ending.mean(axis=2).T
    short = (positions.lost_sale_cost if short_cost is None else short_cost)[:, None] * projection.short.mean(axis=2).T
    return np.asarray(purchase + holding + short)
