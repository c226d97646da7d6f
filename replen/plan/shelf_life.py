"""Goods that perish: stock that expires before it sells is no stock, and no order brings more than sells in time.

Units are sold first in, first out, path by path. What expires of stock and open orders if nothing else arrives is taken off as
if it were wanted in the step at whose end it expires, so that the programs see it. What expires of new orders is not in a
program, which would need the age of every unit; there a line has at most the units that would be bought to serve its whole
shelf life alone. What a plan costs counts both (`Prepared.played`), and orders are bettered by that cost (`perishing`).
"""

from functools import partial

import numpy as np

from replen.plan.positions import Positions
from replen.plan.projection import Projection, open_orders
from replen.plan.search import critical_value, pays_up_to
from replen.plan.timing import BoolArray, FloatArray, IntArray

HALVINGS = 30
DECIMALS = 4


def expiring(positions: Positions, demand: FloatArray, *, waits: bool) -> FloatArray:
    """Return units that expire unsold at the end of each step if nothing is ordered, (horizon, n_series, n_paths).

    Args:
        positions: n_series positions; units on hand are as fresh as those that arrive in step 0.
        demand: shape (horizon, n_series, n_paths), units.
        waits: True: demand that is not met waits; False: it is lost, and nothing is owed.
    """
    expired = np.zeros(demand.shape)
    rows = _perishable(positions, demand)
    some = positions.take(rows)
    if some.shelf_life is None or not len(rows):
        return expired
    _, expired[:, rows] = sold_in_time(some, some.shelf_life, open_orders(some), demand[:, rows], waits=waits)
    return expired


def sold_in_time(
    positions: Positions, shelf_life: IntArray, receipts: FloatArray, demand: FloatArray, *, waits: bool
) -> tuple[Projection, FloatArray]:
    """Return the stock of goods that perish, and the units thrown away at the end of each step, (horizon, n_series, n_paths).

    Args:
        positions: n_series positions; units on hand are as fresh as those that arrive in step 0.
        shelf_life: shape (n_series,), periods in which a unit can be sold, that of its arrival included.
        receipts: shape (horizon, n_series, n_paths or 1), units at the start of each step, orders included.
        demand: shape (horizon, n_series, n_paths), units.
        waits: True: demand that is not met waits; False: it is lost, and nothing is owed.
    """
    received = np.concatenate([np.zeros_like(receipts[:1]), np.cumsum(receipts, axis=0)])
    stock, (ending, short, expired) = (positions.on_hand - positions.backorders)[:, None], np.empty((3, *demand.shape))
    for step, wanted in enumerate(demand):
        net = stock + receipts[step] - wanted
        left = np.maximum(net, 0.0)
        short[step] = left - net
        expired[step] = too_old(left, received, shelf_life, step=step)
        ending[step] = left - expired[step]
        stock = ending[step] - short[step] if waits else ending[step]
    return Projection(ending, short), expired


def too_old(left: FloatArray, received: FloatArray, shelf_life: IntArray, *, step: int) -> FloatArray:
    """Return units of what is left that cannot be sold after a step, (n_series, n_paths): first in, first out.

    Args:
        left: shape (n_series, n_paths), units at the end of the step.
        received: shape (n_steps + 1, n_series, n_paths or 1), units that have arrived before each step.
        shelf_life: shape (n_series,), periods in which a unit can be sold, that of its arrival included.
        step: of the n_steps.
    """
    keeps_from = step + 2 - shelf_life  # units that arrive from this step on can be sold in the next
    kept = received[step + 1] - received[np.clip(keeps_from, 0, step + 1), np.arange(len(shelf_life))]
    return np.where((keeps_from > 0)[:, None], np.maximum(left - kept, 0.0), 0.0)


def largest_in_time(positions: Positions, demand: FloatArray) -> FloatArray:
    """Return the largest line that should sell before it expires, (n_series, horizon), units, by step of the order.

    It is the newsvendor's quantity for the demand of the shelf life with nothing left over worth anything: the share
    (lost_sale_cost - unit_cost) / lost_sale_cost of the paths. Where that is less than the smallest line, the line may be
    placed if what sells of it pays for all of it. Steps after the horizon are like the last one.

    Args:
        positions: n_series positions.
        demand: shape (horizon, n_series, n_paths), units; where lead times vary, of the shifted steps (see `delays`).
    """
    largest = np.repeat(positions.largest_order[:, None], len(demand), axis=1)
    rows = _perishable(positions, demand)
    some = positions.take(rows)
    if some.shelf_life is None or not len(rows):
        return largest
    last, running = demand[-1, rows], np.cumsum(demand[:, rows], axis=0)
    running = np.concatenate([np.zeros((1, *last.shape)), running])
    for step in range(len(demand)):
        first, end = (np.minimum(step + some.lead_time + units, len(demand)) for units in (0, some.shelf_life))
        beyond = np.minimum(some.shelf_life, step + some.lead_time + some.shelf_life - len(demand))
        sells = running[end, np.arange(len(rows))] - running[first, np.arange(len(rows))]
        largest[rows, step] = _largest_line(some, sells + np.maximum(beyond, 0)[:, None] * last)
    return largest


