"""Programs of series under shared limits, made once and solved again at every prices: what a pass of the coupling needs."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from replen.plan.backorders import solve_backorders
from replen.plan.chain import Chains
from replen.plan.choice import Choice, Totals
from replen.plan.decide import chains_at, chains_of
from replen.plan.kept import Keeping, LastPlan, is_kept, usage_at
from replen.plan.lattice import OrderLines
from replen.plan.lost_sales import solve_lost_sales
from replen.plan.packs import whole_packs
from replen.plan.prepared import Prepared
from replen.plan.problem import Prices, Problem, problems
from replen.plan.sharing import Flows, Sharing
from replen.plan.timing import FloatArray, IntArray, by_arrival, by_order_step

Rows = NDArray[np.intp]


class Solved(NamedTuple):
    """Plans of n_series series at prices of the limits.

    Attributes:
        quantities: shape (n_series, horizon), units by step of the order.
        bound: shape (n_series,), money, priced usage included, open orders left out; no plan costs less.
        cost: shape (n_series,), money of the plans, prices of limits not counted.
        stock: shape (n_series, horizon), expected units at the end of each step.
    """

    quantities: FloatArray
    bound: FloatArray
    cost: FloatArray
    stock: FloatArray


class Solver(Protocol):
    """The programs of one demand model, free of prices of limits."""

    def __call__(self, prices: Prices) -> Solved:
        """Return the plans at these prices."""


@dataclass(frozen=True)
class BackorderPrograms:
    """Programs of series whose demand waits."""

    chains: Chains
    lines: OrderLines
    lead_time: IntArray

    @classmethod
    def of(cls, ready: Prepared) -> Self:
        """Return the programs of these series."""
        chains, positions = chains_of(ready), ready.positions
        lines = OrderLines(positions.smallest_order, positions.order_cost)
        return cls(replace(chains, at=_compact(chains.at)), lines, positions.lead_time)

    def __call__(self, prices: Prices) -> Solved:
        """Return the plans at these prices."""
        found = solve_backorders(chains_at(self.chains, prices, self.lead_time), self.lines)
        stock = np.maximum(np.cumsum(found.quantities, axis=1)[:, :, None] - self.chains.at, 0.0).mean(axis=2)
        order = by_arrival(np.where(np.isfinite(prices.order), prices.order, 0.0), self.lead_time)
        priced = ((order + prices.receipt) * found.quantities + prices.stock * stock).sum(axis=1)
        return Solved(by_order_step(found.quantities, self.lead_time), found.lower_bound, found.cost - priced, stock)


@dataclass(frozen=True)
class LostSalesPrograms:
    """Programs of series whose demand is lost where it is not met.

    Attributes:
        groups: rows and problem of the series of each lead time with which an order can arrive in time.
        early_stock: shape (n_series, horizon), expected units at the end of each step that no order changes; 0 in the others.
        idle_cost: shape (n_series,), money of these steps, less the value of what is left if nothing is ordered.
        constant: shape (n_series,), money of these steps.
    """

    groups: tuple[tuple[Rows, Problem], ...]
    early_stock: FloatArray
    idle_cost: FloatArray
    constant: FloatArray

    @classmethod
    def of(cls, ready: Prepared) -> Self:
        """Return the programs of these series."""
        found = problems(ready.positions, ready.demand, ready.idle)
        groups = tuple((rows, replace(one, needs=_compact(one.needs), opening=_compact(one.opening))) for rows, one in found)
        left = ready.positions.end_value * ready.idle.ending[-1].mean(axis=1)
        return cls(groups, ready.early_stock, ready.constant - left, ready.constant)

    def __call__(self, prices: Prices) -> Solved:
        """Return the plans at these prices."""
        early = (prices.stock * self.early_stock).sum(axis=1)
        solved = Solved(
            np.zeros(self.early_stock.shape), self.idle_cost + early, self.idle_cost.copy(), self.early_stock.copy()
        )
        for rows, kept in self.groups:
            unpriced = replace(kept, needs=kept.needs.astype(np.float64), opening=kept.opening.astype(np.float64))
            problem = unpriced.at(prices.take(rows))
            whole = whole_packs(problem, solve_lost_sales(problem))
            n_steps = whole.quantities.shape[1]
            solved.quantities[rows, :n_steps] = whole.quantities
            solved.stock[rows, -n_steps:], _ = unpriced.stock(whole.quantities)
            solved.bound[rows] = self.constant[rows] + early[rows] + whole.bound
            solved.cost[rows] = self.constant[rows] + unpriced.cost(whole.quantities)
        return solved


@dataclass(frozen=True)
class KeptPrograms:
    """Programs of series whose last plan is kept where the best one does not save the charge (see `kept`).

    Attributes:
        free: the programs of all series.
        rest: of those that may keep their last plan, with what it says on its way.
        keeping: what it says.
    """

    free: Solver
    rest: Solver
    keeping: Keeping

    def __call__(self, prices: Prices) -> Solved:
        """Return the plans at these prices."""
        keeping, rows, mine = self.keeping, self.keeping.rows, prices.take(self.keeping.rows)
        free, rest, (bought, taken) = self.free(prices), self.rest(mine), keeping.money(mine)
        charge, lead_time = keeping.charges(free.quantities[rows]), keeping.positions.lead_time
        changed, kept = (
            cost + usage_at(mine, quantities, by_arrival(quantities, lead_time), stock)
            for quantities, cost, stock in (
                (free.quantities[rows], free.cost[rows] + charge, free.stock[rows]),
                (rest.quantities, rest.cost + bought + taken, rest.stock),
            )
        )
        keep = (charge > 0) & np.isfinite(taken) & is_kept(kept, changed)
        solved = Solved(*(values.copy() for values in free))
        least = np.minimum(free.bound[rows] + charge, rest.bound + bought + taken)
        solved.bound[rows] = np.where(charge > 0, least, free.bound[rows])
        solved.cost[rows] = np.where(keep, rest.cost + bought, free.cost[rows] + charge)
        solved.quantities[rows[keep]] = (keeping.units + rest.quantities)[keep]
        solved.stock[rows[keep]] = rest.stock[keep]
        return solved


@dataclass(frozen=True)
class Programs:
    """Series and how they share the limits.

    Attributes:
        solve: their programs.
        sharing: how they share the limits.
        receipts: shape (n_series, horizon), units of open orders.
        lead_time: shape (n_series,), periods.
    """

    solve: Solver
    sharing: Sharing
    receipts: FloatArray
    lead_time: IntArray

    @classmethod
    def of(cls, ready: Prepared, sharing: Sharing, last: LastPlan | None = None) -> Self:
        """Return the programs of these series, which may have a last plan that is charged for when it changes."""
        model: type[BackorderPrograms | LostSalesPrograms] = BackorderPrograms if ready.waits else LostSalesPrograms
        solve: Solver = model.of(ready)
        keeping = None if last is None else Keeping.of(last, ready.positions, np.arange(len(ready.receipts)))
        if keeping is not None and len(keeping.rows):
            solve = KeptPrograms(solve, model.of(keeping.made_ready(ready)), keeping)
        return cls(solve, sharing, ready.receipts, ready.positions.lead_time)

    def totals(self, choice: Choice) -> Totals:
        """Return what plans under a choice cost and use, by cell."""
        prices = self.sharing.series_prices(choice, self.receipts.shape[1])
        solved = self.solve(prices)
        flows = Flows(solved.quantities, self.receipts + by_arrival(solved.quantities, self.lead_time), solved.stock)
        return self.sharing.totals(solved.bound + (prices.receipt * self.receipts).sum(axis=1), solved.cost, flows)


def _compact(units: FloatArray) -> FloatArray:
    """Return the same numbers in single precision where that is exact, as it is for whole units."""
    single: NDArray[Any] = units.astype(np.float32)
    return single if np.array_equal(single, units) else units
