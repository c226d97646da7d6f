"""Inventory simulated over demand paths: what a policy would have cost.

Order of events: at the end of step t-1 the order is placed, knowing demand up to t-1; it is on the shelf at the start of step
t + lead_time. In each step: receive, sell, count cost. An order that would arrive after the last step is not placed: it could
change nothing that is counted.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from replen.plan.positions import Positions

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Known:
    """What a policy may see when it orders: nothing of the step it orders for, or later.

    Attributes:
        step: the step before whose demand the order is placed.
        on_hand: shape (n_series, n_paths), units on the shelf.
        backorders: shape (n_series, n_paths), units owed; zero under lost sales.
        due: shape (n_steps - step, n_series, n_paths), units on their way by step of arrival, this step first.
        demand: shape (step, n_series, n_paths), demand so far.
    """

    step: int
    on_hand: FloatArray
    backorders: FloatArray
    due: FloatArray
    demand: FloatArray

    @property
    def inventory_position(self) -> FloatArray:
        """Return on hand + on order - backorders, (n_series, n_paths), units."""
        return np.asarray(self.on_hand + self.due.sum(axis=0) - self.backorders)


class Policy(Protocol):
    """Decides what to order at one review."""

    def __call__(self, known: Known) -> FloatArray:
        """Return units to order, shape (n_series, n_paths), >= 0; ignored for series that have no review at this step."""


@dataclass(frozen=True)
class History:
    """What happened, arrays of shape (n_steps, n_series, n_paths), units.

    Attributes:
        orders: placed before the step's demand.
        on_hand: left at the end of the step.
        short: demand of the step that was lost, or units owed at its end under backorders.
        demand: wanted in the step.
        sold: demand of the step served from the shelf within the step.
    """

    orders: FloatArray
    on_hand: FloatArray
    short: FloatArray
    demand: FloatArray
    sold: FloatArray


@dataclass(frozen=True)
class Score:
    """Money and service by series, means over paths, all of shape (n_series,).

    Attributes:
        purchase: money for units ordered.
        order_lines: money for order lines.
        holding: money for units left at the end of each step.
        shortage: money for lost sales, or for units owed at the end of each step.
        end_value: money that units left after the last step are worth.
        demand: units wanted.
        sold: units served from the shelf in the step they were wanted in.
        cycle_service_level: share of steps without a shortage, 0..1.
    """

    purchase: FloatArray
    order_lines: FloatArray
    holding: FloatArray
    shortage: FloatArray
    end_value: FloatArray
    demand: FloatArray
    sold: FloatArray
    cycle_service_level: FloatArray

    @property
    def cost(self) -> FloatArray:
        """Return all money less the end value, (n_series,)."""
        return self.purchase + self.order_lines + self.holding + self.shortage - self.end_value

    @property
    def fill_rate(self) -> FloatArray:
        """Return the share of demand served at once, (n_series,), 0..1; 1 where nothing was wanted."""
        return np.divide(self.sold, self.demand, out=np.ones_like(self.sold), where=self.demand > 0)


def simulate(positions: Positions, demand: FloatArray, policy: Policy, *, backorders: bool = False) -> History:
    """Return what happens on every path when the policy is asked at every review.

    Args:
        positions: n_series positions; receipts reach as far as demand.
        demand: shape (n_steps, n_series, n_paths), units.
        policy: what orders.
        backorders: True: unmet demand waits and is served first; False: it is lost (positions then owe nothing, see
            `plan.positions.serve_backorders`).
    """
    n_steps, rows = len(demand), np.arange(positions.n_series)
    due = np.repeat(positions.receipts.T[:, :, None], demand.shape[2], axis=2)
    orders, on_hand, short, sold = (np.zeros(demand.shape) for _ in range(4))
    net = np.repeat((positions.on_hand - positions.backorders)[:, None], demand.shape[2], axis=1)
    for step in range(n_steps):
        known = Known(step, np.maximum(net, 0.0), np.maximum(-net, 0.0), due[step:].copy(), demand[:step].copy())
        arrival = step + positions.lead_time
        allowed = (step % positions.review_period == 0) & (arrival < n_steps)
        if allowed.any():
            orders[step] = np.where(allowed[:, None], policy(known), 0.0)
            due[arrival[allowed], rows[allowed]] += orders[step, allowed]
        available = net + due[step]
        net = available - demand[step]
        on_hand[step], short[step] = np.maximum(net, 0.0), np.maximum(-net, 0.0)
        sold[step] = np.minimum(np.maximum(available, 0.0), demand[step])
        net = net if backorders else on_hand[step].copy()
    return History(orders, on_hand, short, demand, sold)


def score(positions: Positions, history: History, *, backorders: bool = False, first_step: int = 0) -> Score:
    """Return costs and service of a simulated history.

    Args:
        positions: the series' costs.
        history: what `simulate` returned.
        backorders: as given to `simulate`.
        first_step: steps before it are not scored.
    """

    def total(units: FloatArray) -> FloatArray:
        return np.asarray(units[first_step:].sum(axis=0).mean(axis=1))

    short = history.short[first_step:]
    return Score(
        purchase=positions.unit_cost * total(history.orders),
        order_lines=positions.order_cost * total((history.orders > 0).astype(np.float64)),
        holding=positions.holding_cost * total(history.on_hand),
        shortage=(positions.backorder_cost if backorders else positions.lost_sale_cost) * total(history.short),
        end_value=positions.end_value * history.on_hand[-1].mean(axis=1),
        demand=total(history.demand),
        sold=total(history.sold),
        cycle_service_level=(short <= 0).mean(axis=(0, 2)),
    )
