"""The master program of the coupling: the cheapest mixture of columns, one mixture a cell, that keeps the limits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array, hstack

from replen.errors import PlanError
from replen.plan.timing import FloatArray

NOTHING = 1e-9
"""Shares below it are the solver's rounding."""
WHOLE_OPTIONS = {"time_limit": 5.0, "mip_rel_gap": 1e-5}


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
        cost: money, what the box trades in limits included; no prices inside the box prove a higher bound on these columns.
        prices: shape (n_limits,), money a unit of the limit, >= 0; NaN for whole columns.
        shares: shape (n_cells, n_columns), of each column in its cell.
    """

    cost: float
    prices: FloatArray
    shares: FloatArray


class Master:
    """Columns of all cells and the limits they share."""

    def __init__(self, columns: Sequence[Column], limits: FloatArray) -> None:
        """Scale the columns: each limit by its mean usage, money by the mean cost."""
        cost, usage = np.stack([one.cost for one in columns]), np.stack([one.usage for one in columns])
        self.n_columns, self.n_cells, self.n_limits = usage.shape
        self._scale = np.maximum(np.abs(usage).sum(axis=(0, 1)) / self.n_columns, 1e-12)
        self._money = max(float(np.abs(cost).sum() / self.n_columns), 1e-12)
        self._cost, self._usage = (
            cost.ravel() / self._money,
            csr_array(usage.reshape(-1, self.n_limits).T / self._scale[:, None]),
        )
        self._limits = limits / self._scale
        cells = np.tile(np.arange(self.n_cells), self.n_columns)
        self._one_a_cell = csr_array((np.ones(len(cells)), (cells, np.arange(len(cells)))))

    def mixture(self, center: FloatArray, radius: FloatArray) -> Mixture:
        """Return the cheapest mixture if limits can be bought and sold at prices `radius` from `center`: prices stay between.

        Raises:
            PlanError: the solver failed.
        """
        eye = csr_array(np.eye(self.n_limits))
        trade = np.concatenate([center + radius, -np.maximum(center - radius, 0.0)]) * np.tile(self._scale, 2) / self._money
        return self._solve(np.concatenate([self._cost, trade]), hstack([self._usage, -eye, eye]))

    def keeping(self) -> Mixture:
        """Return the cheapest mixture that keeps the limits; one column must use no more than they allow."""
        return self._solve(self._cost, self._usage)

    def whole(self) -> Mixture:
        """Return about the cheapest choice of one column a cell that keeps the limits; one column must use no more."""
        return self._solve(self._cost, self._usage, whole=True)

    def _solve(self, cost: FloatArray, usage: csr_array, *, whole: bool = False) -> Mixture:
        n_shares = self.n_cells * self.n_columns
        found = linprog(
            cost,
            A_ub=usage,
            b_ub=self._limits,
            A_eq=hstack([self._one_a_cell, csr_array((self.n_cells, len(cost) - n_shares))]),
            b_eq=np.ones(self.n_cells),
            integrality=np.repeat([int(whole), 0], [n_shares, len(cost) - n_shares]),
            options=WHOLE_OPTIONS if whole else {},
            method="highs",
        )
        if found.x is None:
            raise PlanError(f"limits: the master program of the coupling was not solved: {found.message}")
        shares = found.x[:n_shares].reshape(self.n_columns, self.n_cells).T
        shares = np.round(shares) if whole else np.where(shares < NOTHING, 0.0, shares)
        prices = np.full(self.n_limits, np.nan) if whole else -found.ineqlin.marginals * self._money / self._scale
        return Mixture(float(found.fun * self._money), np.maximum(prices, 0.0), shares / shares.sum(axis=1, keepdims=True))
