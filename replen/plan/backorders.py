"""Backorder programs: demand that cannot be served waits, so only the total that has arrived matters, and a chain is solved.

With x_t the stock net of backorders if nothing were ordered and y_t what orders have brought by step t, the step costs

    mean over paths of [ holding_cost * max(x_t + y_t - D_t, 0) + backorder_cost * max(D_t - x_t - y_t, 0) ],

D_t the demand up to and with step t. Stock net of what is owed at the horizon is worth end_value a unit: a unit left saves
buying one, a unit owed must still be bought (were the latter free, the cost would not be convex as soon as end_value passes
holding_cost + backorder_cost). Each step's cost needs the distribution of D_t alone, so that a few points of it replace the
joint paths.

Where lead times vary (see `delays`) the steps are shifted ones, and a path does not count at steps before its first arrival or
past the horizon. There its point is 0: the kink of no order at all, whose rise the slope takes back.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from replen.errors import PlanError
from replen.plan.chain import Chains, cost, solve, unreachable
from replen.plan.chain_steps import WHOLE
from replen.plan.lattice import OrderLines, placeable, solve_lattice
from replen.plan.timing import BoolArray, FloatArray


@dataclass(frozen=True)
class StockCosts:
    """What stock and its lack cost n_series series.

    Attributes:
        holding_cost: shape (n_series,), money a unit left at the end of a period.
        backorder_cost: shape (n_series,), money a unit owed at the end of a period.
        end_value: shape (n_series,), money a unit left at the horizon is worth, and one owed then costs.
    """

    holding_cost: FloatArray
    backorder_cost: FloatArray
    end_value: FloatArray


@dataclass(frozen=True)
class Decided:
    """The plans of n_series series.

    Attributes:
        quantities: shape (n_series, n_steps), units by step of arrival; NaN where more pays without end.
        cost: shape (n_series,), money.
        lower_bound: shape (n_series,), money; no plan costs less.
        missing: shape (n_series, n_steps), units by which a hard safety stock gives way, because no more can arrive in time.
        solver: shape (n_series,), chain, lattice, or none where there is no plan.
    """

    quantities: FloatArray
    cost: FloatArray
    lower_bound: FloatArray
    missing: FloatArray
    solver: NDArray[np.str_]


def cumulative_demand(demand: FloatArray, n_points: int) -> FloatArray:
    """Return equally likely points of demand up to and with each step, (n_series, n_steps, n_points), ascending.

    Each point is the mean of a share of the paths, the smallest first: means stay what they are, and so does every expected
    cost but for the points' own blocks.

    Args:
        demand: shape (n_steps, n_series, n_paths), units; n_points must divide n_paths.
        n_points: points of each distribution.

    >>> cumulative_demand(np.array([[[4.0, 1.0, 2.0, 3.0]]]), 2)
    array([[[1.5, 3.5]]])
    """
    ordered = np.sort(np.cumsum(demand, axis=0).transpose(1, 0, 2), axis=2)
    return np.asarray(ordered.reshape(*ordered.shape[:2], n_points, -1).mean(axis=3))


def backorder_chains(
    needs: FloatArray, costs: StockCosts, *, limit: FloatArray, multiple: FloatArray, counted: BoolArray | None = None
) -> Chains:
    """Return the chains of backorder programs, units free of charge (see `chain.with_prices`).

    Args:
        needs: shape (n_series, n_steps, n_points), units: cumulative demand less stock net of backorders and less the receipts
            of open orders up to the step; ascending unless `counted` is given.
        costs: of the n_series series.
        limit: shape (n_series, n_steps), units an order can bring at the step.
        multiple: shape (n_series,), units in a pack; 0 = any amount.
        counted: shape of `needs`, points at which stock and its lack cost money, to a path's last step; None = all.
    """
    n_steps, n_points = needs.shape[1:]
    owed = np.repeat(costs.backorder_cost[:, None], n_steps, axis=1)
    owed[:, -1] += costs.end_value
    jump = np.repeat((costs.holding_cost + costs.backorder_cost)[:, None] / n_points, n_steps, axis=1)
    if counted is None:
        return Chains(needs, jump, -owed, limit, (owed * needs.mean(axis=2)).sum(axis=1), multiple)
    last = counted & ~np.concatenate([counted[:, 1:], np.zeros_like(counted[:, :1])], axis=1)
    by_path = costs.backorder_cost[:, None, None] * counted + costs.end_value[:, None, None] * last
    at = np.where(counted, needs, 0.0)
    return Chains(
        at=np.sort(at, axis=2),
        jump=jump,
        slope=-by_path.mean(axis=2) - jump * (~counted).sum(axis=2),
        limit=limit,
        constant=(by_path * at).mean(axis=2).sum(axis=1),
        multiple=multiple,
    )


def solve_backorders(chains: Chains, lines: OrderLines) -> Decided:
    """Return the cheapest plans, each by the fastest solver that is exact for it.

    A chain knows whole packs and limits. Where an order line costs money, or a smallest line is more than a pack, its plan is
    still the cheapest if it breaks no minimum and pays for no line; else the totals of packs are tried one by one.

    Raises:
        PlanError: a series with a line cost or a smallest line has no pack size.
    """
    bound = (lines.smallest > chains.multiple) | (lines.line_cost > 0)
    if (unpacked := bound & (chains.multiple <= 0)).any():
        raise PlanError(
            f"supply: order lines with a minimum or a cost are counted in packs, but order_multiple is 0 for {unpacked.sum()} "
            "series: give one above 0"
        )
    limit = np.array(np.broadcast_to(chains.limit, chains.at.shape[:2]))
    limit[bound] = placeable(chains.take(bound), lines.take(bound)).limit
    chains = replace(chains, limit=limit)
    quantities = solve(chains)
    least = cost(chains, quantities)
    solver = np.where(np.isnan(least), "none", "chain").astype("<U7")
    decided = Decided(quantities, least, least.copy(), unreachable(chains), solver)
    rows = np.flatnonzero(bound & _breaks(lines, quantities))
    if len(rows):
        found = solve_lattice(chains.take(rows), lines.take(rows))
        decided.quantities[rows], decided.cost[rows], decided.lower_bound[rows] = vars(found).values()
        decided.solver[rows] = np.where(np.isnan(found.cost), "none", "lattice")
    return decided


def _breaks(lines: OrderLines, quantities: FloatArray) -> NDArray[np.bool_]:
    """Return which plans have a line below the smallest, or a line that costs money, (n_series,)."""
    ordered = quantities > 0
    small = ordered & (quantities < lines.smallest[:, None] * (1.0 - WHOLE))
    return np.asarray(small.any(axis=1) | (ordered.any(axis=1) & (lines.line_cost > 0)))
