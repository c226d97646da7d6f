"""The lost-sales linear program over joint sample paths, one a series, exact under the order of events of the simulator.

    minimise  sum_t c_t q_t + mean over paths of [ sum_t h_t I_t + p sum_t lost_t - v I_T ]
    subject to  I_t >= I_{t-1} + q_t - needs_t,  I_t >= 0,  0 <= q_t <= largest_t

Lost units are needs - opening stock - receipts + ending stock, so they need no variable of their own; then every I has a
positive cost (h_t, and h_t + p - v at the horizon), and the optimum has I = max(0, ...) exactly. Steps before the first arrival
are decided already and only give the opening stock of each path.

Stock after a path's last stock-out is a difference of cumulative orders less known needs, so all that can bind at a vertex
fixes a difference of two cumulative orders: vertices are spanning trees, as in a network, and few pivots lead from the
newsvendor's to the cheapest, since each goes past any number of kinks (`path_walk`). It is as exact as HiGHS, and proves it.

Source: L-natural-convexity of lost-sales cost in cumulative orders: Zipkin, On the structure of lost-sales inventory models
(2008); the simplex method for piecewise linear costs: Fourer, A simplex algorithm for piecewise-linear programming I (1985).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from replen.plan.path_packs import solve_whole_rows
from replen.plan.path_simplex import solve_rows
from replen.plan.problem import Problem
from replen.plan.program import highs
from replen.plan.timing import FloatArray

SHAKING = 1e-7  # share of the largest need over all steps
SHAKEN_PACK = 1e-2  # packs over all steps: less than would make another plan in whole packs feasible
SEEDS = 3
GAP = 1e-6  # of max(1, cost): a larger one is no proof
LABEL = "<U16"  # of solvers
WHOLE = 1e-9  # packs: numbers nearer to whole ones are whole
Solved = tuple[FloatArray, FloatArray, FloatArray]
Solver = Callable[[Problem], tuple[FloatArray, FloatArray]]


@dataclass(frozen=True)
class Relaxed:
    """The optimum of the program, orders not yet in whole packs.

    Attributes:
        quantities: shape (n_series, n_steps), units by step of the order.
        cost: shape (n_series,), expected money from the first arrival on; no plan costs less. NaN where it is not proven.
        solver: shape (n_series,), key of `SOLVERS` that found them; `none` where nothing was to be decided.
    """

    quantities: FloatArray
    cost: FloatArray
    solver: NDArray[np.str_]


def path_simplex(problem: Problem) -> tuple[FloatArray, FloatArray]:
    """Return quantities (n_series, n_steps) and the money (n_series,) that no plan costs less than; NaN without proof."""
    quantities, bound, unproven = _proven(_in_units, problem)
    bound[unproven] = np.nan
    return quantities, bound


SOLVERS: dict[str, Solver] = {"path_simplex": path_simplex, "highs": highs}
"""In the order in which they are asked: HiGHS, should rounding errors have kept a series from its proof."""


def whole_simplex(problem: Problem) -> tuple[FloatArray, FloatArray]:
    """Return quantities in whole packs (n_series, n_steps), and the money (n_series,) that no such plan costs less than.

    Lines neither cost money nor have a minimum here (see `packs`). The proof closes the gap but for rounding errors.
    """
    quantities, bound, _ = _proven(_in_packs, problem)
    return quantities, bound


def _proven(solve: Callable[[Problem, int], Solved], problem: Problem) -> tuple[FloatArray, FloatArray, NDArray[np.intp]]:
    """Return quantities, bounds, and the rows whose gap no seed closed: where two ties stay one, another seed parts them."""
    quantities, cost, bound = solve(problem, 0)
    for seed in range(1, SEEDS + 1):
        unproven = np.flatnonzero(~(cost - bound <= GAP * np.maximum(1.0, np.abs(cost))))
        if not len(unproven) or seed == SEEDS:
            break
        quantities[unproven], cost[unproven], bound[unproven] = solve(problem.take(unproven), seed)
    return quantities, bound, unproven


def _in_units(problem: Problem, seed: int) -> Solved:
    """Return quantities, cost and bound of the program."""
    needs = problem.net_needs
    shaking = SHAKING * _noise(*needs[:, 0].shape, seed)
    return solve_rows(needs, problem.terms, shaking, problem.positions.lost_sale_cost)


def _in_packs(problem: Problem, seed: int) -> Solved:
    """Return quantities, cost and bound of the program in whole packs."""
    needs, terms, costs = problem.net_needs, problem.terms, problem.positions
    n_steps, multiple = len(needs), costs.order_multiple
    upper = np.floor(terms.upper / multiple[:, None] + WHOLE) * multiple[:, None]
    shaking = SHAKEN_PACK / n_steps * _noise(n_steps, needs.shape[2] * (n_steps + 1), seed)
    return solve_whole_rows(needs, terms._replace(upper=upper), shaking, costs.lost_sale_cost, multiple)


def solve_lost_sales(problem: Problem, *, solvers: Sequence[str] = tuple(SOLVERS)) -> Relaxed:
    """Return the cheapest quantities of every series; costs must pass `costs.check_costs`.

    Args:
        problem: n_series series.
        solvers: keys of `SOLVERS`; each solves what those before it could not prove.
    """
    nothing = np.zeros(problem.largest.shape)
    _, left = problem.stock(nothing)
    lost = problem.needs.sum(axis=0) - problem.opening + left
    needed = (lost.max(axis=1) > 0) & (problem.largest > 0).any(axis=1)
    rows = np.flatnonzero(needed)  # stock that covers every path leaves nothing to decide
    result = Relaxed(nothing, problem.cost(nothing), np.full(len(needed), "none", dtype=LABEL))
    for name in solvers:
        if len(rows):
            result.quantities[rows], result.cost[rows] = SOLVERS[name](problem.take(rows))
            result.solver[rows] = name
        rows = rows[np.isnan(result.cost[rows])]
    return result


@lru_cache(maxsize=32)
def _noise(n_steps: int, n_paths: int, seed: int) -> FloatArray:
    """Return the same random numbers in [0, 1) for every series, (n_steps, n_paths)."""
    return np.random.default_rng(seed).random((n_steps, n_paths))
