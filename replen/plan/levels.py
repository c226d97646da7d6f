"""Reorder point and order-up-to level of a plan: read off the same paths and costs, so that they explain its orders."""

from collections.abc import Callable

import numpy as np

from replen.plan.packs_kernel import worthwhile_rows
from replen.plan.problem import Problem
from replen.plan.search import pays_up_to
from replen.plan.timing import FloatArray

DECIMALS = 4
HALVINGS = 30
ACCURACY = 1e-6  # units


def worthwhile_units(problem: Problem, quantities: FloatArray, line: FloatArray) -> FloatArray:
    """Return how many units today's order could be, (n_series,), before a further line of `line` units no longer pays.

    Cost is convex in today's order with later orders as planned, so the units are found by halving.

    Args:
        problem: series with one lead time.
        quantities: shape (n_series, n_steps), the plan, units.
        line: shape (n_series,), units, > 0.
    """
    return np.round(worthwhile_rows(problem.net_needs, problem.terms, quantities, line, ACCURACY), DECIMALS)


def further_units(money: Callable[[FloatArray], FloatArray], most: FloatArray, line: FloatArray) -> FloatArray:
    """Return the units, (n_series,), above which `line` units more no longer pay, found by halving.

    Args:
        money: cost of today's order, convex.
        most: shape (n_series,), units above which they never pay.
        line: shape (n_series,), units, > 0.
    """
    return np.round(pays_up_to(lambda units: money(units + line) < money(units), most, halvings=HALVINGS), DECIMALS)
