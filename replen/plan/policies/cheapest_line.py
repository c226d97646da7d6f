"""The line that costs least until the next delivery: a newsvendor over sample paths, in whole lines.

Stock is projected to the delivery on each path, so that what is short before is lost there and demand keeps its dependence
between steps; of nothing, the largest line below the newsvendor's quantity and the smallest above it, that line is ordered
which costs least on the paths. Rounding to the nearest line does not see that one pack too few may cost far more than one
pack too many.

Source: the myopic policy of inventory theory (Snyder & Shen, Fundamentals of Supply Chain Theory, ch. 4), on paths.
"""

from dataclasses import dataclass

import numpy as np

from replen.plan.policies.known import Known, OrderLevels
from replen.plan.policies.projected import stock_on_delivery
from replen.plan.positions import Positions
from replen.plan.search import critical_value
from replen.plan.timing import FloatArray

NEARLY = 1e-9  # packs: a quantity that is a whole line up to rounding errors is that line


@dataclass(frozen=True)
class CheapestLine:
    """Orders the line that costs least until the next delivery; units left then have cost their holding.

    Attributes:
        positions: n_series positions.
        demand: shape (n_steps, n_series, n_samples), sample paths of demand as forecast before step 0, units.
        delivered: shape (n_steps, n_series, n_samples), demand from each step's delivery to the next, see `delivered_demand`.
        weight: of a lost margin, see `service.CriticalRatio`.
        backorders: True: what is short waits; False: it is lost.
    """

    positions: Positions
    demand: FloatArray
    delivered: FloatArray
    weight: float = 1.0
    backorders: bool = False

    def __call__(self, known: Known) -> FloatArray:
        """Return units to order, (n_series, n_paths)."""
        return self._decided(known)[0]

    def wanted(self, known: Known) -> FloatArray:
        """Return the newsvendor's quantity, (n_series, n_paths), units."""
        return np.maximum(self._decided(known)[1], 0.0)

    def order_levels(self, known: Known) -> OrderLevels:
        """Return the position that the newsvendor's quantity leads to, twice."""
        level = known.inventory_position + self._decided(known)[1]
        return OrderLevels(level, level)

    def _decided(self, known: Known) -> tuple[FloatArray, FloatArray]:
        """Return the line, and the newsvendor's quantity, which is below 0 where stock is ample; (n_series, n_paths) each."""
        lines, wanted = np.empty(known.on_hand.shape), np.empty(known.on_hand.shape)
        costs = self.positions
        under = (self.weight * (costs.lost_sale_cost - costs.unit_cost))[:, None]
        over = (costs.holding_cost * costs.review_period)[:, None]
        for rows, stock in stock_on_delivery(costs, self.demand, known, backorders=self.backorders):
            need = self.delivered[known.step, rows][:, None, :] - stock
            wanted[rows] = critical_value(need, under[rows] / (under[rows] + over[rows]))
            tried = lines_around(costs.take(rows), np.maximum(wanted[rows], 0.0))
            least = np.full(need.shape[:2], np.inf)
            for line in tried:
                short = need - line[:, :, None]
                cost = np.where(short > 0, under[rows][:, :, None] * short, -over[rows][:, :, None] * short).mean(axis=2)
                lines[rows] = np.where(cost < least, line, lines[rows])
                least = np.minimum(cost, least)
        return lines, wanted


def lines_around(positions: Positions, quantities: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return nothing, the largest line not above, and the smallest not below each quantity, (n_series, n_paths) each."""
    multiple, smallest = positions.order_multiple[:, None], positions.smallest_order[:, None]
    below, above = (rounded(quantities / multiple) * multiple for rounded in (_floor, _ceil))
    below = np.where(below < smallest, 0.0, below)
    above = np.where(quantities > 0, np.maximum(above, smallest), 0.0)
    largest = positions.largest_order[:, None]
    return np.zeros_like(quantities), np.minimum(below, largest), np.minimum(above, largest)


def _floor(packs: FloatArray) -> FloatArray:
    return np.asarray(np.floor(packs + NEARLY))


def _ceil(packs: FloatArray) -> FloatArray:
    return np.asarray(np.ceil(packs - NEARLY))
