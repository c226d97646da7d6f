"""Fixed cycle (R,S): at every review the inventory position is brought up to a level; and the levels that cost least."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from replen.plan.delays import shifted, within
from replen.plan.packs import nearest_line
from replen.plan.policies.known import Known, OrderLevels
from replen.plan.policies.service import CycleService, protection_demand, service_levels
from replen.plan.positions import Positions
from replen.plan.search import pays_up_to
from replen.plan.timing import BoolArray, FloatArray, IntArray

HALVINGS = 30
DECIMALS = 4


@dataclass(frozen=True)
class OrderUpTo:
    """Orders the nearest whole line that brings the inventory position up to a level.

    Attributes:
        positions: the series, for packs and limits.
        levels: shape (n_series, n_steps), units, inventory position after the order.
    """

    positions: Positions
    levels: FloatArray

    def __call__(self, known: Known) -> FloatArray:
        """Return units to order, (n_series, n_paths)."""
        return nearest_line(self.positions, self.wanted(known))

    def wanted(self, known: Known) -> FloatArray:
        """Return what the position lacks to the level, (n_series, n_paths), units."""
        return np.maximum(self.levels[:, known.step, None] - known.inventory_position, 0.0)

    def order_levels(self, known: Known) -> OrderLevels:
        """Return the level twice: at any position below it something is ordered."""
        level = np.broadcast_to(self.levels[:, known.step, None], known.on_hand.shape)
        return OrderLevels(level, level)


def cheapest_levels(positions: Positions, demand: FloatArray, lost: FloatArray) -> FloatArray:
    """Return the inventory position after each order that costs least, when later reviews order up to theirs.

    Backward from the last review: up to its level a further unit pays. On each path that unit is sold, or the next order
    would have brought it, or it is left at the horizon; until then it costs holding. A unit not needed at the next review is
    carried on, so the cost of one too many is that of all the periods it stays, not of one review period. Later reviews
    answer what was sold meanwhile, which a plan fixed on the plan date must hedge. Order costs and packs are left to whoever
    plays the levels. Levels are common to all paths: no path's own future enters its orders.

    Source: base-stock levels of the finite horizon, by backward induction on the derivative of the cost (Snyder & Shen,
    Fundamentals of Supply Chain Theory, ch. 4). Under lost sales the position falls by what is sold, so what is lost before
    the order arrives is taken off demand - as in projected inventory levels (van Jaarsveld & Arts).

    Args:
        positions: n_series positions without backorders.
        demand: shape (n_steps, n_series, n_paths), units.
        lost: of the same shape, units of demand that some reasonable plan loses.

    Returns:
        shape (n_series, n_steps), units; 0 where there is no review.
    """
    levels = np.zeros(positions.receipts.shape)
    timings = np.column_stack([positions.lead_time, positions.varies, positions.may_order])
    for timing in np.unique(timings, axis=0):
        rows = np.flatnonzero((timings == timing).all(axis=1))
        some = positions.take(rows) if timing[1] else replace(positions, delays=None).take(rows)
        levels[rows] = _levels_of_timing(some, demand[:, rows], (demand - lost)[:, rows])
    return levels


def _levels_of_timing(positions: Positions, demand: FloatArray, sold: FloatArray) -> FloatArray:
    """Return the cheapest levels, (n_series, n_steps): one shortest lead time, and orders at the same steps."""
    n_steps, reviews = len(demand), np.flatnonzero(positions.may_order[0])
    levels, steps = np.zeros((positions.n_series, n_steps)), np.arange(n_steps)[:, None, None]
    for step in reviews[::-1]:
        arrived = steps[step:] >= step + positions.lead_times
        used = np.cumsum(np.where(arrived, demand[step:], sold[step:]), axis=0)
        later = reviews[reviews > step] - step
        pays = partial(_further_unit_pays, positions, used, levels[:, step:], later=later)
        level = pays_up_to(pays, used[-1].max(axis=1), halvings=HALVINGS)
        levels[:, step] = np.round(level, DECIMALS)
    return levels


def _further_unit_pays(
    positions: Positions, used: FloatArray, levels: FloatArray, level: FloatArray, *, later: IntArray
) -> BoolArray:
    """Return whether a unit above `level` lowers the expected cost, (n_series,).

    Args:
        positions: series with one shortest lead time; their levels are compared in calendar steps, stock in shifted ones.
        used: shape (n_left, n_series, n_paths), units that the position falls by up to the end of each step from the review on.
        levels: shape (n_series, n_left), of later reviews.
        level: shape (n_series,), inventory position without the unit.
        later: reviews after this one, ascending, in steps from it.
    """
    lead_time, n_left, inside = int(positions.lead_time[0]), len(used), within(positions.delays, len(used))
    excess = level[:, None] - used
    until = np.broadcast_to(inside.sum(axis=0), used.shape[1:])
    in_time = until > lead_time
    for review in later[::-1]:
        ordered = (excess[review - 1] < levels[:, review, None]) & inside[review + lead_time]
        until = np.where(ordered, review + lead_time, until)
    counted = np.arange(lead_time, n_left)[:, None, None] < until
    unsold = shifted(excess, positions.delays)[lead_time:] >= 0
    sold = (counted & ~unsold).any(axis=0)
    replaced = np.where(until < inside.sum(axis=0), positions.unit_cost[:, None], positions.end_value[:, None])
    unpaid = positions.unit_cost[:, None]  # what never arrives is worth nothing, and not paid for
    worth = np.where(in_time, np.where(sold, positions.lost_sale_cost[:, None], replaced), unpaid)
    cost = positions.unit_cost + positions.holding_cost * (counted & unsold).sum(axis=0).mean(axis=1)
    return np.asarray(cost < worth.mean(axis=1))


def simple_rule_levels(positions: Positions, demand: FloatArray, *, cycle_service_level: float) -> FloatArray:
    """Return levels of the rule (R,S): mean demand over lead time and review period + z standard deviations of it.

    Near the last step as `service.interval_demand` says.

    Args:
        positions: the series.
        demand: shape (n_steps, n_series, n_paths), units.
        cycle_service_level: share of cycles meant to be without a shortage, in (0, 1).

    Returns:
        shape (n_series, n_steps), units.
    """
    total = protection_demand(positions, demand)
    target = CycleService(cycle_service_level, normal=True)
    return service_levels(positions, total, total, [target] * positions.n_series).T
