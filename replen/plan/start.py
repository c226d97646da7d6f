"""Where the solver starts: the vertex of the newsvendor's quantities, a few pivots from the optimum.

It depends on the series alone. Starting from the last series' solution would be as fast, but ties would then be broken by
whichever series came before.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from replen.plan.problem import Problem
from replen.plan.solver import BASIC, LOWER, UPPER
from replen.plan.timing import FloatArray

StatusArray = NDArray[np.int8]


@dataclass(frozen=True)
class Start:
    """Basis statuses of n_series programs.

    Attributes:
        receipts: shape (n_series, n_steps), of each receipt.
        stock: shape (n_steps, n_series, n_paths), of ending stock.
        rows: shape (n_steps, n_series, n_paths), of the rows.
    """

    receipts: StatusArray
    stock: StatusArray
    rows: StatusArray

    def basis(self, row: int) -> tuple[StatusArray, StatusArray]:
        """Return column and row statuses of one series."""
        return np.concatenate([self.receipts[row], self.stock[:, row].ravel()]), self.rows[:, row].ravel()


def newsvendor_start(problem: Problem) -> Start:
    """Return the vertex where each order meets the critical share of the paths until the next one can arrive.

    Such an order empties one path exactly once. There both the stock and its row leave the basis by one, and the order
    enters it, so that the basis is square.
    """
    may_order = problem.largest > 0
    start = Start(np.full(may_order.shape, LOWER), *(np.empty(problem.needs.shape, dtype=np.int8) for _ in range(2)))
    for pattern in np.unique(may_order, axis=0):
        rows = np.flatnonzero((may_order == pattern).all(axis=1))
        same = _same_steps(problem.take(rows), np.flatnonzero(pattern))
        start.receipts[rows], start.stock[:, rows], start.rows[:, rows] = same.receipts, same.stock, same.rows
    return start


def _same_steps(problem: Problem, steps: NDArray[np.intp]) -> Start:
    """Return the vertex of series that may order at the same steps."""
    n_steps, n_series, _ = problem.needs.shape
    start = Start(np.full((n_series, n_steps), LOWER), *(np.empty(problem.needs.shape, dtype=np.int8) for _ in range(2)))
    left, bounds = problem.opening, np.unique([0, *steps, n_steps])
    for first, stop in pairwise(bounds):
        limit = problem.largest[:, first]
        short = np.cumsum(problem.needs[first:stop], axis=0) - left
        path = _critical_path(problem, short.max(axis=0), first=first, stop=stop)
        peak = short[:, np.arange(n_series), path]
        wanted = peak.max(axis=0)
        start.receipts[:, first] = np.where((wanted <= 0) | (limit <= 0), LOWER, np.where(wanted < limit, BASIC, UPPER))
        left = left + np.clip(wanted, 0.0, limit)[:, None]
        for step in range(first, stop):
            net = left - problem.needs[step]
            left = np.maximum(net, 0.0)
            start.stock[step], start.rows[step] = np.where(net > 0, BASIC, LOWER), np.where(net > 0, LOWER, BASIC)
        ordered = np.flatnonzero(start.receipts[:, first] == BASIC)
        emptied = (first + peak.argmax(axis=0)[ordered], ordered, path[ordered])
        start.stock[emptied] = start.rows[emptied] = LOWER
    return start


def _critical_path(problem: Problem, peak: FloatArray, *, first: int, stop: int) -> NDArray[np.intp]:
    """Return for each series the path whose peak need is the newsvendor's quantity of step `first`, (n_series,)."""
    costs, n_paths, n_steps = problem.positions, peak.shape[1], len(problem.needs)
    unit_cost = problem.unit_cost[:, first]
    under = np.maximum(costs.lost_sale_cost - unit_cost, 0.0)
    replaced = costs.end_value if stop == n_steps else problem.unit_cost[:, stop]
    over = np.maximum(problem.holding_cost[:, first:stop].sum(axis=1) + unit_cost - replaced, 1e-12)
    rank = np.clip(np.ceil(n_paths * under / (under + over)) - 1, 0, n_paths - 1).astype(np.intp)
    return np.asarray(np.argsort(peak, axis=1, kind="stable")[np.arange(len(peak)), rank])
