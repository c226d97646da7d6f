"""Goods that perish: stock that expires before it sells is no stock, and no order brings more than sells in time.

What expires of stock and open orders is exact while nothing else is sold: first in, first out, path by path. It is taken off
as if it were wanted in the step at whose end it expires. What expires of new orders is not in the program, which would need
the age of every unit; instead an order has at most the units that would be bought to serve its whole shelf life alone.
"""

import numpy as np

from replen.plan.positions import Positions
from replen.plan.projection import open_orders
from replen.plan.search import critical_value
from replen.plan.timing import FloatArray, IntArray


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
    arriving = open_orders(some)
    received = np.concatenate([np.zeros_like(arriving[:1]), np.cumsum(arriving, axis=0)])
    stock = (some.on_hand - some.backorders)[:, None]
    for step, wanted in enumerate(demand[:, rows]):
        stock = stock + arriving[step] - wanted
        stock = stock if waits else np.maximum(stock, 0.0)
        expired[step, rows] = too_old(stock, received, some.shelf_life, step=step)
        stock = stock - expired[step, rows]
    return expired


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
