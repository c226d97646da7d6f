"""Chains with convex costs, one a series: what a backorder program is, solved exactly without a linear program.

    minimise  sum over t of F_t(y_t),  y_{-1} = 0,  0 <= y_t - y_{t-1} <= limit_t

y_t is the units ordered that have arrived by the end of step t. F_t is convex and piecewise linear, read off quantiles or
paths of what is needed by then. A price c_t on a unit that arrives is linear in y: it adds c_t - c_{t+1} to slope_t, where c
is 0 after the last step.
"""

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from replen.plan.chain_kernel import solve_all
from replen.plan.chain_steps import WHOLE, Steps, cost_all, worthwhile_all
from replen.plan.timing import FloatArray, IntArray

OPTIONAL = ("floor", "shortfall")


@dataclass(frozen=True)
class Chains:
    """n_series convex chains; nothing is NaN; an array with one row is shared by all series.

    F_t(y) = slope_t * y + jump_t * sum over points of max(y - at_t, 0) + shortfall_t * max(floor_t - y, 0)

    Attributes:
        at: shape (n_series, n_steps, n_points), units, ascending in the last axis: cumulative need net of stock.
        jump: shape (n_series, n_steps), money a unit, >= 0.
        slope: shape (n_series, n_steps), money a unit.
        limit: shape (n_series, n_steps), units, >= 0, largest increase; 0 = no order arrives then, inf = no limit.
        constant: shape (n_series,), money that no increase changes.
        multiple: shape (n_series,), units in a pack, increases are whole packs; 0 = any amount.
        floor: shape (n_series, n_steps), units: safety stock; None = none.
        shortfall: shape (n_series, n_steps), money a unit below floor; 0 = none, inf = a hard bound.
    """

    at: FloatArray
    jump: FloatArray
    slope: FloatArray
    limit: FloatArray
    constant: FloatArray
    multiple: FloatArray
    floor: FloatArray | None = None
    shortfall: FloatArray | None = None

    @property
    def n_series(self) -> int:
        """Return the number of series."""
        return len(self.at)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Self:
        """Return the chosen series."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self)}
        own = {name: array for name, array in arrays.items() if array is not None and len(array) == self.n_series}
        return replace(self, **{name: array[rows] for name, array in own.items()})


def solve(chains: Chains) -> FloatArray:
    """Return the cheapest increases, (n_series, n_steps), units; of equally cheap ones the smallest total, as late as can be.

    A row is NaN where a further unit pays without end. Hard floors that the limits do not allow give way as little as they
    must, see `unreachable`.
    """
    quantities = np.empty(chains.at.shape[:2])
    solve_all(steps_of(chains), quantities)
    return quantities


def cost(chains: Chains, quantities: FloatArray) -> FloatArray:
    """Return what increases cost, (n_series,), money; inf where they break a limit or a hard floor that can be met.

    Args:
        chains: n_series chains.
        quantities: shape (n_series, n_steps), units.
    """
    steps, total = steps_of(chains), np.zeros(len(quantities))
    cost_all(steps, quantities, total)
    slack = WHOLE * np.maximum(1.0, quantities.sum(axis=1, keepdims=True))
    hard = np.isinf(steps.shortfall) & (np.cumsum(quantities, axis=1) < steps.floor - slack)
    broken = (quantities < 0) | (quantities > steps.limit + slack) | hard
    return np.asarray(np.where(broken.any(axis=1), np.inf, total + chains.constant))


def worthwhile(chains: Chains, quantities: FloatArray, first: IntArray, line: FloatArray, *, accuracy: float) -> FloatArray:
    """Return the units at one step, (n_series,), above which a line more there no longer pays, the rest as planned; else inf.

    Limits and hard floors are not looked at.

    Args:
        chains: n_series chains.
        quantities: shape (n_series, n_steps), the plans, units.
        first: shape (n_series,), the step.
        line: shape (n_series,), units of a line, > 0.
        accuracy: units.
    """
    units = np.empty(len(quantities))
    worthwhile_all(steps_of(chains), quantities, first, line, accuracy, units)
    return units


def with_prices(chains: Chains, prices: FloatArray) -> Chains:
    """Return the chains with a price on every unit of an increase: a purchase, or a limit that many series share.

    Args:
        chains: n_series chains.
        prices: shape (n_series, n_steps), money a unit that arrives at the step.
    """
    return replace(chains, slope=chains.slope - np.diff(prices, axis=1, append=0.0))


def unreachable(chains: Chains) -> FloatArray:
    """Return by how much each hard floor must give way at least, (n_series, n_steps), units; 0 where it can be met.

    Increases at their limits reach the most at every step at once, so no step's floor gives way for another's.
    """
    if chains.floor is None or chains.shortfall is None:
        return np.zeros(chains.at.shape[:2])
    missing = np.maximum(chains.floor - _reach(chains), 0.0)
    return np.asarray(np.where(np.isinf(chains.shortfall), np.broadcast_to(missing, chains.at.shape[:2]), 0.0))


def steps_of(chains: Chains) -> Steps:
    """Return the arrays of the compiled programs; hard floors are ones that can be met."""
    none = np.zeros((1, chains.at.shape[1]))
    given = {name: none if (array := getattr(chains, name)) is None else array for name in OPTIONAL}
    if np.isinf(given["shortfall"]).any():
        given["floor"] = np.where(np.isinf(given["shortfall"]), np.minimum(given["floor"], _reach(chains)), given["floor"])
    arrays = (chains.at, chains.jump, chains.slope, chains.limit, *given.values(), chains.multiple[:, None])
    return Steps(*(np.ascontiguousarray(array, dtype=np.float64) for array in arrays))


def _reach(chains: Chains) -> FloatArray:
    """Return the most units that can have arrived by each step, (n_series, n_steps)."""
    multiple = chains.multiple[:, None]
    unit = np.where(multiple > 0, multiple, 1.0)
    whole = np.where(multiple > 0, np.floor(chains.limit / unit + WHOLE) * unit, chains.limit)
    return np.asarray(np.cumsum(whole, axis=1))
