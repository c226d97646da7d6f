"""A bucket planned: positions and paths in, quantities by step with their projection, levels and proof out."""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from replen import tables as t
from replen.plan.levels import worthwhile_units
from replen.plan.lost_sales import Solver, path_simplex, solve_lost_sales
from replen.plan.packs import whole_packs
from replen.plan.positions import Positions, serve_backorders
from replen.plan.problem import Problem, problems
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

    def take(self, rows: NDArray[np.intp]) -> Self:
        """Return the chosen series."""
        arrays = {field.name: getattr(self, field.name)[rows] for field in fields(self) if field.name != "positions"}
        return type(self)(positions=self.positions.take(rows), **arrays)

    @property
    def binding(self) -> NDArray[np.str_]:
        """Return what held today's quantity, (n_series,): a limit, the pack, or `none`."""
        today, target, packs = self.quantities[:, 0], self.targets[:, 0], self.positions
        at_limit = (today > 0) & (today == packs.largest_order) & (target >= today)
        at_minimum = (today > target) & (today == packs.smallest_order) & (packs.min_order_quantity > packs.order_multiple)
        return np.select(
            [at_limit, at_minimum, np.abs(today - target) > ROUNDED],
            [str(column) for column in (t.MAX_ORDER_QUANTITY, t.MIN_ORDER_QUANTITY, t.ORDER_MULTIPLE)],
            default="none",
        )


def plan_series(positions: Positions, demand: FloatArray, *, solver: Solver = path_simplex) -> Outcome:
    """Return the plans of all series.

    Args:
        positions: n_series positions.
        demand: shape (horizon, n_series, n_paths), units.
        solver: of the program before packs.
    """
    served, demand = serve_backorders(positions, demand)
    idle = project(served.on_hand, served.receipts, demand)
    decided = _decide(served, demand, idle, solver)
    before_arrival = np.arange(len(demand)) < positions.lead_time[:, None]
    constant = np.where(before_arrival, step_costs(served, np.zeros(positions.receipts.shape), idle), 0.0).sum(axis=1)
    projection = project(served.on_hand, arrivals(served, decided.quantities), demand)
    costs = step_costs(served, decided.quantities, projection)
    return Outcome(
        positions=positions,
        quantities=decided.quantities,
        targets=decided.targets,
        receipts=arrivals(positions, decided.quantities),
        mean_demand=demand.mean(axis=2).T,
        mean_on_hand=projection.ending.mean(axis=2).T,
        expected_lost=projection.lost.mean(axis=2).T,
        expected_cost=costs,
        stock_at_arrival=_stock_at_arrival(served, idle),
        idle_end=idle.ending[-1].mean(axis=1),
        reorder_point=positions.inventory_position + decided.levels[:, 0],
        order_up_to_level=positions.inventory_position + decided.levels[:, 1],
        dual_bound=constant + decided.least_cost,
        feasible_cost=costs.sum(axis=1) - positions.end_value * projection.ending[-1].mean(axis=1),
        constant_cost=constant,
        solved=decided.solved,
    )


@dataclass(frozen=True)
class _Decided:
    """Quantities of all series; where no order can arrive within the horizon, none, and nothing to decide.

    Attributes:
        quantities: shape (n_series, horizon), units in whole packs.
        targets: shape (n_series, horizon), units before packs.
        levels: shape (n_series, 2), reorder point and order-up-to level less the inventory position; NaN = no order today.
        least_cost: shape (n_series,), money from the first arrival on.
        solved: shape (n_series,).
    """

    quantities: FloatArray
    targets: FloatArray
    levels: FloatArray
    least_cost: FloatArray
    solved: NDArray[np.bool_]


def _decide(positions: Positions, demand: FloatArray, idle: Projection, solver: Solver) -> _Decided:
    """Return what to order, problem by problem."""
    n_series, horizon = positions.receipts.shape
    decided = _Decided(
        quantities=np.zeros((n_series, horizon)),
        targets=np.zeros((n_series, horizon)),
        levels=np.full((n_series, 2), np.nan),
        least_cost=-positions.end_value * idle.ending[-1].mean(axis=1),
        solved=np.zeros(n_series, dtype=bool),
    )
    for rows, problem in problems(positions, demand, idle):
        relaxed = solve_lost_sales(problem, solver=solver)
        whole = whole_packs(problem, relaxed)
        cells = (rows[:, None], np.arange(whole.quantities.shape[1]))
        decided.quantities[cells], decided.targets[cells] = whole.quantities, relaxed.quantities
        decided.least_cost[rows], decided.solved[rows] = whole.bound, relaxed.solved
        ordered = np.flatnonzero(whole.quantities[:, 0] > 0)
        decided.levels[rows[ordered]] = _levels(problem.take(ordered), whole.quantities[ordered])
    return decided


def _levels(problem: Problem, quantities: FloatArray) -> FloatArray:
    """Return by how much reorder point and order-up-to level pass the inventory position, (n_series, 2), units."""
    lines = (problem.positions.smallest_order, FURTHER_UNIT * problem.positions.order_multiple)
    return np.stack([worthwhile_units(problem, quantities, line) for line in lines], axis=1)


def _stock_at_arrival(positions: Positions, idle: Projection) -> FloatArray:
    """Return expected units on the shelf, open orders of that step included, when today's order arrives, (n_series,)."""
    horizon, rows = len(idle.ending), np.arange(positions.n_series)
    step = np.minimum(positions.lead_time, horizon - 1)
    before = np.where(step == 0, positions.on_hand, idle.ending[np.maximum(step - 1, 0), rows].mean(axis=1))
    return np.where(positions.lead_time < horizon, before + positions.receipts[rows, step], np.nan)
