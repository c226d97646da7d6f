"""What to order: the program of each demand model solved, in whole lines, with the levels that explain today's order."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from replen.plan.backorders import StockCosts, backorder_chains, cumulative_demand, solve_backorders
from replen.plan.chain import Chains, solve, with_prices
from replen.plan.delays import expected_later, least_later, shifted, within
from replen.plan.lattice import OrderLines
from replen.plan.levels import further_units, worthwhile_units
from replen.plan.lost_sales import solve_lost_sales
from replen.plan.packs import whole_packs
from replen.plan.positions import Positions
from replen.plan.prepared import Prepared
from replen.plan.problem import Prices, Problem, problems
from replen.plan.projection import delivered_share, open_orders
from replen.plan.safety import Floor
from replen.plan.timing import BoolArray, FloatArray, by_arrival, by_order_step

FURTHER_UNIT = 1e-6  # packs: "a further unit" when levels are read off
STEEP = 1e3  # times the dearest unit of a chain: what levels are read off at in place of a hard bound


@dataclass(frozen=True)
class Decided:
    """Quantities of all series; where no order can arrive within the horizon, none, and nothing to decide.

    Attributes:
        quantities: shape (n_series, horizon), units by step of the order, in whole lines.
        targets: shape (n_series, horizon), units before packs and smallest lines.
        levels: shape (n_series, 2), reorder point and order-up-to level less the inventory position; NaN = no order today.
        least_cost: shape (n_series,), money from the first arrival on, prices of limits included; no plan costs less.
        solver: shape (n_series,), what found the quantities, `none` where nothing was to be decided.
        missing: shape (n_series, horizon), units by which a hard safety stock gives way, the least that limits leave.
        in_time: shape (n_series,), whether today's order is another one than the program's because units of it would expire.
    """

    quantities: FloatArray
    targets: FloatArray
    levels: FloatArray
    least_cost: FloatArray
    solver: NDArray[np.str_]
    missing: FloatArray
    in_time: BoolArray

    def copy(self) -> Self:
        """Return a copy that may be written to."""
        return replace(self, **{name: array.copy() for name, array in vars(self).items()})

    @classmethod
    def nothing(cls, least_cost: FloatArray, horizon: int) -> Self:
        """Return no orders."""
        n_series = len(least_cost)
        quantities, targets, missing = (np.zeros((n_series, horizon)) for _ in range(3))
        levels, solver = np.full((n_series, 2), np.nan), np.full(n_series, "none", dtype="<U16")
        return cls(quantities, targets, levels, least_cost, solver, missing, np.zeros(n_series, dtype=bool))


def lost_sales(ready: Prepared, prices: Prices, *, with_levels: bool) -> Decided:
    """Return what to order where demand that is not met is lost.

    Args:
        ready: n_series series.
        prices: of limits that couple series.
        with_levels: whether levels are wanted.
    """
    decided = Decided.nothing(-ready.positions.end_value * ready.idle.ending[-1].mean(axis=1), len(ready.demand))
    for rows, unpriced in problems(ready.positions, ready.demand, ready.idle):
        problem = unpriced.at(prices.take(rows))
        relaxed = solve_lost_sales(problem)
        whole = whole_packs(problem, relaxed)
        cells = (rows[:, None], np.arange(whole.quantities.shape[1]))
        decided.quantities[cells], decided.targets[cells] = whole.quantities, relaxed.quantities
        decided.least_cost[rows] = whole.bound + ready.unreached[rows]
        decided.solver[rows] = relaxed.solver
        ordered = np.flatnonzero(whole.quantities[:, 0] > 0) if with_levels else rows[:0]
        decided.levels[rows[ordered]] = lost_sales_levels(problem.take(ordered), whole.quantities[ordered])
    return decided


def lost_sales_levels(problem: Problem, quantities: FloatArray) -> FloatArray:
    """Return by how much reorder point and order-up-to level pass the inventory position, (n_series, 2), units."""
    lines = (problem.positions.smallest_order, FURTHER_UNIT * problem.positions.order_multiple)
    return np.stack([worthwhile_units(problem, quantities, line) for line in lines], axis=1)


def backorders(ready: Prepared, prices: Prices, *, with_levels: bool) -> Decided:
    """Return what to order where demand that is not met waits.

    Args:
        ready: n_series series.
        prices: of limits that couple series.
        with_levels: whether levels and targets before packs are wanted.
    """
    positions, horizon = ready.positions, len(ready.demand)
    chains = chains_at(chains_of(ready), prices, positions)
    lines = OrderLines(positions.smallest_order, positions.order_cost)
    solved = solve_backorders(chains, lines)
    decided = replace(Decided.nothing(solved.lower_bound - chain_constant(ready, prices), horizon), missing=solved.missing)
    decided.quantities[:] = by_order_step(solved.quantities, positions.lead_time)
    busy = (chains.limit > 0).any(axis=1)
    decided.solver[busy] = solved.solver[busy]
    decided.targets[:] = decided.quantities
    if not with_levels:
        return decided
    free = replace(chains, multiple=np.zeros(positions.n_series))
    decided.targets[:] = by_order_step(solve(free), positions.lead_time)
    ordered = np.flatnonzero(decided.quantities[:, 0] > 0)
    if len(ordered):
        decided.levels[ordered] = chain_levels(positions.take(ordered), free.take(ordered), solved.quantities[ordered])
    return decided


def lifted(ready: Prepared, prices: Prices, today: FloatArray) -> BoolArray:
    """Return where today's order is larger than it is without the safety stock that is asked for, (n_series,).

    Args:
        ready: n_series series.
        prices: of limits that couple series.
        today: shape (n_series,), units.
    """
    found = np.zeros(len(today), dtype=bool)
    rows = np.flatnonzero((ready.floor.price > 0).any(axis=1) & (today > 0))
    if len(rows):
        some = ready.take(rows)
        free = backorders(replace(some, floor=Floor.none(some.positions)), prices.take(rows), with_levels=False)
        found[rows] = today[rows] > free.quantities[:, 0] * (1 + FURTHER_UNIT)
    return found


def chain_constant(ready: Prepared, prices: Prices) -> FloatArray:
    """Return money that the chains count too much, (n_series,): that of the steps before the first arrival.

    Where lead times vary these steps are not in the chains, and what is left on paths that no order reaches is missing.
    """
    early = ready.constant + (prices.stock * ready.early_stock).sum(axis=1)
    return np.where(ready.positions.varies, -ready.unreached, early)


def chains_of(ready: Prepared) -> Chains:
    """Return the backorder programs of all series, each unit at its purchase price, safety stock asked for."""
    positions, demand = ready.positions, ready.demand
    net = (positions.on_hand - positions.backorders)[:, None] + np.cumsum(positions.receipts, axis=1)
    chains = backorder_chains(
        cumulative_demand(demand, demand.shape[2]) - net[:, :, None],
        StockCosts(positions.holding_cost, positions.backorder_cost, positions.end_value),
        limit=by_arrival(positions.largest_by_step, positions.lead_time),
        multiple=positions.order_multiple,
    )
    rows = np.flatnonzero(positions.varies)
    if len(rows):
        late = _late_chains(positions.take(rows), demand[:, rows], chains.limit[rows])
        chains.at[rows], chains.slope[rows], chains.constant[rows] = late.at, late.slope, late.constant
    unit_cost = positions.unit_cost[:, None] * delivered_share(positions)
    return _with_floor(with_prices(chains, by_arrival(unit_cost, positions.lead_time)), positions, ready.floor)


def _late_chains(positions: Positions, demand: FloatArray, limit: FloatArray) -> Chains:
    """Return the programs of series whose lead times vary, units free of charge: steps shifted on each path by its delay."""
    supply = (positions.on_hand - positions.backorders)[:, None] + np.cumsum(open_orders(positions), axis=0)
    return backorder_chains(
        shifted(np.cumsum(demand, axis=0) - supply, positions.delays).transpose(1, 0, 2),
        StockCosts(positions.holding_cost, positions.backorder_cost, positions.end_value),
        limit=limit,
        multiple=positions.order_multiple,
        counted=_counted(positions),
    )


def _counted(positions: Positions) -> BoolArray:
    """Return at which shifted steps each path counts, (n_series, horizon, n_paths): from its first arrival to the horizon."""
    horizon = positions.receipts.shape[1]
    arrived = np.arange(horizon) >= positions.lead_time[:, None]
    return np.asarray(within(positions.delays, horizon).transpose(1, 0, 2) & arrived[:, :, None])


def _counted_share(positions: Positions) -> FloatArray:
    """Return the share of the points that count in the chains' steps, (n_series, horizon)."""
    share, rows = np.ones(positions.receipts.shape), np.flatnonzero(positions.varies)
    share[rows] = _counted(positions.take(rows)).mean(axis=2) if len(rows) else 0.0
    return share


