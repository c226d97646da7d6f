"""The master program of the coupling: the cheapest mixture of columns, one mixture a cell, that keeps the limits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, linprog, milp
from scipy.sparse import csr_array, eye_array, hstack, vstack

from replen.errors import PlanError
from replen.plan.timing import BoolArray, FloatArray, IntArray

NOTHING = 1e-9
"""Shares below it are the solver's rounding."""
DEAREST = 2.0
"""Money that a unit of a minimum is worth at most: of money ordered, twice as much."""
WHOLE_OPTIONS = {"node_limit": 100, "mip_rel_gap": 1e-5}
MIXED_OPTIONS = {"node_limit": 2000, "mip_rel_gap": 1e-5}
"""Where only minimums are whole: much hangs on it. Nodes, not seconds: a plan is the same on a busy machine."""


class Column(Protocol):
    """What the series of each cell cost, (n_cells,), and use, (n_cells, n_limits), in one pass."""

    @property
    def cost(self) -> FloatArray:
        """Return shape (n_cells,), money."""

    @property
    def usage(self) -> FloatArray:
        """Return shape (n_cells, n_limits), in each limit's measure."""


@dataclass(frozen=True)
class Mixture:
    """An optimum of the master.

    Attributes:
        cost: money, what is traded in limits or missing of minimums included.
        prices: shape (n_limits,), money a unit of the limit, >= 0; of a minimum <= 0, or inf: nothing is used. NaN = unknown.
        shares: shape (n_cells, n_columns), of each column in its cell.
    """

    cost: float
    prices: FloatArray
    shares: FloatArray


