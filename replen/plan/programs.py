"""Programs of series under shared limits, made once and solved again at every prices: what a pass of the coupling needs."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from replen.plan.backorders import solve_backorders
from replen.plan.chain import Chains
from replen.plan.choice import Choice, Totals
from replen.plan.decide import chains_at, chains_of
from replen.plan.delays import expected_delayed
from replen.plan.kept import Keeping, LastPlan, least_charged
from replen.plan.lattice import OrderLines
from replen.plan.lost_sales import solve_lost_sales
from replen.plan.packs import whole_packs
from replen.plan.perishing import PerishingPrograms, relaxed
from replen.plan.positions import Positions
from replen.plan.prepared import Prepared, compact
from replen.plan.problem import Prices, Problem, problems
from replen.plan.sharing import Flows, Sharing
from replen.plan.solved import Solved, Solver
from replen.plan.sourcing import cheapest, least_by_series
from replen.plan.timing import FloatArray, IntArray, by_arrival, by_order_step

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class BackorderPrograms:
    """Programs of series whose demand waits.

    Attributes:
        chains: one a series.
        lines: what may be ordered.
        positions: of the series.
        varies: rows of series whose lead times vary: their stock in calendar time is not told by their chains.
        late: these series as they are.
        apart: shape (n_series,), money that no order changes and that the chains leave out.
        early_stock: shape (n_series, horizon), expected units that they leave out.
    """

    chains: Chains
    lines: OrderLines
    positions: Positions
    varies: Rows
    late: Prepared
    apart: FloatArray
    early_stock: FloatArray

    @classmethod
    def of(cls, ready: Prepared) -> Self:
        """Return the programs of these series."""
        chains, positions = chains_of(ready), ready.positions
        lines, varies = OrderLines(positions.smallest_order, positions.order_cost), np.flatnonzero(positions.varies)
        apart = np.where(positions.varies, ready.constant + ready.unreached, 0.0)
        early_stock = np.where(positions.varies[:, None], ready.early_stock, 0.0)
        kept = replace(chains, at=compact(chains.at))
        return cls(kept, lines, positions, varies, ready.take(varies), apart, early_stock)

    def __call__(self, prices: Prices) -> Solved:
        """Return the plans at these prices."""
        lead_time = self.positions.lead_time
        found = solve_backorders(chains_at(self.chains, prices, self.positions), self.lines)
        stock = np.maximum(np.cumsum(found.quantities, axis=1)[:, :, None] - self.chains.at, 0.0).mean(axis=2)
        quantities = by_order_step(found.quantities, lead_time)
        bound = found.lower_bound + self.apart + (prices.stock * self.early_stock).sum(axis=1)
        solved = Solved(quantities, bound, found.cost - prices.paid(quantities, found.quantities, stock), stock)
        if len(self.varies):
            projection = self.late.played(quantities[self.varies])
            solved.stock[self.varies] = projection.ending.mean(axis=2).T
            solved.cost[self.varies] = self.late.costs(quantities[self.varies], projection)[1]
        return solved


@dataclass(frozen=True)
class LostSalesPrograms:
    """Programs of series whose demand is lost where it is not met.

    Attributes:
        groups: rows and problem of the series of each lead time with which an order can arrive in time.
        early_stock: shape (n_series, horizon), expected units at the end of each step that no order changes; 0 in the others.
        idle_cost: shape (n_series,), money of these steps, less the value of what is left if nothing is ordered.
        constant: shape (n_series,), money of these steps, and of what is left where no order arrives.
    """

    groups: tuple[tuple[Rows, Problem], ...]
    early_stock: FloatArray
    idle_cost: FloatArray
    constant: FloatArray

    @classmethod
    def of(cls, ready: Prepared) -> Self:
        """Return the programs of these series."""
        found = problems(ready.positions, ready.demand, ready.idle)
        groups = tuple((rows, replace(one, needs=compact(one.needs), opening=compact(one.opening))) for rows, one in found)
        left = ready.positions.end_value * ready.idle.ending[-1].mean(axis=1)
        return cls(groups, ready.early_stock, ready.constant - left, ready.constant + ready.unreached)

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
            solved.stock[rows, -n_steps:] += unpriced.stock(whole.quantities)[0]
            solved.bound[rows] = self.constant[rows] + early[rows] + whole.bound
            solved.cost[rows] = self.constant[rows] + unpriced.cost(whole.quantities)
        return solved


def programs_of(ready: Prepared) -> Solver:
    """Return the programs of these series."""
    model: type[BackorderPrograms | LostSalesPrograms] = BackorderPrograms if ready.waits else LostSalesPrograms
    rows = ready.perishing
    if not len(rows):
        return model.of(ready)
    some = ready.take(rows)
    free = relaxed(some)
    return PerishingPrograms(model.of(ready), rows, some, free, model.of(free))


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
        changed = free.cost[rows] + keeping.paid(mine, free.quantities[rows], free.stock[rows])
        kept = rest.cost + bought + taken + keeping.paid(mine, rest.quantities, rest.stock)
        keep, charge = keeping.weighed(free.quantities[rows], changed, kept)
        solved = Solved(*(values.copy() for values in free))
        solved.bound[rows] = least_charged(free.bound[rows], rest.bound + bought + taken, charge)
        solved.cost[rows] = np.where(keep, rest.cost + bought, free.cost[rows] + charge)
        solved.quantities[rows[keep]] = (keeping.units + rest.quantities)[keep]
        solved.stock[rows[keep]] = rest.stock[keep]
        return solved


@dataclass(frozen=True)
class Programs:
    """Sources of series and how they share the limits.

    Attributes:
        solve: their programs.
        sharing: how they share the limits.
        series: shape (n_items,), numbers that tell the series of the sources apart.
        receipts: shape (n_series, horizon), expected units of open orders.
        lead_time: shape (n_series,), periods.
        delays: shape (n_series, n_paths), see `Positions`.
    """

    solve: Solver
    sharing: Sharing
    series: IntArray
    receipts: FloatArray
    lead_time: IntArray
    delays: IntArray | None

    @classmethod
    def of(cls, ready: Prepared, sharing: Sharing, series: IntArray, last: LastPlan | None = None) -> Self:
        """Return the programs of these sources, which may have a last plan that is charged for when it changes."""
        solve: Solver = programs_of(ready)
        positions = ready.positions
        keeping = None if last is None else Keeping.of(last, positions, np.arange(len(ready.receipts)))
        if keeping is not None and len(keeping.rows):
            solve = KeptPrograms(solve, programs_of(keeping.made_ready(ready)), keeping)
        return cls(solve, sharing, series, ready.receipts, positions.lead_time, positions.delays)

    def totals(self, choice: Choice) -> Totals:
        """Return what plans under a choice cost and use, by cell: each series buys where it costs least."""
        prices = self.sharing.series_prices(choice, self.receipts.shape[1])
        solved = self.solve(prices)
        ordered = expected_delayed(by_arrival(solved.quantities, self.lead_time), self.delays)
        flows = Flows(solved.quantities, self.receipts + ordered, solved.stock)
        bound = least_by_series(self.series, solved.bound + (prices.receipt * self.receipts).sum(axis=1))
        taken = cheapest(self.series, solved.cost + prices.paid(*flows))
        used = Flows(*(units[taken] for units in flows))
        return self.sharing.take(taken).totals(bound[taken], solved.cost[taken], used)
