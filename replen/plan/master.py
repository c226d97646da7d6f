"""The master program of the coupling: the cheapest mixture of columns, one mixture a cell, that keeps the limits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array, csr_array, hstack

from replen.errors import PlanError
from replen.plan.timing import FloatArray

NOTHING = 1e-9
"""Shares below it are the solver's rounding."""


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
    """The optimum of the master.

    Attributes:
        cost: money, what the box allows for beyond the limits included; no price inside the box gives a higher bound
            on the columns known.
        prices: shape (n_limits,), money a unit of the limit, >= 0.
        shares: shape (n_cells, n_columns), of each column in its cell.
    """

    cost: float
    prices: FloatArray
    shares: FloatArray

    def at_the_box(self, center: FloatArray, radius: FloatArray) -> bool:
        """Return whether a price is held by the box, so that a bound beyond it may be higher."""
        return bool(np.any(np.abs(self.prices - center) > 0.999 * radius))


@dataclass(frozen=True)
class Master:
    """Columns of all cells and the limits they share.

    Attributes:
        columns: one a pass.
        limits: shape (n_limits,).
    """

    columns: Sequence[Column]
    limits: FloatArray

    def solve(self, *, center: FloatArray | None = None, radius: FloatArray | None = None) -> Mixture:
        """Return the cheapest mixture; prices are kept within `radius` of `center` by buying and selling the limits there.

        Raises:
            PlanError: no mixture keeps the limits.
        """
        cost, usage = np.stack([one.cost for one in self.columns]), np.stack([one.usage for one in self.columns])
        n_columns, n_cells, n_limits = usage.shape
        scale = np.maximum(np.abs(usage).sum(axis=(0, 1)) / n_columns, 1e-12)
        money = max(float(np.abs(cost).sum() / n_columns), 1e-12)
        beyond = csr_array((n_limits, 0)) if center is None else hstack([-_eye(n_limits), _eye(n_limits)])
        trade = np.zeros(0)
        if center is not None and radius is not None:
            trade = np.concatenate([center + radius, -np.maximum(center - radius, 0.0)]) * np.tile(scale, 2)
        cells = np.tile(np.arange(n_cells), n_columns)
        mixed = coo_array((np.ones(len(cells)), (cells, np.arange(len(cells)))))
        found = linprog(
            np.concatenate([cost.ravel(), trade]) / money,
            A_ub=hstack([csr_array(usage.reshape(-1, n_limits).T / scale[:, None]), beyond]),
            b_ub=self.limits / scale,
            A_eq=hstack([mixed, csr_array((n_cells, len(trade)))]),
            b_eq=np.ones(n_cells),
            method="highs",
        )
        if found.status != 0:
            raise PlanError(f"limits: the master program of the coupling was not solved: {found.message}")
        shares = found.x[: len(cells)].reshape(n_columns, n_cells).T
        shares = np.where(shares < NOTHING, 0.0, shares)
        prices = np.maximum(-found.ineqlin.marginals, 0.0) * money / scale
        return Mixture(float(found.fun * money), prices, shares / shares.sum(axis=1, keepdims=True))


def _eye(n: int) -> csr_array:
    return csr_array(np.eye(n))
