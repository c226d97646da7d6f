"""Reorder points: nothing is ordered above them; (s,S) and (s,Q), and hybrid (R,s,S) where R is longer than a period.

The review period of the positions says how often they are looked at: `every_period` makes a rule dynamic.

Source: Silver, Pyke & Thomas, Inventory and Production Management in Supply Chains, ch. 6.
"""

from dataclasses import dataclass, replace

import numpy as np

from replen.plan.packs import nearest_line
from replen.plan.policies.known import Known, OrderLevels
from replen.plan.positions import Positions
from replen.plan.timing import FloatArray


@dataclass(frozen=True)
class ReorderUpTo:
    """(s,S): at the reorder point or below, orders the nearest whole line that brings the inventory position up to a level.

    Attributes:
        positions: the series, for packs and limits.
        reorder_point: shape (n_series, n_steps), units of inventory position.
        order_up_to_level: shape (n_series, n_steps), units of inventory position, >= reorder_point.
    """

    positions: Positions
    reorder_point: FloatArray
    order_up_to_level: FloatArray

    def __call__(self, known: Known) -> FloatArray:
        """Return units to order, (n_series, n_paths)."""
        return nearest_line(self.positions, self.wanted(known))

    def wanted(self, known: Known) -> FloatArray:
        """Return what the position lacks to the level, nothing above the reorder point, (n_series, n_paths), units."""
        levels, position = self.order_levels(known), known.inventory_position
        return np.where(position <= levels.reorder_point, levels.order_up_to_level - position, 0.0)

    def order_levels(self, known: Known) -> OrderLevels:
        """Return both levels of the step."""
        shape = known.on_hand.shape
        both = (self.reorder_point, self.order_up_to_level)
        return OrderLevels(*(np.broadcast_to(level[:, known.step, None], shape) for level in both))


@dataclass(frozen=True)
class ReorderLots:
    """(s,Q): at the reorder point or below, orders as few lots as bring the inventory position above it.

    Attributes:
        positions: the series, for packs and limits.
        reorder_point: shape (n_series, n_steps), units of inventory position.
        lot: shape (n_series,), units, > 0.
    """

    positions: Positions
    reorder_point: FloatArray
    lot: FloatArray

    def __call__(self, known: Known) -> FloatArray:
        """Return units to order, (n_series, n_paths)."""
        return nearest_line(self.positions, self.wanted(known))

    def wanted(self, known: Known) -> FloatArray:
        """Return the lots, (n_series, n_paths), units."""
        missing = self.reorder_point[:, known.step, None] - known.inventory_position
        lots = np.where(missing >= 0, np.floor(missing / self.lot[:, None]) + 1, 0.0)
        return np.asarray(lots * self.lot[:, None])

    def order_levels(self, known: Known) -> OrderLevels:
        """Return the reorder point, and the position that one lot leads to from there."""
        point = np.broadcast_to(self.reorder_point[:, known.step, None], known.on_hand.shape)
        return OrderLevels(point, point + self.lot[:, None])


def every_period(positions: Positions) -> Positions:
    """Return the positions looked at in every period: those of a dynamic rule."""
    return replace(positions, review_period=np.ones_like(positions.review_period))


def economic_lot(positions: Positions, demand: FloatArray) -> FloatArray:
    """Return the economic order quantity in whole packs, at least the smallest line, (n_series,), units.

    Args:
        positions: n_series positions; where a line costs nothing, the lot is the smallest line.
        demand: shape (n_steps, n_series, n_paths), units; its mean a period is the rate.

    Source: Q = sqrt(2 K d / h) (Harris; Snyder & Shen, Fundamentals of Supply Chain Theory, eq. 3.4).
    """
    rate = demand.mean(axis=(0, 2))
    economic = np.sqrt(2 * positions.order_cost * rate / positions.holding_cost)
    return np.maximum(nearest_line(positions, economic), positions.smallest_order)