def largest_worthwhile(positions: Positions, demand: FloatArray, *, waits: bool, floor: FloatArray) -> FloatArray:
    """Return lines that no cheapest plan passes, (n_series, horizon), units, by step of the order.

    Take away what a line has above such a number of packs. Sold are then at most those units fewer that would have been sold of
    them, as later ones take their place; fewer expire, fewer lie there. So where demand is lost and the line expires within the
    horizon on all paths, a unit is worth at most its chance to be sold times what a sale, or a unit kept in its place, is
    worth: less than it costs beyond the newsvendor's quantity. Of other lines, units beyond all demand of the horizon, and
    beyond the safety stock, are left over at best, which never pays.

    Args:
        positions: n_series positions that perish.
        demand: shape (horizon, n_series, n_paths), units; where lead times vary, of the shifted steps (see `delays`).
        waits: True: demand that is not met waits; False: it is lost.
        floor: shape (n_series,), units of safety stock that are asked for at most.
    """
    horizon, rows = len(demand), np.arange(positions.n_series)
    most = demand.sum(axis=0).max(axis=1) + positions.backorders + floor
    largest = np.repeat(most[:, None], horizon, axis=1)
    if positions.shelf_life is not None and not waits:
        worth = np.maximum(positions.lost_sale_cost, positions.end_value)
        margin = (worth - positions.unit_cost) / worth
        running = np.concatenate([np.zeros((1, *demand.shape[1:])), np.cumsum(demand, axis=0)])
        for step in range(horizon):
            first, end = (np.minimum(step + positions.lead_time + more, horizon) for more in (0, positions.shelf_life))
            sells = critical_value(running[end, rows] - running[first, rows], margin)
            ends = step + positions.lead_times.max(axis=1) + positions.shelf_life <= horizon
            largest[:, step] = np.where(ends, sells, most)
    packs = np.ceil(largest / positions.order_multiple[:, None] - 1e-9) * positions.order_multiple[:, None]
    return np.minimum(np.maximum(packs, positions.smallest_order[:, None]), positions.largest_order[:, None])


def levels_in_time(positions: Positions, demand: FloatArray, levels: FloatArray, *, waits: bool = False) -> FloatArray:
    """Return order-up-to levels, (n_series, n_steps), units, none above the last unit that pays for what may expire of it.

    First in, first out, that unit is sold before the next order arrives if demand of lead time and review period passes the
    level, and saves a lost margin (where demand waits: backorder_cost until then). If only demand of lead time and shelf life
    does, it saves the purchase of another; else it expires. Steps after the horizon are like the last one.

    Args:
        positions: n_series positions; where nothing perishes, levels are as they are.
        demand: shape (n_steps, n_series, n_paths), units.
        levels: shape (n_series, n_steps), units of inventory position.
        waits: True: demand that is not met waits; False: it is lost.
    """
    capped, rows = levels.copy(), _perishable(positions, demand)
    some = positions.take(rows)
    if some.shelf_life is None or not len(rows):
        return capped
    saved = some.backorder_cost * some.review_period if waits else some.lost_sale_cost - some.unit_cost
    first, last = (
        some.lead_times + more[:, None] for more in (np.minimum(some.review_period, some.shelf_life), some.shelf_life)
    )
    soon, in_time = (_demand_of_next(demand[:, rows], periods) for periods in (first, last))
    pays = partial(_pays_in_time, soon, in_time, saved=saved, unit_cost=some.unit_cost)
    level = pays_up_to(pays, in_time.max(axis=2), halvings=HALVINGS)
    capped[rows] = np.minimum(levels[rows], np.round(level, DECIMALS).T)
    return capped


def _pays_in_time(
    soon: FloatArray, in_time: FloatArray, level: FloatArray, *, saved: FloatArray, unit_cost: FloatArray
) -> BoolArray:
    """Return whether a unit above the level pays, (n_steps, n_series), given demand of both intervals, also by path."""
    sold, expires = (soon > level[:, :, None]).mean(axis=2), (in_time <= level[:, :, None]).mean(axis=2)
    return np.asarray(saved * sold > unit_cost * expires)


def _demand_of_next(demand: FloatArray, periods: IntArray) -> FloatArray:
    """Return demand of the next periods from each step on, (n_steps, n_series, n_paths), units; later steps are like the last.

    Args:
        demand: shape (n_steps, n_series, n_paths), units.
        periods: shape (n_series, n_paths), or (n_series, 1) where they are the same on all paths.
    """
    running = np.concatenate([np.zeros((1, *demand[0].shape)), np.cumsum(demand, axis=0)])
    until = np.arange(len(demand))[:, None, None] + np.broadcast_to(periods, demand[0].shape)
    within = np.take_along_axis(running, np.minimum(until, len(demand)), axis=0)
    return np.asarray(within - running[:-1] + np.maximum(until - len(demand), 0) * demand[-1])


def _largest_line(positions: Positions, sells: FloatArray) -> FloatArray:
    """Return the largest line, (n_series,), for what can be sold of it on each path, (n_series, n_paths), units."""
    margin = (positions.lost_sale_cost - positions.unit_cost) / positions.lost_sale_cost
    whole = np.floor(critical_value(sells, margin) / positions.order_multiple + 1e-9) * positions.order_multiple
    smallest = positions.smallest_order
    earned = positions.lost_sale_cost * np.minimum(sells, smallest[:, None]).mean(axis=1)
    least = np.where(earned >= positions.unit_cost * smallest, smallest, 0.0)
    return np.minimum(np.where(whole < smallest, least, whole), positions.largest_order)


def _perishable(positions: Positions, demand: FloatArray) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Return the rows of series of which a unit can expire within the horizon."""
    if positions.shelf_life is None:
        return np.zeros(0, np.intp)
    return np.flatnonzero(positions.shelf_life <= len(demand))
