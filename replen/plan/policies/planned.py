"""What a rule orders now and later if demand comes as expected: the rows of a plan made by a rule."""

from dataclasses import dataclass

import numpy as np

from replen.plan.policies.known import Known, Policy, Rule
from replen.plan.policies.service import protection_demand
from replen.plan.positions import Positions
from replen.plan.timing import FloatArray, IntArray


@dataclass(frozen=True)
class Planned:
    """The orders of n_series series.

    Attributes:
        quantities: shape (n_series, horizon), units ordered by step; the first column is today's order.
        wanted: shape (n_series,), today's order before packs and limits, units.
        next_order: shape (n_series,), step of the next order after today's; the horizon where there is none within it.
        reorder_point: shape (n_series,), units of inventory position.
        order_up_to_level: shape (n_series,), units of inventory position.
        safety_stock: shape (n_series,), reorder point less the expected demand of the protection interval, units.
    """

    quantities: FloatArray
    wanted: FloatArray
    next_order: IntArray
    reorder_point: FloatArray
    order_up_to_level: FloatArray
    safety_stock: FloatArray


def planned(rule: Rule, demand: FloatArray, *, backorders: bool = False) -> Planned:
    """Return what the rule orders today, when it is expected to order next, and by what levels.

    Args:
        rule: with the positions that it orders for.
        demand: shape (horizon, n_series, n_paths), units.
        backorders: True: what is short waits; False: it is lost.
    """
    quantities = expected_orders(rule, rule.positions, demand.mean(axis=2).T, backorders=backorders)
    known = Known.at_start(rule.positions)
    levels = rule.order_levels(known)
    point = levels.reorder_point[:, 0]
    return Planned(
        quantities=quantities,
        wanted=np.where(rule.positions.may_order[:, 0], rule.wanted(known)[:, 0], 0.0),
        next_order=_next_order(quantities),
        reorder_point=point,
        order_up_to_level=levels.order_up_to_level[:, 0],
        safety_stock=point - protection_demand(rule.positions, demand)[0].mean(axis=1),
    )


def expected_orders(policy: Policy, positions: Positions, demand: FloatArray, *, backorders: bool = False) -> FloatArray:
    """Return what a policy orders by step when demand comes as given and orders as expected, (n_series, horizon), units.

    Args:
        policy: asked at every review.
        positions: n_series positions.
        demand: shape (n_series, horizon), units.
        backorders: True: what is short waits; False: it is lost.
    """
    n_series, horizon = demand.shape
    orders, due = np.zeros((n_series, horizon)), positions.receipts.T[:, :, None].copy()
    net = positions.on_hand - positions.backorders
    wanted, rows = demand.T[:, :, None], np.arange(n_series)
    may_order, lead_time = positions.may_order, positions.expected_lead_time
    for step in range(horizon):
        allowed = may_order[:, step]
        stock = np.maximum(net, 0.0)[:, None], np.maximum(-net, 0.0)[:, None]
        if allowed.any():
            asked = policy(Known(step, *stock, due[step:], wanted[:step]))[:, 0]
            orders[:, step] = np.where(allowed, asked, 0.0)
            due[(step + lead_time)[allowed], rows[allowed], 0] += orders[allowed, step]
        net = net + due[step, :, 0] - demand[:, step]
        net = net if backorders else np.maximum(net, 0.0)
    return orders


def _next_order(quantities: FloatArray) -> IntArray:
    """Return the first step after today with an order, (n_series,); the horizon where there is none."""
    horizon = quantities.shape[1]
    steps = np.where(quantities > 0, np.arange(horizon), horizon)
    return np.asarray(steps[:, 1:].min(axis=1, initial=horizon))
