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
        prices: shape (n_plans, n_limits), money a unit of each row; below 0 where a minimum is filled up; inf at a minimum =
            nothing it counts is ordered, at a limit = nothing is ordered at all.
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
        prices: shape (n_limits,), best prices found, money a unit of the limit; of a minimum <= 0, or inf: nothing is used.
        dual_bound: no plan that keeps the limits costs less, money.
        totals: what the chosen plans cost and use.
        wanted: what was found before minimums were kept.
        relaxed: shape (n_limits,), by how much a limit had to be raised because more is used even if nothing is ordered.
        passes: over all series that were made.
    """

    choice: Choice
    prices: FloatArray
    dual_bound: float
    totals: Totals
    wanted: Totals
    relaxed: FloatArray
    passes: int

    @property
    def cost(self) -> float:
        """Return the money of the chosen plans."""
        return float(self.totals.cost.sum())

    @property
    def usage(self) -> FloatArray:
        """Return what the chosen plans use, (n_limits,)."""
        return np.asarray(self.totals.usage.sum(axis=0))

    def violation(self, limits: FloatArray, minimums: FloatArray | float = 0.0) -> FloatArray:
        """Return by how much more than its limit or less than its minimum is used, (n_limits,); 0 where it is kept.

        What had to be raised is left out; of a minimum nothing may be used.
        """
        over = np.maximum(self.usage - limits - self.relaxed - TOUCHED * np.abs(limits), 0.0)
        return np.maximum(np.where(np.isfinite(limits), over, 0.0), missing(self.usage, minimums))

    def charges(self) -> FloatArray:
        """Return about how much more the series that count for a row cost than before minimums were kept, (n_limits,), money.

        Where the series of several rows share a cell, each is charged for all of it.
        """
        counted = (self.totals.usage != 0) | (self.wanted.usage != 0)
        return np.asarray((self.totals.cost - self.wanted.cost) @ counted)


def missing(usage: FloatArray, minimums: FloatArray | float) -> FloatArray:
    """Return what is missing of each minimum of which something is used, shape of `usage`; 0 where nothing is."""
    lacking = np.asarray(minimums) * (1 - TOUCHED) - usage
    return np.where((usage > 0) & (lacking > 0), minimums - usage, 0.0)
