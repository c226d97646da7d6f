"""Orders of goods that perish: bettered by what they cost once units of new orders expire too, and a bound that holds for that.

A plan's cost counts what expires, first in, first out, path by path: every unit thrown away has been bought, and no longer
costs holding. That is not convex in the orders, so it is searched, not programmed: from the plans of two programs, packs are
added, taken away and moved between neighbouring orders, many at once first, until no such move saves money on the paths. One
program has lines of at most what sells in time (`shelf_life.largest_in_time`), the other all lines that may be worth their
money (`shelf_life.largest_worthwhile`); the cheaper plan is taken, so that it never costs more than the first program's.

The second program proves the bound: the same orders cost no less once units expire. Expiry of new orders begins n periods
before the horizon. Units that expire are a number A(t), that never falls; B(t), no more, of them are sales that are lost. So
expiry costs p B(T) and v (A - B)(T), and it saves the holding of A - B in n periods, at most n h A(T). That is no saving where
n h <= v and n h <= p; so v is raised to n h where it is less, up to c. What is then left of n h - min(v, p) is taken off for
every unit that may be ordered. Where demand waits no sale is lost, but v is also what units owed at the horizon cost: there h
is lowered to v / n. Prices of limits on stock are lowered likewise in these periods.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from replen.plan.delays import delayed, expected_later, shifted
from replen.plan.perishing_kernel import Goods, cost_rows, search_rows
from replen.plan.prepared import Prepared
from replen.plan.problem import Prices
from replen.plan.projection import delivered_share, open_orders
from replen.plan.safety import Floor
from replen.plan.shelf_life import largest_worthwhile
from replen.plan.solved import Solved, Solver
from replen.plan.timing import FloatArray, IntArray, by_arrival, by_order_step


def relaxed(ready: Prepared) -> Prepared:
    """Return the series as the program has them that proves the bound: larger lines, and units that are worth their holding.

    A hard safety stock is left out, as it may give way by less where lines are larger.

    Args:
        ready: n_series series that perish.
    """
    positions, hard, periods = ready.positions, np.isinf(ready.floor.price), _periods(ready)
    widened = replace(positions, line_limit=_largest_lines(ready))
    if ready.waits:
        lowered = np.minimum(positions.holding_cost, positions.end_value / np.maximum(periods, 1.0))
        widened = replace(widened, holding_cost=np.where(periods > 0, lowered, positions.holding_cost))
    else:
        held = np.minimum(periods * positions.holding_cost, positions.unit_cost)
        widened = replace(widened, end_value=np.maximum(positions.end_value, held))
    return replace(ready, positions=widened, floor=Floor(ready.floor.units, np.where(hard, 0.0, ready.floor.price)))


def relaxed_prices(ready: Prepared, prices: Prices) -> Prices:
    """Return prices at which the relaxed program's bound holds: those of stock so low that nothing is saved by expiry.

    Args:
        ready: n_series series that perish, relaxed.
        prices: of limits that couple series.
    """
    periods = _periods(ready)
    room = np.maximum(_worth(ready) / np.maximum(periods, 1.0) - ready.positions.holding_cost, 0.0)
    late = np.arange(prices.stock.shape[1]) >= (prices.stock.shape[1] - periods)[:, None]
    return replace(prices, stock=np.where(late, np.minimum(prices.stock, room[:, None]), prices.stock))


def saved_at_most(ready: Prepared) -> FloatArray:
    """Return money, (n_series,), by which any plan may cost less than the relaxed program says.

    Args:
        ready: n_series series that perish, relaxed.
    """
    units = ready.positions.largest_by_step + ready.decided
    return np.asarray(np.maximum(_periods(ready) * ready.positions.holding_cost - _worth(ready), 0.0) * units.sum(axis=1))


def _periods(ready: Prepared) -> FloatArray:
    """Return at the end of how many periods of the horizon units of new orders may have expired, (n_series,)."""
    return np.asarray(np.maximum(len(ready.customers) + 1.0 - ready.positions.lead_time - _shelf_life(ready), 0.0))


def _shelf_life(ready: Prepared) -> IntArray:
    """Return periods in which a unit can be sold, (n_series,)."""
    keeps = ready.positions.shelf_life
    return np.full(ready.positions.n_series, len(ready.customers)) if keeps is None else keeps


def _worth(ready: Prepared) -> FloatArray:
    """Return the least that a unit is worth that does not expire, (n_series,), money."""
    positions = ready.positions
    return positions.end_value if ready.waits else np.minimum(positions.end_value, positions.lost_sale_cost)


def _largest_lines(ready: Prepared) -> FloatArray:
    """Return lines that no cheapest plan passes, (n_series, horizon), units; 0 in steps that are decided."""
    positions, floor = ready.positions, np.where(ready.floor.price > 0, ready.floor.units, 0.0).max(axis=1)
    worthwhile = largest_worthwhile(positions, shifted(ready.customers, positions.delays), waits=ready.waits, floor=floor)
    return worthwhile if ready.coming is None else np.where(np.isnan(ready.coming), worthwhile, 0.0)


def cheapest_in_time(ready: Prepared, free: Prepared, prices: Prices, starts: list[FloatArray]) -> FloatArray:
    """Return orders by step, (n_series, horizon), that no move betters; the first start where a safety stock is asked for.

    Args:
        ready: n_series series that perish.
        free: the same series, relaxed.
        prices: of limits that couple series.
        starts: plans of whole lines, (n_series, horizon) each.
    """
    goods = _goods(ready, free.positions.largest_by_step, prices)
    plans = [np.ascontiguousarray(start) for start in starts]
    for plan in plans:
        search_rows(goods, plan)
    cheapest = np.argmin([cost_rows(goods, plan) for plan in plans], axis=0)
    best = np.stack(plans)[cheapest, np.arange(len(cheapest))]
    return np.where(np.any(ready.floor.price > 0, axis=1)[:, None], starts[0], best)


def _goods(ready: Prepared, largest: FloatArray, prices: Prices) -> Goods:
    """Return what the search is told of the series."""
    positions, shape = ready.positions, ready.customers.shape
    coming = open_orders(positions) + delayed(by_arrival(ready.decided, positions.lead_time), positions.delays)
    received = by_order_step(expected_later(prices.receipt, positions.delays), positions.lead_time)
    open_to = np.isfinite(prices.order)
    bought = positions.unit_cost[:, None] * delivered_share(positions) + np.where(open_to, prices.order, 0.0) + received
    delays = np.zeros(shape[1:], np.int64) if positions.delays is None else positions.delays
    return Goods(
        opening=positions.on_hand - positions.backorders,
        demand=np.ascontiguousarray(ready.customers.transpose(1, 0, 2)),
        coming=np.ascontiguousarray(np.broadcast_to(coming, shape).transpose(1, 0, 2)),
        arrival=positions.lead_time[:, None] + delays,
        shelf_life=_shelf_life(ready),
        order=bought,
        holding=positions.holding_cost[:, None] + prices.stock,
        short=positions.backorder_cost if ready.waits else positions.lost_sale_cost,
        end=positions.end_value,
        line=positions.order_cost,
        multiple=positions.order_multiple,
        smallest=positions.smallest_order,
        largest=np.where(open_to, largest, 0.0),
        waits=ready.waits,
    )


@dataclass(frozen=True)
class PerishingPrograms:
    """Programs of series of which some perish (see `perishing`).

    Attributes:
        programs: of all series.
        rows: of series that perish.
        ready: these series.
        free: these series, relaxed.
        proofs: the programs of these.
    """

    programs: Solver
    rows: NDArray[np.intp]
    ready: Prepared
    free: Prepared
    proofs: Solver

    def __call__(self, prices: Prices) -> Solved:
        """Return the plans at these prices."""
        rows, mine = self.rows, prices.take(self.rows)
        lowered = relaxed_prices(self.free, mine)
        solved, proof = self.programs(prices), self.proofs(lowered)
        quantities = cheapest_in_time(self.ready, self.free, mine, [solved.quantities[rows], proof.quantities])
        projection, early = self.ready.played(quantities), ((mine.stock - lowered.stock) * self.ready.early_stock).sum(axis=1)
        solved.quantities[rows], solved.stock[rows] = quantities, projection.ending.mean(axis=2).T
        solved.bound[rows] = proof.bound + early + self.ready.constant - self.free.constant - saved_at_most(self.free)
        solved.cost[rows] = self.ready.costs(quantities, projection)[1]
        return solved
