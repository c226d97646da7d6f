"""Inventory of a policy that orders up to levels, compiled: one series after the other, all in memory that stays in the cache."""

from typing import NamedTuple

import numpy as np
from numba import njit

from replen.plan.timing import BoolArray, FloatArray, IntArray


class Levels(NamedTuple):
    """What n_series series order by, and what comes of an order.

    Attributes:
        opening: shape (n_series,), units on the shelf before the first step, less those owed.
        receipts: shape (n_series, n_steps), units of open orders by the step they are expected in.
        lateness: shape (n_series, n_paths), steps after that in which they come.
        lead_times: shape (n_series, n_paths), steps from an order to its arrival.
        may_order: shape (n_series, n_steps), whether an order may be placed.
        level: shape (n_series, n_steps), units of inventory position after the order.
        multiple: shape (n_series,), units in a pack.
        smallest: shape (n_series,), units of the smallest line.
        largest: shape (n_series,), units of the largest line.
        shelf_life: shape (n_series,), steps in which a unit can be sold; more than n_steps = it keeps.
    """

    opening: FloatArray
    receipts: FloatArray
    lateness: IntArray
    lead_times: IntArray
    may_order: BoolArray
    level: FloatArray
    multiple: FloatArray
    smallest: FloatArray
    largest: FloatArray
    shelf_life: IntArray


class Happened(NamedTuple):
    """Filled, shape (n_steps, n_series, n_paths) each but the last, (n_series, n_paths); see `simulation.History`."""

    orders: FloatArray
    on_hand: FloatArray
    short: FloatArray
    sold: FloatArray
    waste: FloatArray
    undelivered: FloatArray


@njit(cache=True)
def play_rows(levels: Levels, demand: FloatArray, waits: bool, happened: Happened) -> None:
    """Fill in what happens to demand, (n_steps, n_series, n_paths), units; waits: whether it does where it is not met."""
    n_steps, n_series, n_paths = demand.shape
    net, on_order = np.empty(n_paths), np.empty(n_paths)
    coming, received = np.empty((n_steps, n_paths)), np.zeros((n_steps + 1, n_paths))
    for row in range(n_series):
        net[:], on_order[:], coming[:] = levels.opening[row], levels.receipts[row].sum(), 0.0
        for step in range(n_steps):
            for path in range(n_paths):
                arrival = step + levels.lateness[row, path]
                if arrival < n_steps:
                    coming[arrival, path] += levels.receipts[row, step]
        for step in range(n_steps):
            if levels.may_order[row, step]:
                _order(levels, row, step, net, on_order, coming, happened)
            for path in range(n_paths):
                received[step + 1, path] = received[step, path] + coming[step, path]
                on_order[path] -= coming[step, path]
                net[path] += coming[step, path]
            _serve(levels.shelf_life[row], row, step, net, received, demand, waits, happened)


@njit(cache=True)
def _order(
    levels: Levels, row: int, step: int, net: FloatArray, on_order: FloatArray, coming: FloatArray, happened: Happened
) -> None:
    """Place the nearest line that brings every path's inventory position up to the level; see `packs.nearest_line`."""
    multiple, smallest, n_steps = levels.multiple[row], levels.smallest[row], len(coming)
    for path in range(len(net)):
        wanted = max(levels.level[row, step] - (net[path] + on_order[path]), 0.0)
        whole = max(np.floor(wanted / multiple + 0.5) * multiple, smallest if wanted >= smallest / 2 else 0.0)
        line = min(whole if whole >= smallest else 0.0, levels.largest[row])
        arrival = step + levels.lead_times[row, path]
        if arrival < n_steps:
            coming[arrival, path] += line
        else:
            happened.undelivered[row, path] += line
        on_order[path] += line
        happened.orders[step, row, path] = line


@njit(cache=True)
def _serve(
    shelf_life: int,
    row: int,
    step: int,
    net: FloatArray,
    received: FloatArray,
    demand: FloatArray,
    waits: bool,
    happened: Happened,
) -> None:
    """Sell what there is, throw away what is too old, and leave in net what the next step begins with."""
    keeps_from = step + 2 - shelf_life
    for path in range(len(net)):
        wanted = demand[step, row, path]
        left = net[path] - wanted
        happened.sold[step, row, path] = min(max(net[path], 0.0), wanted)
        on_hand, short = max(left, 0.0), max(-left, 0.0)
        if keeps_from > 0:
            waste = max(on_hand - (received[step + 1, path] - received[keeps_from, path]), 0.0)
            happened.waste[step, row, path] = waste
            on_hand -= waste
        happened.on_hand[step, row, path], happened.short[step, row, path] = on_hand, short
        net[path] = on_hand - short if waits else on_hand
