"""Prices for limits that couple series, and a plan of all series that keeps them: column generation over cells of series.

One pass solves every series at given prices of the limits. Series are pooled into cells; what the series of a cell cost and use
in a pass is one column of the cell. A small linear program, the master, mixes the columns of each cell so that all limits hold
at least cost. Its shadow prices are the prices of the next pass, kept near the best so far (a box that grows where the bound
rises and shrinks where it does not). Every pass proves a bound: least priced cost of all series less the price of the limits.
At the end nearly all cells have one column: at most as many cells as there are limits are mixed (`keeping`).

Source: Dantzig & Wolfe (1960), Decomposition principle for linear programs; box: Marsten, Hogan & Blankenship (1975).
"""

import numpy as np

from replen.plan.choice import TOUCHED, Choice, Coupled, Observer, Pass, missing
from replen.plan.columns import Columns
from replen.plan.keeping import keep, keep_minimums
from replen.plan.master import Master
from replen.plan.timing import FloatArray

MAX_PASSES = 40
GOOD = 0.3
"""Share of the gain foreseen that a pass must bring for the box to grow."""
ALMOST = 0.999
NEAR = 200.0
"""How many times nearer the best prices are looked for where a sample has told about where they are."""


def couple(
    look: Pass,
    limits: FloatArray,
    *,
    n_cells: int,
    minimums: FloatArray | None = None,
    watch: Observer = lambda step: None,
    sample: Pass | None = None,
) -> Coupled:
    """Return plans of all series that keep the limits at nearly the least cost.

    Args:
        look: makes one pass; at prices of inf for all rows it uses least of every limit, and nothing of a minimum.
        limits: shape (n_limits,), each in its own measure; inf = none.
        n_cells: of the series.
        minimums: shape (n_limits,), of what is used, unless nothing is; 0 = none, which None is for all.
        watch: is told of every pass.
        sample: makes a pass over some of the series, in their cells: the search begins at the prices that suit them.
    """
    free, endless = np.zeros(len(limits)), np.full(len(limits), np.inf)
    columns = Columns(limits, free if minimums is None else minimums, look, n_cells, watch)
    columns.price(free)
    found = columns.found[0]
    kept = np.all(found.usage.sum(axis=0) <= limits * (1 + TOUCHED))
    if kept and not missing(found.usage.sum(axis=0), columns.minimums).any():
        return columns.coupled(Choice.at(free, n_cells), found)
    columns.price(endless)
    if kept:
        return keep_minimums(columns, columns.coupled(Choice.at(free, n_cells), found))
    columns.relaxed = np.maximum(columns.idle.usage.sum(axis=0) - limits, 0.0)
    columns.limits = limits + columns.relaxed
    _raise_bound(columns, _first_radius(columns) if sample is None else _begin(columns, sample))
    coupled = keep(columns, free, ~columns.lumpy)
    return keep_minimums(columns, coupled) if missing(coupled.usage, columns.minimums).any() else coupled


def _raise_bound(columns: Columns, radius: FloatArray) -> None:
    """Raise the bound, pass by pass, until the master's mixture costs hardly more.

    Args:
        columns: what was found.
        radius: shape (n_limits,), how far prices may move at first.
    """
    for _ in range(MAX_PASSES):
        center, best = columns.center, columns.best
        mixture = Master(columns.cuts, columns.limits, columns.minimums).mixture(center, radius)
        at_the_box = np.abs(mixture.prices - center) > ALMOST * radius
        if columns.is_proven(mixture.cost):
            if not at_the_box.any():
                return
            radius = radius * 4  # nothing to gain near by: look further
            continue
        bound = columns.price(mixture.prices)
        if bound - best > GOOD * (mixture.cost - best):
            radius = np.where(at_the_box, radius * 3, radius)
        elif bound <= best:
            radius = radius / 2


def _begin(columns: Columns, sample: Pass) -> FloatArray:
    """Begin at the prices of a sample that has its share of every limit; return how far they may move, (n_limits,)."""
    n_limits, far = len(columns.limits), _first_radius(columns)
    some = Columns(np.full(n_limits, np.inf), np.zeros(n_limits), sample, columns.n_cells, lambda step: None)
    some.price(np.zeros(n_limits))
    some.price(np.full(n_limits, np.inf))
    least = columns.idle.usage.sum(axis=0)
    some.limits = some.idle.usage.sum(axis=0) + (columns.limits - least) * _freed(some) / _freed(columns)
    _raise_bound(some, _first_radius(some))
    columns.price(some.center)
    return far / NEAR if columns.center is some.center else far


def _first_radius(columns: Columns) -> FloatArray:
    """Return how far prices may move at first, (n_limits,): what a unit of the limit is worth on average."""
    saved = float(columns.idle.cost.sum() - columns.found[0].cost.sum())
    return max(saved, 1e-12) / _freed(columns) / 4


def _freed(columns: Columns) -> FloatArray:
    """Return how much more or less of each limit is used at prices of 0 than where nothing is ordered, (n_limits,)."""
    return np.asarray(np.maximum(np.abs(columns.found[0].usage - columns.idle.usage).sum(axis=0), 1e-12))
