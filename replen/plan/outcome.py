"""A bucket planned: positions and paths in, quantities by step with their projection, levels and proof out."""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from replen import tables as t
from replen.config import SafetyStock
from replen.plan.decide import lifted
from replen.plan.delays import mean_within
from replen.plan.in_time import decide
from replen.plan.kept import Keeping, LastPlan, keep_last
from replen.plan.policies.assigned import PROGRAM, Assigned
from replen.plan.positions import Positions
from replen.plan.prepared import Prepared
from replen.plan.problem import Prices
from replen.plan.projection import Projection, arrivals, open_orders, stock_before_arrival
from replen.plan.ruled import under_rules
from replen.plan.timing import BoolArray, FloatArray

HELD_BY = (
    t.LAST_PLAN,
    t.MAX_ORDER_QUANTITY,
    t.SHELF_LIFE_DAYS,
    t.SAFETY_STOCK,
    t.MIN_ORDER_QUANTITY,
    t.ORDER_MULTIPLE,
)
"""What may hold today's quantity; the first that does is named."""
ROUNDED = 1e-6  # units: smaller differences are the solver's


@dataclass(frozen=True)
class Outcome:
    """The plans of n_series series.

    Attributes:
        positions: backorders included; reviewed as the policy does, so that rule and program are held to the same dates.
        quantities: shape (n_series, horizon), units ordered by step, whole packs.
        targets: shape (n_series, horizon), units the policy asked for before packs; later ones of rules are in packs.
        receipts: shape (n_series, horizon), expected units on the shelf at the start of the step: open orders and these orders.
        mean_demand: shape (n_series, horizon), units.
        mean_on_hand: shape (n_series, horizon), expected units at the end of the step.
        expected_short: shape (n_series, horizon), units lost, or owed at the end of the step.
        expected_cost: shape (n_series, horizon), money, without end value; units below a soft safety stock at their price.
        stock_at_arrival: shape (n_series,), expected units when today's order arrives, on the paths on which it does so
            within the horizon; NaN if on none.
        idle_end: shape (n_series,), expected units at the horizon if nothing is ordered.
        reorder_point: shape (n_series,), units; NaN where the program orders nothing today.
        order_up_to_level: shape (n_series,), units; NaN where the program orders nothing today.
        dual_bound: shape (n_series,), money, with the prices of what is used of limits; NaN = the solver gave no proof.
        feasible_cost: shape (n_series,), money, end value taken off, the charge for changing the last plan put on.
        constant_cost: shape (n_series,), money.
        solver: shape (n_series,), what found the quantities; `none` where nothing was to be decided.
        policy: shape (n_series,), what set the quantities: the program, or the name of a rule.
        missing: shape (n_series, horizon), units by which a hard safety stock gives way.
        expiring: shape (n_series,), expected units of stock and open orders that expire unsold.
        largest: shape (n_series, horizon), units that may be ordered at each step at most.
        floored: shape (n_series,), whether today's order is the larger for a safety stock that is asked for.
        in_time: shape (n_series,), whether today's order is another one because units of it would expire.
        kept: shape (n_series,), whether the last plan is kept though another one costs less, its charge left out.
    """

    positions: Positions
    quantities: FloatArray
    targets: FloatArray
    receipts: FloatArray
    mean_demand: FloatArray
    mean_on_hand: FloatArray
    expected_short: FloatArray
    expected_cost: FloatArray
    stock_at_arrival: FloatArray
    idle_end: FloatArray
    reorder_point: FloatArray
    order_up_to_level: FloatArray
    dual_bound: FloatArray
    feasible_cost: FloatArray
    constant_cost: FloatArray
    solver: NDArray[np.str_]
    policy: NDArray[np.str_]
    missing: FloatArray
    expiring: FloatArray
    largest: FloatArray
    floored: BoolArray
    in_time: BoolArray
    kept: BoolArray

    def take(self, rows: NDArray[np.intp]) -> Self:
        """Return the chosen series."""
        arrays = {field.name: getattr(self, field.name)[rows] for field in fields(self) if field.name != "positions"}
        return type(self)(positions=self.positions.take(rows), **arrays)

    @property
    def binding(self) -> NDArray[np.str_]:
        """Return what held today's quantity, (n_series,): a key of `HELD_BY`, or `none`."""
        today, target, packs = self.quantities[:, 0], self.targets[:, 0], self.positions
        at_most = (today > 0) & (today == self.largest[:, 0]) & (target >= today)
        perishes = at_most | self.in_time
        at_minimum = (today > target) & (today == packs.smallest_order) & (packs.min_order_quantity > packs.order_multiple)
        return np.select(
            [
                self.kept,
                at_most & (today == packs.largest_order),
                perishes,
                self.floored,
                at_minimum,
                np.abs(today - target) > ROUNDED,
            ],
            list(map(str, HELD_BY)),
            default="none",
        )


