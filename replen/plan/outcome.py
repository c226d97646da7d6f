"""A bucket planned: positions and paths in, quantities by step with their projection, levels and proof out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from replen.plan.levels import worthwhile_units
from replen.plan.packs import whole_packs
from replen.plan.positions import Positions, serve_backorders
from replen.plan.problem import problems
from replen.plan.program import solve_lost_sales
from replen.plan.projection import Projection, arrivals, project, step_costs
from replen.plan.timing import FloatArray

ROUNDED = 1e-6  # units: smaller differences are the solver's
FURTHER_UNIT = 1e-6  # packs: "a further unit" when levels are read off


@dataclass(frozen=True)
class Outcome:
    """The plans of n_series series.

    Attributes:
        positions: as given, backorders included.
        quantities: shape (n_series, horizon), units ordered by step, whole packs.
        targets: shape (n_series, horizon), units the program asked for before packs.
        receipts: shape (n_series, horizon), units on the shelf at the start of the step: open orders and these orders.
        mean_demand: shape (n_series, horizon), units.
        mean_on_hand: shape (n_series, horizon), expected units at the end of the step.
        expected_lost: shape (n_series, horizon), units.
        expected_cost: shape (n_series, horizon), money, without end value.
        stock_at_arrival: shape (n_series,), expected units when today's order arrives; NaN if after the horizon.
        idle_end: shape (n_series,), expected units at the horizon if nothing is ordered.
        reorder_point: shape (n_series,), units; NaN where nothing is ordered today.
        order_up_to_level: shape (n_series,), units; NaN where nothing is ordered today.
        dual_bound: shape (n_series,), money; NaN = the solver gave no proof.
        feasible_cost: shape (n_series,), money, end value taken off.
        constant_cost: shape (n_series,), money.
        solved: shape (n_series,), True where the solver was needed.
    """

    positions: Positions
    quantities: FloatArray
    targets: FloatArray
    receipts: FloatArray
    mean_demand: FloatArray
    mean_on_hand: FloatArray
    expected_lost: FloatArray
    expected_cost: FloatArray
    stock_at_arrival: FloatArray
    idle_end: FloatArray
    reorder_point: FloatArray
    order_up_to_level: FloatArray
    dual_bound: FloatArray
    feasible_cost: FloatArray
    constant_cost: FloatArray
    solved: NDArray[np.bool_]

    @property
    def binding(self) -> NDArray[np.str_]:
        """Return what held today's quantity, (n_series,): a limit, the pack, or `none`."""
        today, target, packs = self.quantities[:, 0], self.targets[:, 0], self.positions
        at_limit = (today > 0) & (today == packs.largest_order) & (target >= today)
        at_minimum = (today > target) & (today == packs.smallest_order) & (packs.min_order_quantity > packs.order_multiple)
        return np.select(
            [at_limit, at_minimum, np.abs(today - target) > ROUNDED],
            ["max_order_quantity", "min_order_quantity", "order_multiple"],
            default="none",
        )


def plan_series(positions: Positions, demand: FloatArray) -> Outcome:
    """Return the plans of all series.

    Args:
        positions: n_series positions.
        demand: shape (horizon, n_series, n_paths), units.
    """
    served, demand = serve_backorders(positions, demand)
    nothing = np.zeros(positions.receipts.shape)
    idle = project(served.on_hand, served.receipts, demand)
    idle_costs = step_costs(served, nothing, idle)
    decided = np.arange(len(demand)) < positions.lead_time[:, None]
    constant = np.where(decided, idle_costs, 0.0).sum(axis=1)
    quantities, targets, levels = nothing.copy(), nothing.copy(), np.full((positions.n_series, 2), np.nan)
    bound = idle_costs.sum(axis=1) - positions.end_value * idle.ending[-1].mean(axis=1)
    solved = np.zeros(positions.n_series, dtype=bool)
    for rows, problem in problems(served, demand, idle):
        relaxed = solve_lost_sales(problem)
        whole = whole_packs(problem, relaxed.quantities)
        steps = np.arange(whole.shape[1])
        targets[rows[:, None], steps], quantities[rows[:, None], steps] = relaxed.quantities, whole
        bound[rows], solved[rows] = constant[rows] + relaxed.cost, relaxed.solved
        ordered = np.flatnonzero(whole[:, 0] > 0)
        if len(ordered):
            part, plan = problem.take(ordered), whole[ordered]
            lines = (part.positions.smallest_order, FURTHER_UNIT * part.positions.order_multiple)
            levels[rows[ordered]] = np.stack([worthwhile_units(part, plan, line) for line in lines], axis=1)
    projection = project(served.on_hand, arrivals(served, quantities), demand)
    costs = step_costs(served, quantities, projection)
    return Outcome(
        positions=positions,
        quantities=quantities,
        targets=targets,
        receipts=arrivals(positions, quantities),
        mean_demand=demand.mean(axis=2).T,
        mean_on_hand=projection.ending.mean(axis=2).T,
        expected_lost=projection.lost.mean(axis=2).T,
        expected_cost=costs,
        stock_at_arrival=_stock_at_arrival(served, idle),
        idle_end=idle.ending[-1].mean(axis=1),
        reorder_point=positions.inventory_position + levels[:, 0],
        order_up_to_level=positions.inventory_position + levels[:, 1],
        dual_bound=bound,
        feasible_cost=costs.sum(axis=1) - positions.end_value * projection.ending[-1].mean(axis=1),
        constant_cost=constant,
        solved=solved,
    )


def _stock_at_arrival(positions: Positions, idle: Projection) -> FloatArray:
    """Return expected units on the shelf, open orders of that step included, when today's order arrives, (n_series,)."""
    horizon, rows = len(idle.ending), np.arange(positions.n_series)
    step = np.minimum(positions.lead_time, horizon - 1)
    before = np.where(step == 0, positions.on_hand, idle.ending[np.maximum(step - 1, 0), rows].mean(axis=1))
    return np.where(positions.lead_time < horizon, before + positions.receipts[rows, step], np.nan)
