"""What to order: by the program of each demand model, and of goods that perish by what the orders cost once units expire."""

from dataclasses import replace

import numpy as np

from replen.plan.decide import Decided, backorders, chain_levels, chains_at, chains_of, lost_sales, lost_sales_levels
from replen.plan.perishing import cheapest_in_time, relaxed, relaxed_prices, saved_at_most
from replen.plan.prepared import Prepared
from replen.plan.problem import Prices, problems
from replen.plan.timing import FloatArray, by_arrival


def decide(ready: Prepared, prices: Prices, *, with_levels: bool) -> Decided:
    """Return what to order; of goods that perish by what it costs once units expire (see `perishing`).

    Args:
        ready: n_series series.
        prices: of limits that couple series.
        with_levels: whether levels, and targets before packs, are wanted.
    """
    program, levels = (backorders, _waiting_levels) if ready.waits else (lost_sales, _lost_levels)
    decided, rows = program(ready, prices, with_levels=with_levels), ready.perishing
    if not len(rows):
        return decided
    some, mine, merged = ready.take(rows), prices.take(rows), decided.copy()
    free = relaxed(some)
    proof = program(free, relaxed_prices(free, mine), with_levels=False)
    quantities = cheapest_in_time(some, free, mine, [decided.quantities[rows], proof.quantities])
    changed = np.flatnonzero((quantities != decided.quantities[rows]).any(axis=1))
    merged.least_cost[rows], merged.quantities[rows] = proof.least_cost - saved_at_most(free), quantities
    merged.in_time[rows] = quantities[:, 0] != decided.quantities[rows, 0]
    if with_levels and len(changed):
        merged.levels[rows[changed]] = levels(some.take(changed), mine.take(changed), quantities[changed])
    return merged


def _lost_levels(ready: Prepared, prices: Prices, quantities: FloatArray) -> FloatArray:
    """Return the levels of given orders by step, (n_series, 2), units less the inventory position; NaN = no order today."""
    levels = np.full((len(quantities), 2), np.nan)
    for rows, unpriced in problems(ready.positions, ready.demand, ready.idle):
        problem, plans = unpriced.at(prices.take(rows)), quantities[rows, : unpriced.largest.shape[1]]
        ordered = np.flatnonzero(plans[:, 0] > 0)
        levels[rows[ordered]] = lost_sales_levels(problem.take(ordered), plans[ordered])
    return levels


def _waiting_levels(ready: Prepared, prices: Prices, quantities: FloatArray) -> FloatArray:
    """Return the levels of given orders by step, (n_series, 2), units less the inventory position; NaN = no order today."""
    positions, levels = ready.positions, np.full((len(quantities), 2), np.nan)
    ordered = np.flatnonzero(quantities[:, 0] > 0)
    if len(ordered):
        free = chains_at(chains_of(ready), prices, positions).take(ordered)
        free = replace(free, multiple=np.zeros(len(ordered)))
        arriving = by_arrival(quantities[ordered], positions.lead_time[ordered])
        levels[ordered] = chain_levels(positions.take(ordered), free, arriving)
    return levels
