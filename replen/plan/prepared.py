"""Series made ready to be solved: backorders and what expires are taken into account, and what no decision changes is known."""

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from replen.config import SafetyStock
from replen.plan.delays import expected_delayed, mean_within, shifted
from replen.plan.positions import Positions, serve_backorders
from replen.plan.projection import Projection, arrivals_by_path, before_arrival, project, project_backorders, step_costs
from replen.plan.safety import Floor
from replen.plan.shelf_life import expiring, largest_in_time, sold_in_time
from replen.plan.timing import FloatArray

PATHS = ("customers", "expired")


@dataclass(frozen=True)
class Prepared:
    """n_series series.

    Attributes:
        positions: what they have; nothing is owed where demand is lost, and no line brings more than sells in time.
        customers: shape (horizon, n_series, n_paths), units wanted by customers, by those owed units too where demand is lost.
        expired: of the same shape, units of stock and open orders that expire unsold.
        waits: whether demand that is not met waits (backorders) or is lost.
        floor: safety stock that is asked for.
        receipts: shape (n_series, horizon), expected units of all open orders, those owed to customers already included.
        coming: shape (n_series, horizon), units by step of orders that are decided already, NaN = this step is not; `expired`
            is less by them when they come. None = nothing is decided.
    """

    positions: Positions
    customers: FloatArray
    expired: FloatArray
    waits: bool
    floor: Floor
    receipts: FloatArray
    coming: FloatArray | None = None

    @classmethod
    def of(cls, positions: Positions, demand: FloatArray, *, waits: bool, safety_stock: SafetyStock | None) -> Self:
        """Return the series made ready.

        Args:
            positions: n_series positions.
            demand: shape (horizon, n_series, n_paths), units.
            waits: True: demand that is not met waits; False: it is lost.
            safety_stock: asked for beside what costs ask for, where demand waits; None = none.
        """
        served, customers = (positions, demand) if waits else serve_backorders(positions, demand)
        arriving = shifted(customers, served.delays)
        served = replace(served, line_limit=largest_in_time(served, arriving))
        receipts = expected_delayed(positions.receipts, positions.lateness)
        floor = Floor.of(safety_stock, served, arriving) if waits and safety_stock else Floor.none(served)
        return cls(served, customers, expiring(served, customers, waits=waits), waits, floor, receipts)

    @cached_property
    def demand(self) -> FloatArray:
        """Return what takes units off the shelf, (horizon, n_series, n_paths): what expires as if it were wanted then."""
        return self.customers + self.expired

    @cached_property
    def perishing(self) -> NDArray[np.intp]:
        """Return the rows of series of which units can expire within the horizon, and that an order can reach."""
        positions = self.positions
        if positions.shelf_life is None:
            return np.zeros(0, np.intp)
        return np.flatnonzero(np.maximum(positions.shelf_life, positions.lead_time + 1) <= len(self.customers))

    def __getstate__(self) -> dict[str, Any]:
        """Return what is kept on disk between passes: paths in few bytes, and nothing that can be found out again."""
        kept = {field.name: getattr(self, field.name) for field in fields(self)}
        return kept | {name: compact(kept[name]) for name in PATHS}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        """Fill in what was kept."""
        vars(self).update(kept | {name: kept[name].astype(np.float64) for name in PATHS})

    @property
    def decided(self) -> FloatArray:
        """Return units by step of orders that are decided already, (n_series, horizon)."""
        return np.zeros(self.receipts.shape) if self.coming is None else np.nan_to_num(self.coming)

    @cached_property
    def idle(self) -> Projection:
        """Return what happens if nothing is ordered."""
        return self._without_age(np.zeros(self.positions.receipts.shape))

    @cached_property
    def constant(self) -> FloatArray:
        """Return money of the steps before the first arrival, (n_series,), which no order changes."""
        short = before_arrival(self.positions, self.idle.short)
        holding = self.positions.holding_cost[:, None] * self.early_stock
        return np.asarray((holding + self._short_cost[:, None] * short).sum(axis=1))

    @cached_property
    def early_stock(self) -> FloatArray:
        """Return expected units at the end of each step before the first arrival, (n_series, horizon); 0 in the others."""
        return before_arrival(self.positions, self.idle.ending)

    @cached_property
    def unreached(self) -> FloatArray:
        """Return money, (n_series,), for what is left on paths that no order reaches, of series that orders reach on others."""
        positions, left = self.positions, self.idle.ending[-1] - (self.idle.short[-1] if self.waits else 0.0)
        never = (positions.lead_times >= len(self.customers)) & positions.varies[:, None]
        return np.asarray(-positions.end_value * np.where(never, left, 0.0).mean(axis=1))

    def take(self, rows: NDArray[np.intp]) -> Self:
        """Return the chosen series."""
        floor = Floor(self.floor.units[rows], self.floor.price[rows])
        paths = (self.customers[:, rows], self.expired[:, rows])
        coming = None if self.coming is None else self.coming[rows]
        return type(self)(self.positions.take(rows), *paths, self.waits, floor, self.receipts[rows], coming)

    def played(self, quantities: FloatArray) -> Projection:
        """Return what orders by step, (n_series, horizon), lead to: what expires of them is thrown away."""
        projection, rows = self._without_age(quantities), self.perishing
        shelf_life = self.positions.shelf_life
        if shelf_life is not None and len(rows):
            some = self.positions.take(rows)
            receipts = arrivals_by_path(some, quantities[rows] + self.decided[rows])
            aged, _ = sold_in_time(some, shelf_life[rows], receipts, self.customers[:, rows], waits=self.waits)
            projection.ending[:, rows], projection.short[:, rows] = aged.ending, aged.short
        return projection

    def _without_age(self, quantities: FloatArray) -> Projection:
        """Return what orders by step lead to in the programs: only of stock and open orders something expires."""
        served, receipts = self.positions, arrivals_by_path(self.positions, quantities)
        if self.waits:
            return project_backorders(served.on_hand - served.backorders, receipts, self._running)
        return project(served.on_hand, receipts, self.demand)

    def costs(self, quantities: FloatArray, projection: Projection) -> tuple[FloatArray, FloatArray]:
        """Return money by step, (n_series, horizon), and of all of them less the value of what is left, (n_series,)."""
        net = projection.ending - projection.short if self.waits else projection.ending
        by_step = step_costs(self.positions, quantities, projection, self._short_cost)
        by_step += self.floor.soft_costs(mean_within(net, self.positions.delays))
        return by_step, by_step.sum(axis=1) - self.positions.end_value * net[-1].mean(axis=1)

    @property
    def _short_cost(self) -> FloatArray:
        return self.positions.backorder_cost if self.waits else self.positions.lost_sale_cost

    @cached_property
    def _running(self) -> FloatArray:
        return np.cumsum(self.demand, axis=0)


def compact(units: FloatArray) -> NDArray[Any]:
    """Return the same numbers in as few bytes as hold them exactly: whole units in one or two, many others in four."""
    largest = float(np.abs(units).max(initial=0.0))
    kinds = [kind for kind in (np.int8, np.int16) if largest <= np.iinfo(kind).max]
    narrow = (units.astype(kind) for kind in (*kinds, np.float32))
    return next((kept for kept in narrow if np.array_equal(kept, units)), units)
