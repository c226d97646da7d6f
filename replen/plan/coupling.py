"""Prices for limits that couple series, and a plan of all series that keeps them: column generation over cells of series.

One pass solves every series at given prices of the limits. Series are pooled into cells; what the series of a cell cost and use
in a pass is one column of the cell. A small linear program, the master, mixes the columns of each cell so that all limits hold
at least cost. Its shadow prices are the prices of the next pass, kept near the best so far (a box that grows where the bound
rises and shrinks where it does not). Every pass proves a bound: least priced cost of all series less the price of the limits.

At the end nearly all cells have one column: at most as many cells as there are limits are mixed. The series of a mixed cell
are shared out by their place in it, so that no series' plan is a fraction. What the plans then use is measured, and where it
passes a limit by the sharing out, the master is solved again with that much less.

Source: Dantzig & Wolfe (1960), Decomposition principle for linear programs; box: Marsten, Hogan & Blankenship (1975).
"""

from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add

import numpy as np

from replen.plan.choice import TOUCHED, Choice, Coupled, Observer, Pass, Step, Totals
from replen.plan.master import Master, Mixture
from replen.plan.timing import FloatArray

MAX_PASSES = 40
MAX_REPAIRS = 4
GOOD = 0.3
"""Share of the gain foreseen that a pass must bring for the box to grow."""
ALMOST = 0.999
MORE_THAN_EXCESS = 1.1
ENOUGH = 1e-5
"""Share of the decided cost by which master and bound may differ at the end."""


@dataclass
class _Search:
    """What is known so far.

    Cuts are columns at the cost that is proven: where the plan of a series costs more than its bound, the bound is what prices
    can raise.
    """

    limits: FloatArray
    look: Pass
    n_cells: int
    watch: Observer
    tried: list[FloatArray] = field(default_factory=list)
    columns: list[Totals] = field(default_factory=list)
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
        return self.columns[1]

    def is_proven(self, cost: float) -> bool:
        """Return whether a cost is hardly more than the bound, of what decisions can change."""
        return cost - self.best <= ENOUGH * max(1.0, abs(cost - float(self.idle.cost.sum())))

    def price(self, prices: FloatArray) -> float:
        """Return the bound that all series solved at these prices prove, after keeping their plans as columns."""
        totals = self.look(Choice.at(prices, self.n_cells))
        self.tried.append(prices)
        self.columns.append(totals)
        bound, cut = -np.inf, totals
        if np.isfinite(prices).all():
            bound = float(totals.bound.sum() - prices @ self.limits)
            cut = replace(totals, cost=totals.bound - totals.usage @ prices)
        self.cuts.append(cut)
        if bound > self.best:
            self.best, self.center = bound, prices
        self._tell(totals)
        return bound

    def measure(self, choice: Choice) -> Totals:
        """Return what the chosen plans cost and use."""
        totals = self.look(choice)
        self._tell(totals)
        return totals

    def _tell(self, totals: Totals) -> None:
        self.passes += 1
        excess = float((totals.usage.sum(axis=0) - self.limits).max(initial=0.0))
        self.watch(Step(self.passes, self.best, float(totals.cost.sum()), max(excess, 0.0)))


def couple(look: Pass, limits: FloatArray, *, n_cells: int, watch: Observer = lambda step: None) -> Coupled:
    """Return plans of all series that keep the limits at nearly the least cost.

    Args:
        look: makes one pass; at prices of inf it orders nothing.
        limits: shape (n_limits,), each in its own measure.
        n_cells: of the series.
        watch: is told of every pass.
    """
    search = _Search(limits, look, n_cells, watch)
    search.price(np.zeros(len(limits)))
    free = search.columns[0]
    if np.all(free.usage.sum(axis=0) <= limits * (1 + TOUCHED)):
        return _coupled(search, Choice.at(np.zeros(len(limits)), n_cells), free)
    search.price(np.full(len(limits), np.inf))
    search.relaxed = np.maximum(search.idle.usage.sum(axis=0) - limits, 0.0)
    search.limits = limits + search.relaxed
    _raise_bound(search)
    return _keep(search)


def _raise_bound(search: _Search) -> None:
    """Raise the bound, pass by pass, until the master's mixture costs hardly more."""
    radius = _first_radius(search)
    for _ in range(MAX_PASSES):
        center, best = search.center, search.best
        mixture = Master(search.cuts, search.limits).mixture(center, radius)
        at_the_box = np.abs(mixture.prices - center) > ALMOST * radius
        if search.is_proven(mixture.cost):
            if not at_the_box.any():
                return
            radius = radius * 4  # nothing to gain near by: look further
            continue
        bound = search.price(mixture.prices)
        if bound - best > GOOD * (mixture.cost - best):
            radius = np.where(at_the_box, radius * 3, radius)
        elif bound <= best:
            radius = radius / 2


def _first_radius(search: _Search) -> FloatArray:
    """Return how far prices may move at first, (n_limits,): what a unit of the limit is worth on average."""
    free, idle = search.columns[0], search.idle
    used = np.maximum(np.abs(free.usage - idle.usage).sum(axis=0), 1e-12)
    return np.asarray(max(float(idle.cost.sum() - free.cost.sum()), 1e-12) / used / 4)


def _keep(search: _Search) -> Coupled:
    """Return the cheaper of two plans that keep the limits: one column for each whole cell, or a mixture, shared out."""
    whole = Master(search.columns, search.limits).whole()
    best = _coupled(search, _choice(search, whole), _mixed(search, whole))
    less = np.zeros(len(search.limits))
    for _ in range(MAX_REPAIRS):
        if search.is_proven(best.cost):
            break
        limits = np.maximum(search.limits - less, search.idle.usage.sum(axis=0))
        choice = _choice(search, Master(search.columns, limits).keeping())
        totals = search.measure(choice)
        excess = totals.usage.sum(axis=0) - search.limits
        if np.all(excess <= TOUCHED * np.abs(search.limits)):
            found = _coupled(search, choice, totals)
            best = found if found.cost < best.cost else best
            break
        less = less + np.maximum(excess, 0.0) * MORE_THAN_EXCESS
    return replace(best, passes=search.passes)


def _mixed(search: _Search, mixture: Mixture) -> Totals:
    """Return what whole cells cost and use by their columns."""
    parts = zip(mixture.shares.T, search.columns, strict=True)
    return reduce(add, (Totals(taken * one.bound, taken * one.cost, taken[:, None] * one.usage) for taken, one in parts))


def _choice(search: _Search, mixture: Mixture) -> Choice:
    """Return the choice of a mixture, columns that nobody takes left out."""
    taken = mixture.shares.max(axis=0) > 0
    shares = mixture.shares[:, taken]
    return Choice(np.stack(search.tried)[taken], shares / shares.sum(axis=1, keepdims=True))


def _coupled(search: _Search, choice: Choice, totals: Totals) -> Coupled:
    return Coupled(
        choice=choice,
        prices=search.center,
        dual_bound=search.best,
        cost=float(totals.cost.sum()),
        usage=totals.usage.sum(axis=0),
        relaxed=search.relaxed,
        passes=search.passes,
    )
