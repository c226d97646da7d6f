"""How the series of a bucket share the limits: prices of limits -> prices of series, plans of series -> usage of limits."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replen import tables as t
from replen.plan.choice import Choice, Totals
from replen.plan.limits import NO_ROW, STOCK, Family, Limits
from replen.plan.outcome import Outcome
from replen.plan.positions import Positions
from replen.plan.problem import Prices
from replen.plan.timing import BoolArray, FloatArray, IntArray

N_CELLS = 512
NEARLY = 0.01  # share of what a unit costs that is kept to the horizon which no subsidy takes away
HASH_KEYS = ("cell of a series", "place in a cell!")  # 16 characters each


@dataclass(frozen=True)
class Share:
    """What the series have to do with the limits of one family.

    Attributes:
        family: the limits.
        per_unit: shape (n_series,), how much of a limit a unit uses.
        rows: shape (n_series, horizon), number of the limit of each period, NO_ROW = none.
    """

    family: Family
    per_unit: FloatArray
    rows: IntArray

    def amounts(self, outcome: Outcome) -> FloatArray:
        """Return what each series uses of its limit by period, (n_series, horizon)."""
        units = {"order": outcome.quantities, "receipt": outcome.receipts, STOCK: outcome.mean_on_hand}[self.family.basis]
        return self.per_unit[:, None] * units


@dataclass(frozen=True)
class Sharing:
    """The series of a bucket and the limits.

    Attributes:
        shares: one a family.
        cells: shape (n_series,), cell of each series, 0..N_CELLS - 1: series of a cell share limits as far as cells suffice.
        plans: shape (n_series,), which of the choice's plans each series takes.
        idle: shape (n_plans,), which plans order nothing at all.
        prices: shape (n_plans, n_rows + 1), of the choice; the last column, of no limit, is 0.
        labels: of the limits, by number.
    """

    shares: tuple[Share, ...]
    cells: IntArray
    plans: NDArray[np.intp]
    idle: BoolArray
    prices: FloatArray
    labels: tuple[str, ...]

    @classmethod
    def of(cls, items: pd.DataFrame, limits: Limits, choice: Choice) -> Self:
        """Return how these items share the limits under a choice.

        Args:
            items: one row a series: sku, site, supplier, category, unit_cost, unit_volume.
            limits: of the plan.
            choice: prices by plan, and which cells take which.
        """
        if not len(limits):
            nobody = np.zeros(len(items), np.int64)
            return cls((), nobody, nobody, np.zeros(1, bool), np.zeros((1, 1)), ())
        members = [family.members(items) for family in limits.families]
        rows = [np.vstack([family.rows, np.full(family.rows.shape[1], NO_ROW)]) for family in limits.families]
        shares = tuple(
            Share(family, family.per_unit(items), numbers[value])
            for family, numbers, value in zip(limits.families, rows, members, strict=True)
        )
        cell, place = (_hashed(items, key) for key in HASH_KEYS)
        cells = cell_of(*_apart(limits, members), cell)
        padded = np.column_stack([choice.prices, np.zeros(len(choice.prices))])
        idle = np.asarray(np.isinf(choice.prices[:, np.isfinite(limits.limits)]).any(axis=1))
        return cls(shares, cells, choice.plans(cells, (place >> np.uint64(11)) / 2.0**53), idle, padded, limits.labels)

    def take(self, rows: NDArray[np.intp]) -> Self:
        """Return the chosen series."""
        shares = tuple(Share(one.family, one.per_unit[rows], one.rows[rows]) for one in self.shares)
        return type(self)(shares, self.cells[rows], self.plans[rows], self.idle, self.prices, self.labels)

    def series_prices(self, positions: Positions) -> Prices:
        """Return what the limits add to the costs of each series under its own plan.

        No subsidy makes up for all that a unit costs which is never sold, so that none is bought without end.
        """
        prices = Prices(*(np.zeros(positions.receipts.shape) for _ in range(3)))
        table = np.where(self.idle[:, None], 0.0, self.prices)
        for share in self.shares:
            by_basis = {"order": prices.order, "receipt": prices.receipt, STOCK: prices.stock}[share.family.basis]
            row_prices = table[self.plans[:, None], share.rows]
            closed = np.isinf(row_prices)
            by_basis += share.per_unit[:, None] * np.where(closed, 0.0, row_prices)
            prices.order[closed] = np.inf
        kept = np.maximum(prices.order.shape[1] - positions.lead_time, 1)
        unsold = positions.unit_cost + kept * positions.holding_cost - positions.end_value
        np.maximum(prices.order, (NEARLY - 1) * unsold[:, None], out=prices.order)
        prices.order[self.idle[self.plans]] = np.inf
        return prices

    def totals(self, outcome: Outcome) -> Totals:
        """Return bound, cost and usage of the series' plans, added up by cell."""
        usage = np.zeros((N_CELLS, self.prices.shape[1]))
        for share in self.shares:
            np.add.at(usage, (self.cells[:, None], share.rows), share.amounts(outcome))
        return Totals(self._by_cell(outcome.dual_bound), self._by_cell(outcome.feasible_cost), usage[:, :-1])

    def limit_prices(self, lead_time: IntArray) -> list[dict[str, float]]:
        """Return by series the prices of the limits that an order of today counts for, by label; those of 0 are left out."""
        found: list[dict[str, float]] = [{} for _ in self.cells]
        for share in self.shares:
            step = np.zeros_like(lead_time) if share.family.basis == "order" else np.minimum(lead_time, share.rows.shape[1] - 1)
            rows = share.rows[np.arange(len(step)), step]
            prices = self.prices[self.plans, rows]
            for series in np.flatnonzero((rows != NO_ROW) & (prices != 0) & np.isfinite(prices)):
                found[series][self.labels[rows[series]]] = float(prices[series])
        return found

    def _by_cell(self, values: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(self.cells, values, N_CELLS), np.float64)


def _apart(limits: Limits, members: list[IntArray]) -> tuple[list[IntArray], list[int]]:
    """Return members and numbers of values of the families that cells tell apart; those that share alike count once.

    Where cells do not suffice for all, those with minimums come first: only prices tell the series of a cell apart, and no
    price chooses between nothing and a minimum.
    """
    pairs = list(zip(limits.families, members, strict=True))
    alike = {(family.scope, family.values): (member, len(family.values)) for family, member in pairs}
    if math.prod(n + 1 for _, n in alike.values()) > N_CELLS:
        lumpy = [family for family in limits.families if (limits.minimums[family.rows[family.rows != NO_ROW]] > 0).any()]
        alike = {key: alike[key] for key in ((family.scope, family.values) for family in lumpy)} or alike
    return [member for member, _ in alike.values()], [n for _, n in alike.values()]


def cell_of(members: list[IntArray], n_values: list[int], hashed: NDArray[np.uint64]) -> IntArray:
    """Return the cell of each series: those with the same limits lie together, in as many cells as there is room for."""
    groups = np.zeros(len(hashed), np.int64)
    n_groups = 1
    for member, n in zip(members, n_values, strict=True):
        groups, n_groups = groups * (n + 1) + member + 1, n_groups * (n + 1)
    room = max(N_CELLS // n_groups, 1)
    return np.asarray((groups * room + (hashed % np.uint64(room)).astype(np.int64)) % N_CELLS)


def _hashed(items: pd.DataFrame, key: str) -> NDArray[np.uint64]:
    """Return a number of each series that depends on its key alone."""
    keys = pd.util.hash_pandas_object(items[[str(t.SKU), str(t.SITE)]], index=False, hash_key=key)
    return np.asarray(keys.to_numpy(), np.uint64)
