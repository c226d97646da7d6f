"""A plan as a policy: at every review it is made again, on paths of demand conditional on what is known by then."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from replen.plan.policies.known import Known
from replen.plan.positions import Positions
from replen.plan.timing import FloatArray

Forecaster = Callable[[Known], FloatArray]
"""What is known -> sample paths from its step on, shape (horizon, n_series, n_samples), units; a function of that alone."""
Planner = Callable[[Positions, FloatArray], FloatArray]
"""Positions of n_rows rows, sample paths (horizon, n_rows, n_samples) -> orders by step, (n_rows, n_planned), today's first."""


@dataclass(frozen=True)
class Replanned:
    """Orders today's quantity of a plan made now: the program, or any rule whose levels follow the forecast.

    Attributes:
        positions: n_series positions at the start; later ones have the stock and receipts of their time.
        forecast: the forecaster; the paths known of a series share its answer.
        plan: makes the plan, of the program for instance `lambda positions, demand: plan_series(positions, demand).quantities`.
    """

    positions: Positions
    forecast: Forecaster
    plan: Planner

    def __call__(self, known: Known) -> FloatArray:
        """Return units to order, (n_series, n_paths)."""
        return np.asarray(self.orders_by_step(known)[0])

    def orders_by_step(self, known: Known) -> FloatArray:
        """Return the orders planned from this step on, (n_planned, n_series, n_paths); 0 for series without a review now."""
        paths, (n_series, n_paths) = self.forecast(known), known.on_hand.shape
        rows = np.flatnonzero(self.positions.may_order[:, known.step])
        now = positions_of(self.positions.take(rows), known.take(rows), horizon=len(paths))
        quantities = self.plan(now, np.repeat(paths[:, rows], n_paths, axis=1))
        orders = np.zeros((quantities.shape[1], n_series, n_paths))
        orders[:, rows] = quantities.T.reshape(-1, len(rows), n_paths)
        return orders


def positions_of(positions: Positions, known: Known, *, horizon: int) -> Positions:
    """Return the positions at a later time, one row a series and path known: path 0 of series 0, path 1 of series 0, ...

    Args:
        positions: n_series positions at the start.
        known: of the same series.
        horizon: steps of the receipts; of what is due, later units are cut, and zeros follow.
    """
    n_series, n_paths = known.on_hand.shape
    receipts = np.zeros((n_series * n_paths, horizon))
    due = known.due[:horizon].reshape(-1, n_series * n_paths)
    receipts[:, : len(due)] = due.T
    rows = positions.take(np.repeat(np.arange(n_series), n_paths))
    window = None
    if rows.order_window is not None:
        ahead = rows.order_window[:, known.step :][:, :horizon]
        window = np.pad(ahead, ((0, 0), (0, horizon - ahead.shape[1])), constant_values=True)
    on_hand, backorders = known.on_hand.ravel(), known.backorders.ravel()
    return replace(rows, on_hand=on_hand, backorders=backorders, receipts=receipts, order_window=window)
