"""The lost-sales program as HiGHS reads it: the reference that the path simplex is measured by (see `lost_sales`)."""

import numpy as np

from replen.plan.problem import Problem
from replen.plan.solver import Program, lost_sales_solver
from replen.plan.start import newsvendor_start
from replen.plan.timing import FloatArray


def highs(problem: Problem) -> tuple[FloatArray, FloatArray]:
    """Return quantities (n_series, n_steps) and cost (n_series,), both from the solver; NaN is a cost without proof."""
    n_steps, n_series, n_paths = problem.needs.shape
    needs = problem.net_needs
    unit, money = _scales(problem)
    limit = problem.largest / unit[:, None]
    lower = -needs.transpose(1, 0, 2).reshape(n_series, -1) / unit[:, None]
    terms = problem.terms
    stock = np.broadcast_to(terms.stock / n_paths, (n_series, n_steps, n_paths)).reshape(n_series, -1)
    costs = np.hstack([terms.order, stock]) / money[:, None]
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


def _program(costs: FloatArray, limit: FloatArray, lower: FloatArray) -> Program:
    """Return one series' program for the shared template: receipts by step, then ending stock by step and path."""
    return Program(costs, np.concatenate([limit, np.full(len(lower), np.inf)]), lower)
