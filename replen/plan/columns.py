"""What the passes over all series have found so far: columns of cells, the bound they prove, the plans that mix them."""

from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add

import numpy as np

from replen.plan.choice import Choice, Coupled, Observer, Pass, Step, Totals
from replen.plan.master import Master, Mixture
from replen.plan.timing import BoolArray, FloatArray

ENOUGH = 1e-5
"""Share of the decided cost by which master and bound may differ at the end."""
SAME = 1e-6
"""Prices that differ by less of their size are the same."""


@dataclass
class Columns:
    """Columns, and cuts: columns at the cost that is proven.

    Where the plan of a series costs more than its bound, the bound is what prices can raise.

    Attributes:
        limits: shape (n_limits,), inf = none.
        minimums: shape (n_limits,), 0 = none.
        look: makes a pass.
        n_cells: of the series.
        watch: is told of every pass.
    """

    limits: FloatArray
    minimums: FloatArray
    look: Pass
    n_cells: int
    watch: Observer
    tried: list[FloatArray] = field(default_factory=list)
    found: list[Totals] = field(default_factory=list)
    cuts: list[Totals] = field(default_factory=list)
    best: float = -np.inf
    passes: int = 0
    center: FloatArray = field(init=False)
    relaxed: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        """Begin with prices of 0 and no limit relaxed."""
        self.center, self.relaxed = np.zeros(len(self.limits)), np.zeros(len(self.limits))

    @property
    def idle(self) -> Totals:
        """Return what the second pass found: nothing is ordered."""
        return self.found[1]

    @property
    def lumpy(self) -> BoolArray:
        """Return which rows have a minimum, (n_limits,)."""
        return np.asarray(self.minimums > 0)

    def worth(self, cost: float) -> float:
        """Return the money that is at stake in a plan: what it saves over ordering nothing, at least 1."""
        return max(1.0, abs(cost - float(self.idle.cost.sum())))

    def is_proven(self, cost: float, gap: float = ENOUGH) -> bool:
        """Return whether a cost is hardly more than the bound, by a gap at most, of what decisions can change."""
        return cost - self.best <= gap * self.worth(cost)

    def price(self, prices: FloatArray) -> float:
        """Return the bound that all series solved at these prices, >= 0 or inf, prove, after keeping their plans as columns."""
        totals, bound = self.keep(prices), -np.inf
        cut = totals
        if np.isfinite(prices).all():
            limited = np.isfinite(self.limits)
            bound = float(totals.bound.sum() - prices[limited] @ self.limits[limited])
            cut = replace(totals, cost=totals.bound - totals.usage @ prices)
        self.cuts.append(cut)
        if bound > self.best:
            self.best, self.center = bound, prices
        self._tell(totals)
        return bound

    def keep(self, prices: FloatArray) -> Totals:
        """Return what all series solved at these prices cost and use, after keeping their plans as columns."""
        totals = self.look(Choice.at(prices, self.n_cells))
        self.tried.append(prices)
        self.found.append(totals)
        return totals

    def fill(self, prices: FloatArray) -> bool:
        """Return whether these prices, some of them below 0 or inf, are new; the plans of all series at them are then kept."""
        new = not any(np.allclose(prices, tried, rtol=SAME, atol=0.0) for tried in self.tried)
        if new:
            self._tell(self.keep(prices))
        return new

    def measure(self, choice: Choice) -> Totals:
        """Return what the chosen plans cost and use."""
        totals = self.look(choice)
        self._tell(totals)
        return totals

    def master(self, limits: FloatArray, minimums: FloatArray, fixed: FloatArray | None = None) -> Master:
        """Return the master program of the columns, at costs that count what they use at fixed prices, (n_limits,)."""
        found = self.found if fixed is None else [replace(one, cost=one.cost + one.usage @ fixed) for one in self.found]
        return Master(found, limits, minimums)

    def mixed(self, mixture: Mixture) -> Totals:
        """Return what cells cost and use by their shares of columns."""
        parts = zip(mixture.shares.T, self.found, strict=True)
        return reduce(add, (Totals(taken * one.bound, taken * one.cost, taken[:, None] * one.usage) for taken, one in parts))

    def choice(self, mixture: Mixture) -> Choice:
        """Return the choice of a mixture, columns that nobody takes left out."""
        taken = mixture.shares.max(axis=0) > 0
        shares = mixture.shares[:, taken]
        return Choice(np.stack(self.tried)[taken], shares / shares.sum(axis=1, keepdims=True))

    def coupled(self, choice: Choice, totals: Totals) -> Coupled:
        """Return plans with the best prices and bound so far."""
        return Coupled(choice, self.center, self.best, totals, totals, self.relaxed, self.passes)

    def _tell(self, totals: Totals) -> None:
        self.passes += 1
        excess = float((totals.usage.sum(axis=0) - self.limits).max(initial=0.0))
        self.watch(Step(self.passes, self.best, float(totals.cost.sum()), max(excess, 0.0)))