class Master:
    """Columns of all cells and what they share: rows with a limit, or inf, and rows of which nothing or a minimum is used."""

    def __init__(self, columns: Sequence[Column], limits: FloatArray, minimums: FloatArray) -> None:
        """Scale the columns: each row by its mean usage, money by the mean cost; a minimum of 0 is none."""
        cost, usage = np.stack([one.cost for one in columns]), np.stack([one.usage for one in columns])
        self.n_columns, self.n_cells, self.n_limits = usage.shape
        self._scale = np.maximum(np.abs(usage).sum(axis=(0, 1)) / self.n_columns, 1e-12)
        self._money = max(float(np.abs(cost).sum() / self.n_columns), 1e-12)
        self._cost = cost.ravel() / self._money
        self._usage = csr_array(usage.reshape(-1, self.n_limits).T / self._scale[:, None])
        self._limits, self._minimums = limits / self._scale, minimums / self._scale
        self._limited, self._lumpy = np.flatnonzero(np.isfinite(limits)), minimums > 0
        self._most = usage.max(axis=0).sum(axis=0) / self._scale
        cells = np.tile(np.arange(self.n_cells), self.n_columns)
        self._one_a_cell = csr_array((np.ones(len(cells)), (cells, np.arange(len(cells)))))

    def mixture(self, center: FloatArray, radius: FloatArray) -> Mixture:
        """Return the cheapest mixture if limits can be bought and sold at prices `radius` from `center`: prices stay between.

        Minimums do not count. No prices inside the box prove a higher bound on these columns than its cost.

        Raises:
            PlanError: the solver failed.
        """
        rows = self._limited
        trade = np.concatenate([(center + radius)[rows], -np.maximum(center - radius, 0.0)[rows]])
        cost = np.concatenate([self._cost, trade * np.tile(self._scale[rows], 2) / self._money])
        eye = eye_array(len(rows))
        found = _solved(self._solve(cost, hstack([self._usage[rows], -eye, eye]), self._limits[rows]))
        return self._mixture(found, rows)

    def keeping(self, reached: BoolArray) -> Mixture:
        """Return the cheapest mixture that keeps the limits; one column must use no more than they allow.

        Args:
            reached: shape (n_limits,), which minimums are reached, at `DEAREST` a missing unit; of the others nothing is used.

        Raises:
            PlanError: the solver failed.
        """
        filled = np.flatnonzero(reached & self._lumpy)
        mixture = self._mixture(_solved(self._kept(reached)), np.concatenate([self._limited, filled]))
        mixture.prices[filled] *= -1
        mixture.prices[~reached & self._lumpy] = np.inf
        return mixture

    def whole(self, reached: BoolArray) -> Mixture | None:
        """Return about the cheapest choice of one column a cell that keeps what `keeping` does; None if none was in time."""
        found = self._kept(reached, whole=True)
        return None if found.x is None else self._mixture(found, None, whole=True)

    def _kept(self, reached: BoolArray, *, whole: bool = False) -> OptimizeResult:
        """Return what HiGHS says of `keeping`, or `whole`."""
        filled, unused = np.flatnonzero(reached & self._lumpy), ~reached & self._lumpy
        missing = DEAREST * self._scale[filled] / self._money
        rows = vstack([self._beside(self._limited, len(filled)), hstack([-self._usage[filled], -eye_array(len(filled))])])
        most = np.concatenate([np.where(self._usage[unused].sum(axis=0) > 0, 0.0, 1.0), np.full(len(filled), np.inf)])
        limits = np.concatenate([self._limits[self._limited], -self._minimums[filled]])
        integrality = np.repeat([1, 0], [len(self._cost), len(filled)]) if whole else None
        return self._solve(np.concatenate([self._cost, missing]), rows, limits, most=most, integrality=integrality)

    def choosing(self, *, whole: bool) -> Mixture | None:
        """Return about the cheapest mixture that keeps limits and minimums, whichever it reaches; None if none was in time.

        Args:
            whole: one column a cell; else cells may be mixed.
        """
        asked = np.flatnonzero(self._lumpy)
        least, most = (csr_array(np.diag(values[asked])) for values in (self._minimums, self._most))
        rows = vstack([
            self._beside(self._limited, len(asked)), hstack([-self._usage[asked], least]), hstack([self._usage[asked], -most])
        ])  # fmt: skip
        found = self._solve(
            np.concatenate([self._cost, np.zeros(len(asked))]),
            rows,
            np.concatenate([self._limits[self._limited], np.zeros(2 * len(asked))]),
            most=np.ones(len(self._cost) + len(asked)),
            integrality=np.repeat([int(whole), 1], [len(self._cost), len(asked)]),
        )
        return None if found.x is None else self._mixture(found, None, whole=whole)

    def _beside(self, rows: IntArray, n_more: int) -> csr_array:
        """Return the usage of some rows, and that of so many more variables, which use nothing."""
        return hstack([self._usage[rows], csr_array((len(rows), n_more))])

    def _solve(
        self,
        cost: FloatArray,
        usage: csr_array,
        limits: FloatArray,
        *,
        most: FloatArray | float = np.inf,
        integrality: IntArray | None = None,
    ) -> OptimizeResult:
        """Return what HiGHS says of shares and further variables, all between 0 and `most`."""
        one_a_cell = hstack([self._one_a_cell, csr_array((self.n_cells, len(cost) - len(self._cost)))])
        most, each = np.broadcast_to(most, len(cost)), np.ones(self.n_cells)
        if integrality is not None:
            rows = [LinearConstraint(usage, ub=limits), LinearConstraint(one_a_cell, each, each)]
            options = dict(WHOLE_OPTIONS if integrality[0] else MIXED_OPTIONS)  # scipy takes out what it has read
            return milp(cost, integrality=integrality, bounds=Bounds(0.0, most), constraints=rows, options=options)
        bounds = np.column_stack([np.zeros(len(cost)), most])
        return linprog(cost, A_ub=usage, b_ub=limits, A_eq=one_a_cell, b_eq=each, bounds=bounds, method="highs")

    def _mixture(self, found: OptimizeResult, priced: IntArray | None, *, whole: bool = False) -> Mixture:
        """Return the solution, with the prices of the rows that were solved; 0 for others, NaN where there are none."""
        shares = found.x[: len(self._cost)].reshape(self.n_columns, self.n_cells).T
        shares = np.round(shares) if whole else np.where(shares < NOTHING, 0.0, shares)
        prices = np.full(self.n_limits, np.nan if priced is None else 0.0)
        if priced is not None:
            prices[priced] = np.maximum(-found.ineqlin.marginals * self._money / self._scale[priced], 0.0)
        return Mixture(float(found.fun * self._money), prices, shares / shares.sum(axis=1, keepdims=True))


def _solved(found: OptimizeResult) -> OptimizeResult:
    """Return a solution.

    Raises:
        PlanError: there is none.
    """
    if found.x is None:
        raise PlanError(f"limits: the master program of the coupling was not solved: {found.message}")
    return found
