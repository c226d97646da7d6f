"""What to order: the program of each demand model solved, in whole lines, with the levels that explain today's order."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from replen.plan.backorders import StockCosts, backorder_chains, cumulative_demand, solve_backorders
from replen.plan.chain import Chains, cost, solve, with_prices
from replen.plan.delays import expected_later, least_later, shifted, within
from replen.plan.lattice import OrderLines
from replen.plan.levels import further_units, worthwhile_units
from replen.plan.lost_sales import solve_lost_sales
from replen.plan.packs import whole_packs
from replen.plan.positions import Positions
from replen.plan.problem import Prices, Problem, largest_orders, problems
from replen.plan.projection import Projection, delivered_share, open_orders
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
    """

    quantities: FloatArray
    targets: FloatArray
    levels: FloatArray
    least_cost: FloatArray
    solver: NDArray[np.str_]
    missing: FloatArray

    @classmethod
    def nothing(cls, least_cost: FloatArray, horizon: int) -> Self:
        """Return no orders."""
        n_series = len(least_cost)
        quantities, targets, missing = (np.zeros((n_series, horizon)) for _ in range(3))
        levels, solver = np.full((n_series, 2), np.nan), np.full(n_series, "none", dtype="<U16")
        return cls(quantities, targets, levels, least_cost, solver, missing)


def lost_sales(positions: Positions, demand: FloatArray, idle: Projection, prices: Prices, *, with_levels: bool) -> Decided:
    """Return what to order where demand that is not met is lost.

    Args:
        positions: n_series positions without backorders.
        demand: shape (horizon, n_series, n_paths), units.
        idle: what happens if nothing is ordered.
        prices: of limits that couple series.
        with_levels: whether levels are wanted.
    """
    decided = Decided.nothing(-positions.end_value * idle.ending[-1].mean(axis=1), len(demand))
    unreached = never_reached(positions, idle.ending[-1])
    for rows, problem in problems(positions, demand, idle, prices):
        relaxed = solve_lost_sales(problem)
        whole = whole_packs(problem, relaxed)
        cells = (rows[:, None], np.arange(whole.quantities.shape[1]))
        decided.quantities[cells], decided.targets[cells] = whole.quantities, relaxed.quantities
        decided.least_cost[rows] = whole.bound + unreached[rows]
        decided.solver[rows[relaxed.solved]] = "path_simplex"
        ordered = np.flatnonzero(whole.quantities[:, 0] > 0) if with_levels else rows[:0]
        decided.levels[rows[ordered]] = _lost_sales_levels(problem.take(ordered), whole.quantities[ordered])
    return decided


def never_reached(positions: Positions, left: FloatArray) -> FloatArray:
    """Return expected money for units left on paths that no order reaches, (n_series,); 0 where lead times do not vary.

    Args:
        positions: n_series positions.
        left: shape (n_series, n_paths), units at the horizon if nothing is ordered, net of those owed.
    """
    if positions.delays is None:
        return np.zeros(positions.n_series)
    never = (positions.lead_times >= positions.receipts.shape[1]) & positions.varies[:, None]
    return np.asarray(-positions.end_value * np.where(never, left, 0.0).mean(axis=1))


def chain_constant(positions: Positions, early: FloatArray, left: FloatArray) -> FloatArray:
    """Return money that the chains count though it is no order's, (n_series,).

    That is the money of the steps before the first arrival; where lead times vary these are left out, and so are the paths that
    no order reaches.

    Args:
        positions: n_series positions.
        early: shape (n_series,), money before the first arrival, stock at the prices of limits.
        left: as in `never_reached`.
    """
    return np.where(positions.varies, -never_reached(positions, left), early)


def _lost_sales_levels(problem: Problem, quantities: FloatArray) -> FloatArray:
    """Return by how much reorder point and order-up-to level pass the inventory position, (n_series, 2), units."""
    lines = (problem.positions.smallest_order, FURTHER_UNIT * problem.positions.order_multiple)
    return np.stack([worthwhile_units(problem, quantities, line) for line in lines], axis=1)


def backorders(
    positions: Positions, demand: FloatArray, prices: Prices, floor: Floor, *, constant: FloatArray, with_levels: bool
) -> Decided:
    """Return what to order where demand that is not met waits.

    Args:
        positions: n_series positions.
        demand: shape (horizon, n_series, n_paths), units.
        prices: of limits that couple series.
        floor: safety stock.
        constant: shape (n_series,), see `chain_constant`.
        with_levels: whether levels and targets before packs are wanted.
    """
    chains, horizon = at_prices(chains_of(positions, demand), positions, prices), len(demand)
    chains = with_floor(chains, positions, floor)
    lines = OrderLines(positions.smallest_order, positions.order_cost)
    solved = solve_backorders(chains, lines)
    decided = replace(Decided.nothing(solved.lower_bound - constant, horizon), missing=solved.missing)
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
        decided.levels[ordered] = _chain_levels(positions.take(ordered), free.take(ordered), solved.quantities[ordered])
    return decided


