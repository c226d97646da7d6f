"""Reorder point and order-up-to level of a plan: read off the same paths and costs, so that they explain its orders."""

import numpy as np

from replen.plan.problem import Problem
from replen.plan.timing import FloatArray

HALVINGS = 40
DECIMALS = 4


def worthwhile_units(problem: Problem, quantities: FloatArray, line: FloatArray) -> FloatArray:
    """Return how many units today's order could be, (n_series,), before a further line of `line` units no longer pays.

    Cost is convex in today's order with later orders as planned, so the units are found by halving.

    Args:
        problem: series with one timing.
        quantities: shape (n_series, n_steps), the plan, units.
        line: shape (n_series,), units, > 0.
    """
    enough = np.maximum(problem.needs, 0.0).sum(axis=0).max(axis=1)
    low, high = np.zeros(len(line)), np.maximum(enough, quantities[:, 0]) + line
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        pays = _with_today(problem, quantities, middle + line) < _with_today(problem, quantities, middle)
        low, high = np.where(pays, middle, low), np.where(pays, high, middle)
    return np.asarray(np.round(high, DECIMALS))


def _with_today(problem: Problem, quantities: FloatArray, today: FloatArray) -> FloatArray:
    """Return the plan's expected money with another quantity today, (n_series,)."""
    return problem.cost(np.column_stack([today, quantities[:, 1:]]))
