"""Whole packs, minimum and maximum quantities, decided by exact cost over the paths, not by rounding.

A line is nothing or a number of packs between `smallest_order` and the step's largest. Where a line may be any number of packs
the program is solved in whole packs, and proven (`path_packs`). Where lines cost money or have a minimum, cost is not convex in
packs: a search adds, takes, moves and merges packs until no such move saves money (`packs_kernel`). It starts from the rounded
program, from the program in whole packs, which still proves a bound, and from programs that may order at every second, third
or fourth of the steps only.
"""

from dataclasses import dataclass, replace

import numpy as np

from replen.plan.lost_sales import Relaxed, solve_lost_sales, whole_simplex
from replen.plan.packs_kernel import Lines, search_rows
from replen.plan.positions import Positions
from replen.plan.problem import Problem
from replen.plan.timing import FloatArray

ROUNDING = 1e-6  # packs: what the solver may be off
CYCLES = (2, 3, 4)


@dataclass(frozen=True)
class Whole:
    """Plans of whole lines.

    Attributes:
        quantities: shape (n_series, n_steps), units by step of the order, whole lines.
        bound: shape (n_series,), expected money from the first arrival on; no plan of whole lines costs less.
    """

    quantities: FloatArray
    bound: FloatArray


def whole_packs(problem: Problem, relaxed: Relaxed) -> Whole:
    """Return the cheapest plans of whole packs; where lines cost money or have a minimum, cheap ones.

    Args:
        problem: series with one lead time.
        relaxed: the program's optimum.
    """
    costs, whole = problem.positions, Whole(_in_packs(problem.positions, relaxed.quantities), relaxed.cost.copy())
    rounded = np.abs(whole.quantities - relaxed.quantities).max(axis=1) > ROUNDING * costs.order_multiple
    rows = np.flatnonzero(rounded)
    whole.quantities[rows], least = whole_simplex(problem.take(rows))
    whole.bound[rows] = np.maximum(whole.bound[rows], least)
    lumpy = np.flatnonzero((costs.order_cost > 0) | (costs.smallest_order > costs.order_multiple))
    starts = [relaxed.quantities[lumpy], whole.quantities[lumpy]]
    whole.quantities[lumpy] = cheap_lines(problem.take(lumpy), starts)
    return Whole(_in_packs(costs, whole.quantities), whole.bound)


def cheap_lines(problem: Problem, starts: list[FloatArray]) -> FloatArray:
    """Return quantities that may be ordered, (n_series, n_steps), which no move of packs makes cheaper on the paths.

    Args:
        problem: series with one lead time.
        starts: quantities near which to search, (n_series, n_steps) each, units; fewer, larger lines are tried beside them.
    """
    place = np.cumsum(problem.largest > 0, axis=1) - 1
    for cycle in CYCLES:
        fewer = replace(problem, largest=np.where(place % cycle == 0, problem.largest, 0.0))
        starts = [*starts, solve_lost_sales(fewer).quantities]
    plans = np.stack([_searched(problem, start) for start in starts])
    cheapest = np.argmin([problem.cost(plan) for plan in plans], axis=0)
    return np.asarray(plans[cheapest, np.arange(len(cheapest))])


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