def plan_series(
    positions: Positions,
    demand: FloatArray,
    prices: Prices | None = None,
    *,
    assigned: Assigned | None = None,
    waits: bool = False,
    with_levels: bool = True,
    safety_stock: SafetyStock | None = None,
) -> Outcome:
    """Return the plans of all series.

    Args:
        positions: n_series positions.
        demand: shape (horizon, n_series, n_paths), units.
        prices: of limits that couple series, in the dual bound but not in the costs; None = there are none.
        assigned: which policy each series has; None = the program has all.
        waits: True: demand that is not met waits (backorders); False: it is lost.
        with_levels: False leaves reorder point and order-up-to level NaN, and targets what they are in whole lines.
        safety_stock: asked for beside what costs ask for, where demand waits; None = none.
    """
    assigned = assigned or Assigned.program(positions.n_series)
    positions = assigned.reviewed(positions)
    ready = Prepared.of(positions, demand, waits=waits, safety_stock=safety_stock)
    return plan_ready(positions, ready, prices or Prices.none(positions), assigned=assigned, with_levels=with_levels)


def plan_ready(
    positions: Positions,
    ready: Prepared,
    prices: Prices,
    *,
    assigned: Assigned,
    with_levels: bool = True,
    last: LastPlan | None = None,
) -> Outcome:
    """Return the plans of series that are made ready.

    Args:
        positions: n_series positions, reviewed as their policies want them to be.
        ready: the same series.
        prices: of limits that couple series, in the dual bound but not in the costs.
        assigned: which policy each series has.
        with_levels: as in `plan_series`.
        last: what the last plans say, and what it costs to change one of the program; None = nothing.
    """
    decided = decide(ready, prices, with_levels=with_levels)
    kept, charges = np.zeros(positions.n_series, dtype=bool), np.zeros(positions.n_series)
    if last is not None:
        decided, kept, charges = keep_last(decided, ready, prices, Keeping.of(last, ready.positions, assigned.by_program))
    floored = lifted(ready, prices, decided.quantities[:, 0]) if with_levels else np.zeros_like(kept)
    decided = under_rules(decided, assigned, ready.positions, ready.demand, waits=ready.waits)
    projection = ready.played(decided.quantities)
    costs, whole_cost = ready.costs(decided.quantities, projection)
    priced_idle = (prices.stock * ready.early_stock + prices.receipt * ready.receipts).sum(axis=1)
    return Outcome(
        positions=positions,
        quantities=decided.quantities,
        targets=decided.targets,
        receipts=arrivals(positions, decided.quantities),
        mean_demand=ready.customers.mean(axis=2).T,
        mean_on_hand=projection.ending.mean(axis=2).T,
        expected_short=projection.short.mean(axis=2).T,
        expected_cost=costs,
        stock_at_arrival=_stock_at_arrival(ready.positions, ready.idle),
        idle_end=ready.idle.ending[-1].mean(axis=1),
        reorder_point=positions.inventory_position + decided.levels[:, 0],
        order_up_to_level=positions.inventory_position + decided.levels[:, 1],
        dual_bound=ready.constant + priced_idle + decided.least_cost,
        feasible_cost=whole_cost + charges,
        constant_cost=ready.constant,
        solver=decided.solver,
        policy=assigned.policies,
        missing=decided.missing,
        expiring=ready.expired.sum(axis=0).mean(axis=1),
        largest=ready.positions.largest_by_step,
        floored=floored & (assigned.policies == PROGRAM),
        in_time=decided.in_time,
        kept=kept,
    )


def _stock_at_arrival(positions: Positions, idle: Projection) -> FloatArray:
    """Return expected units on the shelf, open orders of that step included, when today's order arrives, (n_series,)."""
    horizon, rows = len(idle.ending), np.arange(positions.n_series)
    in_time = np.broadcast_to(positions.lead_times < horizon, idle.ending.shape[1:])
    before = np.where(in_time, stock_before_arrival(positions, idle.ending), 0.0).sum(axis=1) / np.maximum(
        in_time.sum(axis=1), 1
    )
    due = mean_within(open_orders(positions), positions.delays)[rows, np.minimum(positions.lead_time, horizon - 1)]
    return np.where(positions.lead_time < horizon, before + due, np.nan)
