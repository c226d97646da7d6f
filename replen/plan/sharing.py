"""How the series of a bucket share the limits: prices of limits -> prices of series, plans of series -> usage of limits."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replen import tables as t
from replen.plan.choice import Choice, Totals
from replen.plan.limits import NO_ROW, STOCK, Family, Limits
from replen.plan.positions import Positions
from replen.plan.problem import Prices
from replen.plan.sourcing import heads, series_numbers
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
        values: shape (n_series,), which of the family's values, NO_ROW = none.
    """

    family: Family
    per_unit: FloatArray
    values: NDArray[np.int32]

    @classmethod
    def of(cls, items: pd.DataFrame, family: Family) -> Self:
        """Return what items have to do with a family."""
        return cls(family, family.per_unit(items), family.members(items).astype(np.int32))

    def take(self, rows: NDArray[np.intp]) -> Self:
        """Return the chosen series."""
        return type(self)(self.family, self.per_unit[rows], self.values[rows])

    @property
    def concerned(self) -> NDArray[np.intp]:
        """Return the series that share a limit of the family."""
        return np.flatnonzero(self.values != NO_ROW)

    def limit_rows(self, series: NDArray[np.intp]) -> IntArray:
        """Return the numbers of the limits of concerned series by period, (len(series), horizon), NO_ROW = none."""
        return self.family.rows[self.values[series]]


class Flows(NamedTuple):
    """What limits count of the plans of n_series series, (n_series, horizon) each, units.

    Attributes:
        order: ordered in each period.
        receipt: on the shelf at its start, open orders included.
        stock: expected at its end.
    """

    order: FloatArray
    receipt: FloatArray
    stock: FloatArray


