"""Columns of cells -> plans of series that keep limits and minimums, the cheaper of two.

Whole: each cell takes the plans of one pass. Shared out: a mixed cell's series take the plan of their place in it, so that no
series' plan is a fraction; what they then use is measured, and where it breaks a row by the sharing out, the master is solved
again with that much less, or more, to use.

A minimum is reached or nothing of it is used: a choice that no price makes. Where the plan that keeps the limits falls short of
some, all series are solved once with nothing ordered that these count, once with their goods nearly free, and then at the
subsidies that the master, which must reach the minimums, sets: a few passes fill up by marginal value. Over all these columns
the master then chooses, row by row, and a few more passes follow for what it chose. The bound holds as it is: nothing or at
least a minimum, mixed, is any amount.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from replen.plan.choice import TOUCHED, Choice, Coupled, missing
from replen.plan.columns import ENOUGH, Columns
from replen.plan.master import DEAREST, Master, Mixture
from replen.plan.timing import BoolArray, FloatArray

ENOUGH_WHOLE = 5e-5
"""Gap at which whole cells are good enough: to share them out takes up to `MAX_REPAIRS` passes more."""
MAX_REPAIRS = 4
MAX_FILLS = 8
MORE_THAN_EXCESS = 1.1


def keep(columns: Columns, minimums: FloatArray, reached: BoolArray) -> Coupled:
    """Return the cheapest of some plans that keep the limits: nothing, one column for each whole cell, a mixture, shared out.

    Args:
        columns: what was found.
        minimums: shape (n_limits,), that are to be kept too; 0 = none.
        reached: shape (n_limits,), which of them seem worth it; whole cells may choose others.
    """
    plans = [columns.coupled(Choice.at(np.full(len(minimums), np.inf), columns.n_cells), columns.idle)]
    plans += _whole(columns, minimums, lambda master: master.whole(reached))
    if minimums.any():
        plans += _whole(columns, minimums, lambda master: master.choosing(whole=True))
    if not columns.is_proven(min(plan.cost for plan in plans), ENOUGH_WHOLE):
        plans += _shared_out(columns, minimums, reached)
    return replace(min(plans, key=lambda plan: plan.cost), passes=columns.passes)


def _whole(columns: Columns, minimums: FloatArray, choose: Callable[[Master], Mixture | None]) -> list[Coupled]:
    """Return about the cheapest plan of whole cells; none where none is found in time."""
    asked = minimums
    for _ in range(MAX_REPAIRS):
        mixture = choose(columns.master(columns.limits, asked))
        if mixture is None:
            break
        totals = columns.mixed(mixture)
        lacking = missing(totals.usage.sum(axis=0), minimums)
        if not lacking.any():
            return [columns.coupled(columns.choice(mixture), totals)]
        asked = asked + MORE_THAN_EXCESS * lacking  # as much as the solver does not tell from nothing
    return []


def _shared_out(columns: Columns, minimums: FloatArray, reached: BoolArray) -> list[Coupled]:
    """Return the plan of a mixture shared out among the series of each cell; none where no repair makes it keep every row."""
    less, more, least = np.zeros(len(minimums)), np.zeros(len(minimums)), columns.idle.usage.sum(axis=0)
    for _ in range(MAX_REPAIRS):
        limits = np.maximum(columns.limits - less, least)
        choice = columns.choice(columns.master(limits, minimums + more).keeping(reached))
        totals = columns.measure(choice)
        usage = totals.usage.sum(axis=0)
        excess, lacking = usage - columns.limits, missing(usage, minimums)
        if np.all(excess <= TOUCHED * np.abs(columns.limits)) and not lacking.any():
            return [columns.coupled(choice, totals)]
        less, more = less + np.maximum(excess, 0.0) * MORE_THAN_EXCESS, more + lacking * MORE_THAN_EXCESS
    return []


def keep_minimums(columns: Columns, wanted: Coupled) -> Coupled:
    """Return plans that keep the minimums too: each is reached, or nothing of it is used, whichever costs less over all.

    Args:
        columns: what was found.
        wanted: plans that keep the limits.
    """
    short = missing(wanted.usage, columns.minimums) > 0
    columns.fill(np.where(short, np.inf, columns.center))
    columns.fill(np.where(short, -DEAREST, columns.center))
    _fill_up(columns, columns.lumpy & (wanted.usage > 0), at_center=True)
    mixture = columns.master(columns.limits, columns.minimums).choosing(whole=False)
    reached = columns.lumpy & (wanted.usage > 0 if mixture is None else columns.mixed(mixture).usage.sum(axis=0) > 0)
    prices = _fill_up(columns, reached)
    kept = keep(columns, columns.minimums, reached)
    prices = np.where(columns.lumpy, np.where(kept.usage > 0, prices, np.inf), kept.prices)
    return replace(kept, wanted=wanted.totals, prices=prices)


def _fill_up(columns: Columns, reached: BoolArray, *, at_center: bool = False) -> FloatArray:
    """Return the prices, (n_limits,), at which the minimums are reached at least cost, after some passes near them.

    Args:
        columns: what was found.
        reached: shape (n_limits,), which minimums; nothing is used of the others.
        at_center: True: whatever the limits, at their best prices so far.
    """
    limits, fixed = columns.limits, np.zeros(len(reached))
    if at_center:
        limits, fixed = np.full(len(reached), np.inf), columns.center
    cost = np.inf
    for _ in range(MAX_FILLS):
        mixture = columns.master(limits, columns.minimums, fixed).keeping(reached)
        prices = mixture.prices + fixed
        if mixture.cost >= cost - ENOUGH * columns.worth(mixture.cost) or not columns.fill(prices):
            break
        cost = mixture.cost
    return prices