def chains_at(chains: Chains, prices: Prices, positions: Positions) -> Chains:
    """Return the chains with prices of limits on top; where these are inf, nothing can be ordered.

    A limit on stock has one price for all points of a step. Where lead times vary that is the least of the calendar steps that
    the paths are in, so that the bound stands.
    """
    open_to, lead_time = np.isfinite(prices.order), positions.lead_time
    order, limit = (by_arrival(values, lead_time) for values in (np.where(open_to, prices.order, 0.0), open_to.astype(float)))
    share = _counted_share(positions)
    stock = np.where(share > 0, least_later(prices.stock, positions.delays), 0.0)
    stored = replace(
        chains,
        jump=chains.jump + stock / chains.at.shape[2],
        slope=chains.slope - stock * (1.0 - share),
        limit=np.where(limit > 0, chains.limit, 0.0),
    )
    return with_prices(stored, order + expected_later(prices.receipt, positions.delays))


def _with_floor(chains: Chains, positions: Positions, floor: Floor) -> Chains:
    """Return the chains with safety stock: what must have arrived so that the expected stock reaches the floor."""
    if not floor.price.any():
        return chains
    share = np.maximum(_counted_share(positions), 1.0 / chains.at.shape[2])  # where no path counts there is no floor
    return replace(chains, floor=chains.at.mean(axis=2) / share + floor.units, shortfall=floor.price)


def chain_levels(positions: Positions, free: Chains, quantities: FloatArray) -> FloatArray:
    """Return by how much reorder point and order-up-to level pass the inventory position, (n_series, 2), units."""
    unlimited = _without_bounds(free)
    lines = (positions.smallest_order, FURTHER_UNIT * positions.order_multiple)
    return np.stack([further_units(unlimited, quantities, positions.lead_time, line) for line in lines], axis=1)


def _without_bounds(chains: Chains) -> Chains:
    """Return the chains with steep prices for bounds, so that every plan has a cost and more of it below a hard floor."""
    chains = replace(chains, limit=np.full(chains.limit.shape, np.inf))
    if chains.shortfall is None:
        return chains
    steep = STEEP * (np.abs(chains.slope) + chains.jump * chains.at.shape[2]).max(axis=1, keepdims=True)
    return replace(chains, shortfall=np.where(np.isinf(chains.shortfall), steep, chains.shortfall))
