"""The lost-sales linear program over joint sample paths, one a series, exact under the order of events of the simulator.

    minimise  sum_t c_t q_t + mean over paths of [ sum_t h_t I_t + p sum_t lost_t - v I_T ]
    subject to  I_t >= I_{t-1} + q_t - needs_t,  I_t >= 0,  0 <= q_t <= largest_t

Lost units are needs - opening stock - receipts + ending stock, so they need no variable of their own; then every I has a
positive cost (h_t, and h_t + p - v at the horizon), and the optimum has I = max(0, ...) exactly. Steps before the first arrival
are decided already and only give the opening stock of each path.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from replen.plan.problem import Problem
from replen.plan.solver import Program, lost_sales_solver
from replen.plan.start import newsvendor_start
from replen.plan.timing import FloatArray


@dataclass(frozen=True)
class Relaxed:
    """The optimum of the program, orders not yet in whole packs.

    Attributes:
        quantities: shape (n_series, n_steps), units by step of the order.
        cost: shape (n_series,), expected money from the first arrival on; no plan costs less. NaN where it is not proven.
        solved: shape (n_series,), True where the solver was needed.
    """

    quantities: FloatArray
    cost: FloatArray
    solved: NDArray[np.bool_]


def solve_lost_sales(problem: Problem) -> Relaxed:
    """Return the cheapest quantities of every series; costs must pass `costs.check_costs`."""
    nothing = np.zeros((problem.positions.n_series, len(problem.needs)))
    _, left = problem.stock(nothing)
    lost = problem.needs.sum(axis=0) - problem.opening + left
    needed = (lost.max(axis=1) > 0) & (problem.largest > 0).any(axis=1)
    rows = np.flatnonzero(needed)  # stock that covers every path leaves nothing to decide
    result = Relaxed(nothing, problem.cost(nothing), needed)
    if len(rows):
        result.quantities[rows], result.cost[rows] = _solve(problem.take(rows))
    return result


def _solve(problem: Problem) -> tuple[FloatArray, FloatArray]:
    """Return quantities (n_series, n_steps) and cost (n_series,), both from the solver."""
    n_steps, n_series, n_paths = problem.needs.shape
    needs = problem.needs.copy()
    needs[0] -= problem.opening
    unit, money = _scales(problem)
    limit = problem.largest / unit[:, None]
    lower = -needs.transpose(1, 0, 2).reshape(n_series, -1) / unit[:, None]
    costs = _costs(problem, n_paths) / money[:, None]
    start, solver = newsvendor_start(problem), lost_sales_solver(n_steps, n_paths)
    quantities, cost = np.empty((n_series, n_steps)), np.empty(n_series)
    for row in range(n_series):
        optimum = solver.solve(_program(costs[row], limit[row], lower[row]), *start.basis(row))
        quantities[row] = np.maximum(optimum.values[:n_steps], 0.0) * unit[row]
        cost[row] = optimum.cost * unit[row] * money[row] if optimum.proven else np.nan
    return quantities, cost + problem.positions.lost_sale_cost * needs.mean(axis=2).sum(axis=0)


def _scales(problem: Problem) -> tuple[FloatArray, FloatArray]:
    """Return units and money that bring each program's numbers near 1, where the solver's tolerances belong."""
    n_paths, lost_sale_cost = problem.needs.shape[2], problem.positions.lost_sale_cost
    unit = np.abs(problem.needs).mean(axis=2).max(axis=0) + problem.opening.mean(axis=1)
    return np.maximum(unit, 1e-12), np.sqrt(problem.holding_cost.mean(axis=1) * lost_sale_cost) / n_paths


def _costs(problem: Problem, n_paths: int) -> FloatArray:
    """Return the costs of an order by step, then of a unit of ending stock on a path by step, (n_series, 2 n_steps), money."""
    costs, stock = problem.positions, problem.holding_cost.copy()
    stock[:, -1] += costs.lost_sale_cost - costs.end_value
    return np.hstack([problem.unit_cost - costs.lost_sale_cost[:, None], stock / n_paths])


def _program(costs: FloatArray, limit: FloatArray, lower: FloatArray) -> Program:
    """Return one series' program for the shared template: receipts by step, then ending stock by step and path."""
    n_steps, n_stock = len(limit), len(lower)
    cost = np.repeat(costs, np.repeat([1, n_stock // n_steps], n_steps))
    return Program(cost, np.concatenate([limit, np.full(n_stock, np.inf)]), lower)
