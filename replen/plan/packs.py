"""Whole packs, minimum and maximum quantities: a search by exact cost over the paths, not a rounding.

A line is nothing or a number of packs between `smallest_order` and the step's largest. From the best rounding of the program's
optimum the search adds, takes, moves and merges packs until no such move saves money (`packs_kernel`); the optimum of the
program is the dual bound. Where lines cost money or have a minimum, cost is not convex in packs: there the search also starts
from programs that may order at every second, third or fourth of the steps only.
"""

from dataclasses import replace

import numpy as np

from replen.plan.lost_sales import solve_lost_sales
from replen.plan.packs_kernel import Lines, search_rows
from replen.plan.positions import Positions
from replen.plan.problem import Problem
from replen.plan.timing import FloatArray

ROUNDING = 1e-6  # packs: what the solver may be off
CYCLES = (2, 3, 4)


def whole_packs(problem: Problem, quantities: FloatArray) -> FloatArray:
    """Return quantities that may be ordered, (n_series, n_steps), cheap on the paths, near the program's.

    Args:
        problem: series with one lead time.
        quantities: shape (n_series, n_steps), the program's optimum, units.
    """
    best, costs = _searched(problem, quantities), problem.positions
    lumpy = np.flatnonzero((costs.order_cost > 0) | (costs.smallest_order > costs.order_multiple))
    some, least = problem.take(lumpy), problem.take(lumpy).cost(best[lumpy])
    place = np.cumsum(some.largest > 0, axis=1) - 1
    for cycle in CYCLES:
        fewer = replace(some, largest=np.where(place % cycle == 0, some.largest, 0.0))
        plans = _searched(some, solve_lost_sales(fewer).quantities)
        money = some.cost(plans)
        better = money < least
        best[lumpy[better]], least[better] = plans[better], money[better]
    return best


def _searched(problem: Problem, quantities: FloatArray) -> FloatArray:
    """Return plans of whole lines that no move betters, (n_series, n_steps), found from the rounded quantities."""
    costs, plans = problem.positions, _cheapest_rounding(problem, quantities)
    lines = Lines(costs.order_multiple, costs.smallest_order, costs.order_cost)
    search_rows(problem.net_needs, problem.terms, lines, plans)
    return _in_packs(costs, plans)


def _cheapest_rounding(problem: Problem, quantities: FloatArray) -> FloatArray:
    """Return the best of four roundings that may be ordered, (n_series, n_steps), units."""
    multiple = problem.positions.order_multiple[:, None]
    packs = quantities / multiple
    running = np.floor(np.cumsum(packs, axis=1) + 0.5)
    roundings = [
        np.floor(packs + ROUNDING),
        np.floor(packs + 0.5),
        np.ceil(packs - ROUNDING),
        np.diff(running, axis=1, prepend=0.0),
    ]
    allowed = np.stack(
        [np.minimum(nearest_line(problem.positions, rounding * multiple), problem.largest) for rounding in roundings]
    )
    cheapest = np.argmin([problem.cost(plan) for plan in allowed], axis=0)
    return np.asarray(allowed[cheapest, np.arange(len(cheapest))])


def nearest_line(positions: Positions, quantities: FloatArray) -> FloatArray:
    """Return the nearest quantities that may be ordered, shape of `quantities` (n_series, ...); half packs go up.

    Below half the smallest line nothing is ordered.
    """
    shape = (-1,) + (1,) * (quantities.ndim - 1)
    smallest, largest = positions.smallest_order.reshape(shape), positions.largest_order.reshape(shape)
    whole = np.maximum(_in_packs(positions, quantities), np.where(quantities >= smallest / 2, smallest, 0.0))
    return np.minimum(np.where(whole < smallest, 0.0, whole), largest)


def _in_packs(positions: Positions, quantities: FloatArray) -> FloatArray:
    """Return the nearest whole multiples, shape of `quantities` (n_series, ...)."""
    multiple = positions.order_multiple.reshape((-1,) + (1,) * (quantities.ndim - 1))
    return np.floor(quantities / multiple + 0.5) * multiple
