"""Reorder point and order-up-to level of a plan: read off the same paths and costs, so that they explain its orders."""

import numpy as np

from replen.plan.chain import Chains, worthwhile
from replen.plan.packs_kernel import worthwhile_rows
from replen.plan.problem import Problem
from replen.plan.timing import FloatArray, IntArray

DECIMALS = 4
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


def further_units(chains: Chains, quantities: FloatArray, first: IntArray, line: FloatArray) -> FloatArray:
    """Return the same where unmet demand waits: of chains, where today's order arrives at the step `first`, (n_series,)."""
    return np.round(worthwhile(chains, quantities, first, line, accuracy=ACCURACY), DECIMALS)
