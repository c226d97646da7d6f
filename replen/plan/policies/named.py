"""The rules by the names that a configuration gives them: levels from sample paths and service targets."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from replen.plan.policies.cheapest_line import CheapestLine
from replen.plan.policies.fixed_cycle import OrderUpTo
from replen.plan.policies.known import Rule
from replen.plan.policies.projected import ProjectedInventory, lot_for_lot
from replen.plan.policies.reorder_point import ReorderLots, ReorderUpTo, economic_lot, every_period
from replen.plan.policies.service import (
    Target,
    delivered_demand,
    order_up_to_levels,
    protection_demand,
    reorder_points,
)
from replen.plan.positions import Positions
from replen.plan.timing import FloatArray

Builder = Callable[[Positions, FloatArray, Sequence[Target]], Rule]
"""Positions, demand (n_steps, n_series, n_paths), targets of each series -> the rule; play it with the positions it holds."""


def fixed_cycle(positions: Positions, demand: FloatArray, targets: Sequence[Target]) -> OrderUpTo:
    """Return (R,S): up to the level, at every review."""
    return OrderUpTo(positions, order_up_to_levels(positions, demand, targets))


def hybrid(positions: Positions, demand: FloatArray, targets: Sequence[Target]) -> ReorderUpTo:
    """Return (R,s,S): looked at every review, ordered only at the reorder point or below; S - s is the economic lot."""
    lot = economic_lot(positions, demand)
    points = reorder_points(positions, demand, targets, lot)
    return ReorderUpTo(positions, points, points + lot[:, None])


def dynamic(positions: Positions, demand: FloatArray, targets: Sequence[Target]) -> ReorderUpTo:
    """Return (s,S): looked at in every period."""
    return hybrid(every_period(positions), demand, targets)


def dynamic_lots(positions: Positions, demand: FloatArray, targets: Sequence[Target]) -> ReorderLots:
    """Return (s,Q): looked at in every period, ordered in economic lots."""
    watched, lot = every_period(positions), economic_lot(positions, demand)
    return ReorderLots(watched, reorder_points(watched, demand, targets, lot), lot)


def projected_inventory(positions: Positions, demand: FloatArray, targets: Sequence[Target]) -> ProjectedInventory:
    """Return the projected-inventory rule: expected demand until the next delivery + safety stock, on the shelf on delivery.

    The safety stock is that of (R,S) at the same target; without lost sales the two order the same.
    """
    delivered = delivered_demand(positions, demand)
    return ProjectedInventory(positions, demand, delivered.mean(axis=2).T + safety_stocks(positions, demand, targets))


def net_requirements(positions: Positions, demand: FloatArray, targets: Sequence[Target]) -> ProjectedInventory:
    """Return lot for lot, with the safety stock of (R,S) at the same target."""
    safety_stock = safety_stocks(positions, demand, targets)
    return lot_for_lot(positions, demand, delivered_demand(positions, demand), safety_stock=safety_stock)


def cheapest_line(positions: Positions, demand: FloatArray, targets: Sequence[Target]) -> CheapestLine:
    """Return the rule of least cost until the next delivery: its service follows from costs, so targets do not matter."""
    del targets
    return CheapestLine(positions, demand, delivered_demand(positions, demand))


def safety_stocks(positions: Positions, demand: FloatArray, targets: Sequence[Target]) -> FloatArray:
    """Return the level of (R,S) less the expected demand of the protection interval, (n_series, n_steps), units."""
    expected = protection_demand(positions, demand).mean(axis=2).T
    return np.asarray(order_up_to_levels(positions, demand, targets) - expected)


RULES: dict[str, Builder] = {
    "fixed_cycle": fixed_cycle,
    "dynamic": dynamic,
    "dynamic_lots": dynamic_lots,
    "hybrid": hybrid,
    "cheapest_line": cheapest_line,
    "projected_inventory": projected_inventory,
    "lot_for_lot": net_requirements,
}
DYNAMIC = ("dynamic", "dynamic_lots")
"""Rules that look at their series in every period, whatever the review period is."""


def rule_named(
    name: str, positions: Positions, demand: FloatArray, targets: Sequence[Target], *, backorders: bool = False
) -> Rule:
    """Return the rule of a name, for demand that is lost or waits where it is not met.

    Where it waits, a unit short on delivery costs backorder_cost in every period until the next one, and no margin: a rule that
    weighs costs is given those, so that its critical ratio is backorder_cost / (backorder_cost + holding_cost).

    Args:
        name: key of `RULES`.
        positions: n_series positions.
        demand: shape (n_steps, n_series, n_paths), units.
        targets: of each series.
        backorders: True: what is short waits; False: it is lost.
    """
    if not backorders:
        return RULES[name](positions, demand, targets)
    waiting = positions.unit_cost + positions.backorder_cost * positions.review_period
    rule = RULES[name](replace(positions, lost_sale_cost=waiting), demand, targets)
    return replace(rule, backorders=True) if isinstance(rule, ProjectedInventory | CheapestLine) else rule
