"""The last plan kept where a better one does not save its charge: planned orders that change every day cost trust and work.

A series whose orders differ from those that its last plan has for the same dates is charged once. So its cheapest plan is
either the cheapest of all, charged, or the cheapest of those that keep what the last plan says; both are solved, and the
cheaper one is taken. What the last plan says is what it could decide: dates on which an order still arrived within its horizon,
frozen ones left out (those orders are on their way). It is kept as a whole, and only where every order is one that may be
placed now. Dates that it says nothing of are planned anew.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replen import tables as t
from replen.plan.decide import Decided
from replen.plan.delays import delayed, expected_delayed
from replen.plan.in_time import decide
from replen.plan.positions import Positions
from replen.plan.prepared import Prepared
from replen.plan.problem import Prices
from replen.plan.projection import delivered_share
from replen.plan.timing import BoolArray, FloatArray, IntArray, by_arrival, padded

SAME = 1e-6  # units, or packs: orders that differ by less are the same
TIE = 1e-9  # share of the money by which rounding errors may part equal plans


@dataclass(frozen=True)
class LastPlan:
    """What the last plans of n_series series say.

    Attributes:
        quantities: shape (n_series, horizon), units by step of this plan; NaN where the last one says nothing.
        change_cost: money for a series whose orders differ.
    """

    quantities: FloatArray
    change_cost: float

    @classmethod
    def of(cls, items: pd.DataFrame, lead_time: IntArray, *, frozen_periods: int, change_cost: float, horizon: int) -> Self:
        """Return what the last plans say of items.

        Args:
            items: one row a series; `last_plan` has units by step, null = there is none.
            lead_time: shape (n_series,), periods.
            frozen_periods: first steps, whose orders are on their way.
            change_cost: money for a series.
            horizon: steps planned.
        """
        quantities = padded(items[t.LAST_PLAN], horizon, missing=np.nan, less=lead_time)
        quantities[:, :frozen_periods] = np.nan
        return cls(quantities, change_cost)

    def rows_to_keep(self, positions: Positions) -> NDArray[np.intp]:
        """Return the series whose last plan says something, none of which is forbidden now."""
        said = np.isfinite(self.quantities)
        packs = self.quantities / positions.order_multiple[:, None]
        whole = np.abs(packs - np.round(packs)) <= SAME
        least, most = positions.smallest_order[:, None] - SAME, positions.largest_by_step + SAME
        placeable = whole & (self.quantities >= least) & (self.quantities <= most)
        return np.flatnonzero(said.any(axis=1) & (~said | placeable | (self.quantities == 0)).all(axis=1))


@dataclass(frozen=True)
class Keeping:
    """The n_rows series that may keep their last plan.

    Attributes:
        rows: shape (n_rows,), which of the n_series.
        said: shape (n_rows, horizon), steps of which the last plan says something.
        units: shape (n_rows, horizon), what it says; 0 in other steps.
        positions: of the series; other orders in other steps only.
        change_cost: money for a series that does not keep it.
    """

    rows: NDArray[np.intp]
    said: BoolArray
    units: FloatArray
    positions: Positions
    change_cost: float

    @classmethod
    def of(cls, last: LastPlan, positions: Positions, rows: NDArray[np.intp]) -> Self:
        """Return the series among `rows` that may keep their last plan.

        Args:
            last: of n_series series.
            positions: n_series positions, made ready (see `Prepared`).
            rows: whose orders are those of the program.
        """
        rows = np.intersect1d(rows, last.rows_to_keep(positions))
        said, some = np.isfinite(last.quantities[rows]), positions.take(rows)
        others = replace(some, line_limit=np.where(said, 0.0, some.largest_by_step))
        return cls(rows, said, np.nan_to_num(last.quantities[rows]), others, last.change_cost)

    def made_ready(self, ready: Prepared) -> Prepared:
        """Return the series, of all that were made ready, with what the kept units bring taken off what is wanted."""
        some = ready.take(self.rows)
        coming = delayed(by_arrival(self.units, self.positions.lead_time), self.positions.delays)
        decided = np.where(self.said, self.units, np.nan)
        return replace(some, positions=self.positions, expired=some.expired - coming, coming=decided)

    def charges(self, quantities: FloatArray) -> FloatArray:
        """Return what plans of the series are charged, (n_rows,), money.

        Args:
            quantities: shape (n_rows, horizon), units by step.
        """
        differ = (np.abs(quantities - self.units) > SAME) & self.said
        return np.where(differ.any(axis=1), self.change_cost, 0.0)

    def weighed(self, quantities: FloatArray, changed: FloatArray, kept: FloatArray) -> tuple[BoolArray, FloatArray]:
        """Return which series keep their last plan, and what the others' plans are charged, (n_rows,) each.

        Args:
            quantities: shape (n_rows, horizon), units by step, of the plans that may change it.
            changed: shape (n_rows,), money of these plans, what limits take included.
            kept: shape (n_rows,), money of the plans that keep it, likewise; inf where limits forbid them.
        """
        charge = self.charges(quantities)
        dear = changed + charge
        return (charge > 0) & np.isfinite(kept) & (kept <= dear + TIE * np.maximum(1.0, np.abs(dear))), charge

    def money(self, prices: Prices) -> tuple[FloatArray, FloatArray]:
        """Return what the kept units cost, (n_rows,), and what limits take for them: inf where these forbid one.

        Args:
            prices: of the n_rows series.
        """
        positions = self.positions
        bought = positions.unit_cost[:, None] * self.units * delivered_share(positions)
        cost = bought + positions.order_cost[:, None] * (self.units > 0)
        return cost.sum(axis=1), self.paid(prices, self.units, np.zeros(self.units.shape))

    def paid(self, prices: Prices, quantities: FloatArray, stock: FloatArray) -> FloatArray:
        """Return what limits take, (n_rows,), money; open orders left out, inf where they forbid an order.

        Args:
            prices: of the n_rows series.
            quantities: shape (n_rows, horizon), units by step of the order.
            stock: shape (n_rows, horizon), expected units at the end of each step.
        """
        arrived = by_arrival(quantities, self.positions.lead_time)
        return prices.paid(quantities, expected_delayed(arrived, self.positions.delays), stock)


def least_charged(free: FloatArray, rest: FloatArray, charge: FloatArray) -> FloatArray:
    """Return the bound of plans of which some are charged: that of all, `free`, and that of those that keep, `rest`, money."""
    return np.where(charge > 0, np.minimum(free + charge, rest), free)


def keep_last(decided: Decided, ready: Prepared, prices: Prices, keeping: Keeping) -> tuple[Decided, BoolArray, FloatArray]:
    """Return what to order where changing the last plan is charged, which series keep theirs, and what others are charged.

    Args:
        decided: n_series series, not charged.
        ready: the same series.
        prices: of limits that couple series.
        keeping: the n_rows series that may keep their last plan.
    """
    rows, some, mine = keeping.rows, ready.take(keeping.rows), prices.take(keeping.rows)
    kept, charges, merged = np.zeros(len(ready.receipts), dtype=bool), np.zeros(len(ready.receipts)), decided.copy()
    if not len(rows):
        return merged, kept, charges
    rest = decide(keeping.made_ready(ready), mine, with_levels=False)
    bought, taken = keeping.money(mine)
    quantities = keeping.units + rest.quantities
    changed, cost_kept = (_priced_cost(some, plans, mine, keeping) for plans in (decided.quantities[rows], quantities))
    keep, charge = keeping.weighed(decided.quantities[rows], changed, cost_kept)
    kept[rows], charges[rows] = keep, np.where(keep, 0.0, charge)
    merged.least_cost[rows] = least_charged(decided.least_cost[rows], rest.least_cost + bought + taken, charge)
    merged.quantities[rows[keep]] = merged.targets[rows[keep]] = quantities[keep]
    merged.missing[rows[keep]] = rest.missing[keep]
    merged.in_time[rows[keep]] = rest.in_time[keep]
    return merged, kept, charges


def _priced_cost(ready: Prepared, quantities: FloatArray, prices: Prices, keeping: Keeping) -> FloatArray:
    """Return money of orders by step, what limits take for them included, (n_series,); open orders left out."""
    projection = ready.played(quantities)
    return ready.costs(quantities, projection)[1] + keeping.paid(prices, quantities, projection.ending.mean(axis=2).T)
