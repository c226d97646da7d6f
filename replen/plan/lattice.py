"""Chains in whole packs with a smallest order or a fixed cost an order line: a dynamic program over the total of packs.

A minimum quantity or a line cost makes the increase's cost non-convex, and no chain. The totals of packs that can pay are few
(see `lattice_states.count_states`), and all of them are tried. Where they are too many, totals are tried in steps of several
packs: that gives a plan, and a second program, in which every total stands for all up to the next, a bound on any plan.
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from replen.plan import lattice_kernel as kernel
from replen.plan.chain import Chains, cost, steps_of
from replen.plan.chain_steps import WHOLE
from replen.plan.lattice_states import count_states
from replen.plan.timing import FloatArray

MAX_STATES = 1 << 16  # totals tried a series: 13 steps of them take some milliseconds and 7 MB


@dataclass(frozen=True)
class OrderLines:
    """What the order lines of n_series series must be.

    Attributes:
        smallest: shape (n_series,), units a line has at least.
        line_cost: shape (n_series,), money a line, >= 0.
    """

    smallest: FloatArray
    line_cost: FloatArray

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> "OrderLines":
        """Return the chosen series."""
        return OrderLines(self.smallest[rows], self.line_cost[rows])


@dataclass(frozen=True)
class Solved:
    """Plans and their proof.

    Attributes:
        quantities: shape (n_series, n_steps), units.
        cost: shape (n_series,), money.
        lower_bound: shape (n_series,), money; no plan costs less. Equal to cost where the plan is optimal.
    """

    quantities: FloatArray
    cost: FloatArray
    lower_bound: FloatArray


def line_costs(lines: OrderLines, quantities: FloatArray) -> FloatArray:
    """Return money for order lines, (n_series,)."""
    return np.asarray(lines.line_cost * np.count_nonzero(quantities, axis=1))


def smallest_packs(chains: Chains, lines: OrderLines) -> NDArray[np.int64]:
    """Return the packs of the smallest line, (n_series,), at least one."""
    return np.maximum(np.ceil(lines.smallest / chains.multiple - WHOLE), 1).astype(np.int64)


def placeable(chains: Chains, lines: OrderLines) -> Chains:
    """Return the chains with a limit of 0 where it leaves no room for a line: floors give way to what can really arrive."""
    smallest = smallest_packs(chains, lines) * chains.multiple
    return replace(
        chains, limit=np.where(chains.limit < smallest[:, None] - WHOLE * chains.multiple[:, None], 0.0, chains.limit)
    )


def solve_lattice(chains: Chains, lines: OrderLines, *, max_states: int = MAX_STATES) -> Solved:
    """Return the cheapest plans in whole packs; of equally cheap ones the smallest total, ordered as late as can be.

    A row is NaN where a further pack pays without end.

    Args:
        chains: n_series chains, `multiple` above 0, limits as `placeable` leaves them.
        lines: of the same series.
        max_states: totals tried a series; where more can pay, the plan may not be the cheapest, and says by how much at most.
    """
    most = last_states(chains, lines)
    hard = np.isinf(steps_of(chains).shortfall).any(axis=1)
    coarse = np.isfinite(most) & (most >= max_states) & ~hard  # a coarse plan might miss a floor that can be met
    solved = Solved(np.full(chains.at.shape[:2], np.nan), *(np.full(chains.n_series, np.nan) for _ in range(2)))
    for rows, solver in ((np.isfinite(most) & ~coarse, _exactly), (coarse, partial(_coarsely, max_states=max_states))):
        if rows.any():
            found = solver(chains.take(rows), lines.take(rows))
            solved.quantities[rows], solved.cost[rows], solved.lower_bound[rows] = vars(found).values()
    return solved


def last_states(chains: Chains, lines: OrderLines) -> FloatArray:
    """Return the packs above which nothing can be gained, (n_series,); inf where more pays without end."""
    most = np.empty(chains.n_series)
    count_states(steps_of(chains), smallest_packs(chains, lines), most)
    return most


def _exactly(chains: Chains, lines: OrderLines) -> Solved:
    """Return the cheapest plans: every total is tried."""
    quantities = np.empty(chains.at.shape[:2])
    tried = kernel.Lines(smallest_packs(chains, lines), lines.line_cost, last_states(chains, lines).astype(np.int64))
    kernel.solve_all(steps_of(chains), tried, False, quantities)
    least = cost(chains, quantities) + line_costs(lines, quantities)
    return Solved(quantities, least, least)


def _coarsely(chains: Chains, lines: OrderLines, *, max_states: int) -> Solved:
    """Return the cheapest plans in larger packs, and the bound of a program in which a total is any up to the next.

    Between two such totals, `group` packs apart, an order may be up to group - 1 packs smaller or larger than it looks.
    """
    packs, most = smallest_packs(chains, lines), last_states(chains, lines)
    group = np.ceil((most + 1) / max_states)
    larger = replace(chains, multiple=chains.multiple * group)
    plan = _exactly(larger, lines)
    largest = np.floor(chains.limit / chains.multiple[:, None] + WHOLE)
    looser = np.where(largest > 0, (largest + group[:, None] - 1) * chains.multiple[:, None], 0.0)
    looser_packs = np.maximum(np.ceil((packs - group + 1) / group), 0).astype(np.int64)
    tried = kernel.Lines(looser_packs, lines.line_cost, (most // group).astype(np.int64))
    steps = steps_of(replace(larger, limit=looser))
    bound = kernel.solve_all(steps, tried, True, np.empty_like(plan.quantities)) + chains.constant
    return replace(plan, lower_bound=np.minimum(bound, plan.cost))