@dataclass(frozen=True)
class Sharing:
    """The series of a bucket and the limits.

    Attributes:
        shares: one a family.
        cells: shape (n_series,), cell of each series, 0..N_CELLS - 1: series of a cell share limits as far as cells suffice.
        places: shape (n_series,), place of each series in its cell, in [0, 1).
        unsold: shape (n_series,), money that a unit ordered today costs which is kept to the horizon.
        limited: shape (n_rows,), which rows are limits; the others are minimums.
        labels: of the rows, by number.
    """

    shares: tuple[Share, ...]
    cells: IntArray
    places: FloatArray
    unsold: FloatArray
    limited: BoolArray
    labels: tuple[str, ...]

    @classmethod
    def of(cls, items: pd.DataFrame, limits: Limits, positions: Positions) -> Self:
        """Return how these items share the limits.

        Args:
            items: one row a source, by preference: sku, site, supplier, category, unit_cost, unit_volume.
            limits: of the plan.
            positions: of the items.
        """
        limited, unsold = np.isfinite(limits.limits), _cost_unsold(positions)
        if not len(limits):
            return cls((), np.zeros(len(items), np.int64), np.zeros(len(items)), unsold, limited, ())
        shares = tuple(Share.of(items, family) for family in limits.families)
        cell, place = (_hashed(items, key) for key in HASH_KEYS)
        cells = cell_of(*_apart(items, limits), cell)
        cells = cells[heads(series_numbers(items))]  # a series stays in its cell whichever source it takes
        return cls(shares, cells, (place >> np.uint64(11)) / 2.0**53, unsold, limited, limits.labels)

    def take(self, rows: NDArray[np.intp]) -> Self:
        """Return the chosen series."""
        shares = tuple(share.take(rows) for share in self.shares)
        return type(self)(shares, self.cells[rows], self.places[rows], self.unsold[rows], self.limited, self.labels)

    def series_prices(self, choice: Choice, horizon: int) -> Prices:
        """Return what the limits add to the costs of each series under its own plan; see `Choice` for inf.

        No subsidy makes up for all that a unit costs which is never sold, so that none is bought without end.
        """
        prices = Prices(*(np.zeros((len(self.cells), horizon)) for _ in range(3)))
        if not self.shares:
            return prices
        plans = choice.plans(self.cells, self.places)
        idle = np.asarray(np.isinf(choice.prices[:, self.limited]).any(axis=1))
        table = np.column_stack([np.where(idle[:, None], 0.0, choice.prices), np.zeros(len(idle))])
        for share in self.shares:
            by_basis = {"order": prices.order, "receipt": prices.receipt, STOCK: prices.stock}[share.family.basis]
            series = share.concerned
            row_prices = table[plans[series, None], share.limit_rows(series)]
            closed = np.isinf(row_prices)
            by_basis[series] += share.per_unit[series, None] * np.where(closed, 0.0, row_prices)
            prices.order[series] = np.where(closed, np.inf, prices.order[series])
        np.maximum(prices.order, (NEARLY - 1) * self.unsold[:, None], out=prices.order)
        prices.order[idle[plans]] = np.inf
        return prices

    def totals(self, bound: FloatArray, cost: FloatArray, flows: Flows) -> Totals:
        """Return bound, cost and usage of the series' plans, added up by cell; (n_series,) money each, and what they move."""
        usage = np.zeros((N_CELLS, len(self.labels)))
        for share in self.shares:
            units = {"order": flows.order, "receipt": flows.receipt, STOCK: flows.stock}[share.family.basis]
            concerned = share.concerned
            rows = share.limit_rows(concerned)
            among, step = np.nonzero(rows != NO_ROW)
            series = concerned[among]
            places = self.cells[series] * len(self.labels) + rows[among, step]
            used = share.per_unit[series] * units[series, step]
            usage += np.bincount(places, used, usage.size).reshape(usage.shape)
        return Totals(self._by_cell(bound), self._by_cell(cost), usage)

    def limit_prices(self, choice: Choice, lead_time: IntArray) -> list[dict[str, float]]:
        """Return by series the prices of the limits that an order of today counts for, by label; those of 0 are left out."""
        found: list[dict[str, float]] = [{} for _ in self.cells]
        plans = choice.plans(self.cells, self.places)
        for share in self.shares:
            series, numbers = share.concerned, share.family.rows
            step = np.zeros_like(lead_time) if share.family.basis == "order" else np.minimum(lead_time, numbers.shape[1] - 1)
            rows = numbers[share.values[series], step[series]]
            prices = choice.prices[plans[series], rows]
            for place in np.flatnonzero((rows != NO_ROW) & (prices != 0) & np.isfinite(prices)):
                found[series[place]][self.labels[rows[place]]] = float(prices[place])
        return found

    def _by_cell(self, values: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(self.cells, values, N_CELLS), np.float64)


def _cost_unsold(positions: Positions) -> FloatArray:
    """Return what a unit ordered today costs that is never sold, (n_series,): held to the horizon, less what it is worth there.

    On paths on which it comes later than that it is not paid for.
    """
    held = np.maximum(positions.receipts.shape[1] - positions.lead_times, 0)
    lost = (positions.unit_cost - positions.end_value)[:, None] * (held > 0) + positions.holding_cost[:, None] * held
    return np.asarray(lost.mean(axis=1))


def _apart(items: pd.DataFrame, limits: Limits) -> tuple[list[IntArray], list[int]]:
    """Return by scope which of all values named by limits each item has, NO_ROW = none, and how many there are.

    Where cells do not suffice for all scopes, those of minimums come first: only prices tell the series of a cell apart, and no
    price chooses between nothing and a minimum.
    """
    lumpy = [family for family in limits.families if (limits.minimums[family.rows[family.rows != NO_ROW]] > 0).any()]
    found = _values_by_scope(limits.families)
    if math.prod(len(values) + 1 for values in found.values()) > N_CELLS:
        found = _values_by_scope(lumpy) or found
    members = [pd.Index(sorted(values)).get_indexer(pd.Index(items[scope].astype(object))) for scope, values in found.items()]
    return [np.asarray(member, np.int64) for member in members], [len(values) for values in found.values()]


def _values_by_scope(families: Iterable[Family]) -> dict[t.Column, set[str]]:
    """Return the values that families name, by the column of their scope."""
    found: dict[t.Column, set[str]] = {}
    for family in families:
        if family.scope is not None:
            found.setdefault(family.scope, set()).update(family.values)
    return found


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
