"""Which plan each series takes under limits that all share, what the plans of all cost and use, and the proof."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from replen.plan.timing import FloatArray

TOUCHED = 1e-9
"""Share of a limit that is rounding, not a violation."""


@dataclass(frozen=True)
class Totals:
    """What one pass over all series found, added up by cell.

    Attributes:
        bound: shape (n_cells,), least priced cost: no plan's cost + prices x usage is less, money.
        cost: shape (n_cells,), money of the plans, prices of limits not counted.
        usage: shape (n_cells, n_limits), what the plans use of each limit, in its measure.
    """

    bound: FloatArray
    cost: FloatArray
    usage: FloatArray

    def __add__(self, other: Self) -> Self:
        """Return what both parts of the series found."""
        return type(self)(self.bound + other.bound, self.cost + other.cost, self.usage + other.usage)


@dataclass(frozen=True)
class Choice:
    """Which plan each series takes.

    Attributes:
        prices: shape (n_plans, n_limits), money a unit of each limit; inf = nothing is ordered.
        shares: shape (n_cells, n_plans), share of a cell's series that take the plan at these prices; rows add up to 1.
    """

    prices: FloatArray
    shares: FloatArray

    def plans(self, cells: NDArray[np.int64], places: FloatArray) -> NDArray[np.intp]:
        """Return which plan each series takes, (n_series,).

        Args:
            cells: shape (n_series,), cell of each series.
            places: shape (n_series,), place of the series in its cell, in [0, 1).
        """
        edges = np.cumsum(self.shares, axis=1)[cells]
        return np.asarray(np.minimum((edges <= places[:, None]).sum(axis=1), self.shares.shape[1] - 1), np.intp)

    @classmethod
    def at(cls, prices: FloatArray, n_cells: int) -> Self:
        """Return the choice of one plan for all series."""
        return cls(prices[None], np.ones((n_cells, 1)))


Pass = Callable[[Choice], Totals]
Observer = Callable[["Step"], None]


@dataclass(frozen=True)
class Step:
    """What one pass brought: for whoever watches."""

    number: int
    bound: float
    cost: float
    violation: float


@dataclass(frozen=True)
class Coupled:
    """Plans of all series that keep the limits, and the proof.

    Attributes:
        choice: which plan each series takes.
        prices: shape (n_limits,), best prices found, money a unit of the limit.
        dual_bound: no plan that keeps the limits costs less, money.
        cost: of the chosen plans, money.
        usage: shape (n_limits,), of the chosen plans.
        relaxed: shape (n_limits,), by how much a limit had to be raised because more is used even if nothing is ordered.
        passes: over all series that were made.
    """

    choice: Choice
    prices: FloatArray
    dual_bound: float
    cost: float
    usage: FloatArray
    relaxed: FloatArray
    passes: int

    def violation(self, limits: FloatArray) -> FloatArray:
        """Return by how much more than its limit is used, (n_limits,), what had to be raised left out; 0 where it is kept."""
        return np.maximum(self.usage - limits - self.relaxed - TOUCHED * np.abs(limits), 0.0)