def chains_of(positions: Positions, demand: FloatArray) -> Chains:
    """Return the backorder programs of all series, units free of charge, as many as there is room for.

    Args:
        positions: n_series positions.
        demand: shape (horizon, n_series, n_paths), units.
    """
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
    return chains


def _late_chains(positions: Positions, demand: FloatArray, limit: FloatArray) -> Chains:
    """Return the programs of series whose lead times vary, steps shifted on each path by its delay."""
    supply = (positions.on_hand - positions.backorders)[:, None] + np.cumsum(open_orders(positions), axis=0)
    return backorder_chains(
        shifted(np.cumsum(demand, axis=0) - supply, positions.delays).transpose(1, 0, 2),
        StockCosts(positions.holding_cost, positions.backorder_cost, positions.end_value),
        limit=limit,
        multiple=positions.order_multiple,
        counted=_counted(positions),
    )


def _counted(positions: Positions) -> BoolArray:
    """Return from which to which shifted step each path counts, (n_series, horizon, n_paths): first arrival, horizon."""
    horizon = positions.receipts.shape[1]
    arrived = np.arange(horizon) >= positions.lead_time[:, None]
    return within(positions.delays, horizon).transpose(1, 0, 2) & arrived[:, :, None]


def counted_share(positions: Positions) -> FloatArray:
    """Return the share of points that count in the chains' steps, (n_series, horizon)."""
    share, rows = np.ones(positions.receipts.shape), np.flatnonzero(positions.varies)
    share[rows] = _counted(positions.take(rows)).mean(axis=2)
    return share


def at_prices(chains: Chains, positions: Positions, prices: Prices) -> Chains:
    """Return the chains with each unit at its purchase price and the prices of limits.

    A limit on stock has one price for all paths of a step: where lead times vary the least of the calendar steps that the paths
    are in, so that the bound stands.
    """
    n_paths, lead_time, delays = chains.at.shape[2], positions.lead_time, positions.delays
    bought = positions.unit_cost[:, None] * delivered_share(positions)
    order = np.where(np.isfinite(prices.order), prices.order, 0.0) + bought
    share = counted_share(positions)
    stock = np.where(share > 0, least_later(prices.stock, delays), 0.0)
    priced = replace(
        chains,
        jump=chains.jump + stock / n_paths,
        slope=chains.slope - stock * (1.0 - share),
        limit=by_arrival(largest_orders(positions, prices), lead_time),
    )
    return with_prices(priced, by_arrival(order, lead_time) + expected_later(prices.receipt, delays))


def with_floor(chains: Chains, positions: Positions, floor: Floor) -> Chains:
    """Return the chains with safety stock: what must have arrived so that the expected stock reaches the floor."""
    if not floor.price.any():
        return chains
    share = np.maximum(counted_share(positions), 1.0 / chains.at.shape[2])  # where no path counts there is no floor
    return replace(chains, floor=chains.at.mean(axis=2) / share + floor.units, shortfall=floor.price)


def _chain_levels(positions: Positions, free: Chains, quantities: FloatArray) -> FloatArray:
    """Return by how much reorder point and order-up-to level pass the inventory position, (n_series, 2), units."""
    rows, arrival = np.arange(positions.n_series), positions.lead_time
    unlimited = _without_bounds(free)

    def money(today: FloatArray) -> FloatArray:
        tried = quantities.copy()
        tried[rows, arrival] = today
        return cost(unlimited, tried)

    needed = free.at.max(axis=2) if free.floor is None else np.maximum(free.at.max(axis=2), free.floor)
    most = np.maximum(needed.max(axis=1), quantities[rows, arrival])
    lines = (positions.smallest_order, FURTHER_UNIT * positions.order_multiple)
    return np.stack([further_units(money, most + line, line) for line in lines], axis=1)


def _without_bounds(chains: Chains) -> Chains:
    """Return the chains with steep prices for bounds, so that every plan has a cost and more of it below a hard floor."""
    chains = replace(chains, limit=np.full(chains.limit.shape, np.inf))
    if chains.shortfall is None:
        return chains
    steep = STEEP * (np.abs(chains.slope) + chains.jump * chains.at.shape[2]).max(axis=1, keepdims=True)
    return replace(chains, shortfall=np.where(np.isinf(chains.shortfall), steep, chains.shortfall))
