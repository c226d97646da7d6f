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
    """Return the vertex where each order meets the critical share of the paths until the next one arrives.

    Such an order empties one path exactly once. There both the stock and its row leave the basis by one, and the order
    enters it, so that the basis is square.
    """
    limit, (n_steps, n_series, _) = problem.positions.max_order_quantity, problem.needs.shape
    start = Start(np.full((n_series, n_steps), LOWER), *(np.empty(problem.needs.shape, dtype=np.int8) for _ in range(2)))
    left, bounds = problem.opening, [*problem.steps, n_steps]
    for first, stop in pairwise(bounds):
        short = np.cumsum(problem.needs[first:stop], axis=0) - left
        path = _critical_path(problem, short.max(axis=0), is_last=stop == n_steps)
        peak = short[:, np.arange(n_series), path]
        wanted = peak.max(axis=0)
        start.receipts[:, first] = np.where(wanted <= 0, LOWER, np.where(wanted < limit, BASIC, UPPER))
        left = left + np.clip(wanted, 0.0, limit)[:, None]
        for step in range(first, stop):
            net = left - problem.needs[step]
            left = np.maximum(net, 0.0)
            start.stock[step], start.rows[step] = np.where(net > 0, BASIC, LOWER), np.where(net > 0, LOWER, BASIC)
        ordered = np.flatnonzero(start.receipts[:, first] == BASIC)
        emptied = (first + peak.argmax(axis=0)[ordered], ordered, path[ordered])
        start.stock[emptied] = start.rows[emptied] = LOWER
    return start


def _critical_path(problem: Problem, peak: FloatArray, *, is_last: bool) -> NDArray[np.intp]:
    """Return for each series the path whose peak need is the newsvendor's quantity, (n_series,)."""
    costs, n_paths = problem.positions, peak.shape[1]
    under = costs.lost_sale_cost - costs.unit_cost
    over = costs.holding_cost * costs.review_period + (costs.unit_cost - costs.end_value if is_last else 0.0)
    rank = np.clip(np.ceil(n_paths * under / (under + np.maximum(over, 0.0))) - 1, 0, n_paths - 1).astype(np.intp)
    return np.asarray(np.argsort(peak, axis=1, kind="stable")[np.arange(len(peak)), rank])
