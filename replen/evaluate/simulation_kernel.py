"""Inventory of a policy that orders up to levels, compiled: series after series, in memory that stays in the cache."""

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
        waits: whether demand that is not met waits.
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
    waits: bool


class Happened(NamedTuple):
    """Filled, shape (n_steps, n_series, n_paths) each but the last, (n_series, n_paths); see `simulation.History`."""

    orders: FloatArray
    on_hand: FloatArray
    short: FloatArray
    sold: FloatArray
    waste: FloatArray
    undelivered: FloatArray


class Shelf(NamedTuple):
    """Memory for the paths of one series.

    Attributes:
        net: shape (n_paths,), units on the shelf less those owed.
        on_order: shape (n_paths,), units on their way, those that come after the last step too.
        coming: shape (n_steps, n_paths), units by the step in which they come.
        received: shape (n_steps + 1, n_paths), units that have come before each step.
    """

    net: FloatArray
    on_order: FloatArray
    coming: FloatArray
    received: FloatArray


@njit(cache=True)
def play_rows(levels: Levels, demand: FloatArray, happened: Happened) -> None:
    """Fill in what happens to demand, (n_steps, n_series, n_paths), units."""
    n_steps, n_series, n_paths = demand.shape
    shelf = Shelf(np.empty(n_paths), np.empty(n_paths), np.empty((n_steps, n_paths)), np.zeros((n_steps + 1, n_paths)))
    for row in range(n_series):
        _begin(levels, row, shelf)
        for step in range(n_steps):
            if levels.may_order[row, step]:
                _order(levels, row, step, shelf, happened)
            for path in range(n_paths):
                arrived = shelf.coming[step, path]
                shelf.received[step + 1, path] = shelf.received[step, path] + arrived
                shelf.on_order[path] -= arrived
                shelf.net[path] += arrived
            _serve(levels, row, step, shelf, demand, happened)


@njit(cache=True)
def _begin(levels: Levels, row: int, shelf: Shelf) -> None:
    """Put on the shelf, and on its way, what there is before the first step."""
    n_steps, n_paths = shelf.coming.shape
    shelf.net[:], shelf.on_order[:], shelf.coming[:] = levels.opening[row], levels.receipts[row].sum(), 0.0
    for step in range(n_steps):
        for path in range(n_paths):
            arrival = step + levels.lateness[row, path]
            if arrival < n_steps:
                shelf.coming[arrival, path] += levels.receipts[row, step]


@njit(cache=True)
def _order(levels: Levels, row: int, step: int, shelf: Shelf, happened: Happened) -> None:
    """Place the nearest line that brings every path's inventory position up to the level; see `packs.nearest_line`."""
    multiple, smallest, n_steps = levels.multiple[row], levels.smallest[row], len(shelf.coming)
    for path in range(len(shelf.net)):
        wanted = max(levels.level[row, step] - (shelf.net[path] + shelf.on_order[path]), 0.0)
        whole = max(np.floor(wanted / multiple + 0.5) * multiple, smallest if wanted >= smallest / 2 else 0.0)
        line = min(whole if whole >= smallest else 0.0, levels.largest[row])
        arrival = step + levels.lead_times[row, path]
        if arrival < n_steps:
            shelf.coming[arrival, path] += line
        else:
            happened.undelivered[row, path] += line
        shelf.on_order[path] += line
        happened.orders[step, row, path] = line


@njit(cache=True)
def _serve(levels: Levels, row: int, step: int, shelf: Shelf, demand: FloatArray, happened: Happened) -> None:
    """Sell what there is, throw away what is too old, and leave in net what the next step begins with."""
    keeps_from, net = step + 2 - levels.shelf_life[row], shelf.net
    for path in range(len(net)):
        wanted = demand[step, row, path]
        left = net[path] - wanted
        happened.sold[step, row, path] = min(max(net[path], 0.0), wanted)
        on_hand, short = max(left, 0.0), max(-left, 0.0)
        if keeps_from > 0:
            waste = max(on_hand - (shelf.received[step + 1, path] - shelf.received[keeps_from, path]), 0.0)
            happened.waste[step, row, path] = waste
            on_hand -= waste
        happened.on_hand[step, row, path], happened.short[step, row, path] = on_hand, short
        net[path] = on_hand - short if levels.waits else on_hand
