"""The VN2 inventory game: eight weeks, six orders that take two weeks, lost sales; its policies, played in the simulator.

Weeks 1 and 2 follow from the opening state alone, so weeks 3 to 8 are scored: every order counts in the week it arrives.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from replen.evaluate.simulation import score, simulate
from replen.evaluate.tuning import Window
from replen.plan.policies.known import Known, Policy
from replen.plan.positions import Positions

FloatArray = NDArray[np.float64]

N_WEEKS, N_ORDERS, LEAD_TIME, FIRST_SCORED = 8, 6, 2, 2
HOLDING_COST, LOST_SALE_COST = 0.2, 1.0
COVER = 4
"""Weeks of forecast that the first reference policy orders up to."""
BUFFER = 0.8 * 0.9674
"""Of the second reference policy: times the square root of the forecast of the week of delivery; z of 5/6 is 0.9674."""


@dataclass(frozen=True)
class Opening:
    """Stock before the first order: units on hand, shape (n_series,), and due in weeks 1 and 2, shape (n_series, 2)."""

    on_hand: FloatArray
    receipts: FloatArray

    @classmethod
    def empty(cls, n_series: int) -> "Opening":
        """Return the opening without any stock."""
        return cls(np.zeros(n_series), np.zeros((n_series, LEAD_TIME)))

    def positions(self) -> Positions:
        """Return the series as the simulator wants them."""
        n_series = len(self.on_hand)
        nothing, one = np.zeros(n_series), np.ones(n_series)
        return Positions(
            on_hand=self.on_hand,
            backorders=nothing,
            receipts=np.pad(self.receipts, ((0, 0), (0, N_WEEKS - LEAD_TIME))),
            lead_time=np.full(n_series, LEAD_TIME),
            review_period=np.ones(n_series, np.int64),
            order_multiple=one,
            min_order_quantity=nothing,
            max_order_quantity=np.full(n_series, np.inf),
            unit_cost=nothing,
            holding_cost=np.full(n_series, HOLDING_COST),
            lost_sale_cost=np.full(n_series, LOST_SALE_COST),
            backorder_cost=nothing,
            order_cost=nothing,
            end_value=nothing,
        )


@dataclass(frozen=True)
class Played:
    """What a policy did and cost in one window.

    Attributes:
        orders: shape (N_ORDERS, n_series), units.
        holding: shape (n_series,), money for units left at the end of the scored weeks.
        shortage: shape (n_series,), money for sales lost in the scored weeks.
        all_weeks: shape (n_series,), money in all weeks.
    """

    orders: FloatArray
    holding: FloatArray
    shortage: FloatArray
    all_weeks: FloatArray

    @property
    def cost(self) -> FloatArray:
        """Return money in the scored weeks, shape (n_series,)."""
        return self.holding + self.shortage


def game(opening: Opening, demand: FloatArray) -> Window:
    """Return the window of a game; `opening` and `demand` are as in `play`."""
    return Window(opening.positions(), np.ascontiguousarray(demand.T[:, :, None], np.float64), FIRST_SCORED)


def play(opening: Opening, demand: FloatArray, policy: Policy) -> Played:
    """Return what happens when a policy is asked before each of the first six weeks.

    Args:
        opening: n_series series.
        demand: shape (n_series, N_WEEKS), units wanted.
        policy: its orders are rounded to whole units.
    """
    window = game(opening, demand)
    history = simulate(window.positions, window.demand, Rounded(policy))
    scored, all_weeks = score(window.positions, history, first_step=FIRST_SCORED), score(window.positions, history)
    return Played(history.orders[:N_ORDERS, :, 0], scored.holding, scored.shortage, all_weeks.cost)


@dataclass(frozen=True)
class Rounded:
    """Another policy's orders in whole units, at least 0."""

    policy: Policy

    def __call__(self, known: Known) -> FloatArray:
        """Return units to order, (n_series, 1)."""
        return np.maximum(np.round(self.policy(known)), 0.0)


@dataclass(frozen=True)
class Cover:
    """Orders up to four weeks' forecast on the inventory position; `forecasts`: by step, shape (n_series, COVER)."""

    forecasts: Sequence[FloatArray]

    def __call__(self, known: Known) -> FloatArray:
        """Return units to order, (n_series, 1)."""
        return np.asarray(self.forecasts[known.step][:, :COVER].sum(axis=1)[:, None] - known.inventory_position)


@dataclass(frozen=True)
class SquareRootBuffer:
    """Orders the forecast of the week of delivery and a buffer, less the stock projected to it.

    Attributes:
        forecasts: by step, shape (n_series, LEAD_TIME + 1 or more), units.
    """

    forecasts: Sequence[FloatArray]

    def __call__(self, known: Known) -> FloatArray:
        """Return units to order, (n_series, 1)."""
        forecast = self.forecasts[known.step][:, None]
        wanted = forecast[:, :, LEAD_TIME]
        return np.asarray(wanted + BUFFER * np.sqrt(wanted) - stock_at_delivery(known, forecast))


@dataclass(frozen=True)
class FractileOfNeed:
    """Orders so much that the week of delivery is served with a given probability, over paths of demand until then.

    The need of a path is its demand in the week of delivery less the stock that is left when the order arrives. One unit more
    costs HOLDING_COST a week until it is sold, one too few LOST_SALE_COST: were each week on its own, the fractile of need that
    costs least would be 5/6; stock that the next weeks cannot use up makes it smaller.

    Attributes:
        paths: by step, shape (n_series, n_paths, LEAD_TIME + 1), units.
        fractile: in (0, 1).
    """

    paths: Sequence[FloatArray]
    fractile: float

    def __call__(self, known: Known) -> FloatArray:
        """Return units to order, (n_series, 1)."""
        paths = self.paths[known.step]
        need = paths[:, :, LEAD_TIME] - stock_at_delivery(known, paths)
        return np.quantile(need, self.fractile, axis=1, keepdims=True, method="inverted_cdf")


def stock_at_delivery(known: Known, demand: FloatArray) -> FloatArray:
    """Return units left on each path when an order placed now arrives, shape (n_series, n_paths).

    Args:
        known: of one path, or of n_paths.
        demand: shape (n_series, n_paths, LEAD_TIME or more), units from this step on.
    """
    stock = known.on_hand
    for step in range(LEAD_TIME):
        stock = np.maximum(stock + known.due[step] - demand[:, :, step], 0.0)
    return stock
