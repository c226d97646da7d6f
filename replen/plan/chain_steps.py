"""Chains as compiled programs read them: plain arrays, limits and floors in packs, the cost of a plan.

Numba keeps compiled programs beside their file and compiles again when that file changes, not when this one does.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
TIE = 1e-12  # slopes nearer to each other than this share of all slopes are equal: rounding errors break no tie
WHOLE = 1e-9  # packs: numbers nearer to whole ones than this are whole


class Steps(NamedTuple):
    """Arrays of `chain.Chains`, of all series (one row is shared by all) or of one."""

    at: FloatArray
    jump: FloatArray
    slope: FloatArray
    limit: FloatArray
    floor: FloatArray
    shortfall: FloatArray
    multiple: FloatArray


@njit(cache=True)
def series(steps: Steps, row: int) -> Steps:
    """Return the arrays of one series."""
    return Steps(
        steps.at[row],
        steps.jump[row % len(steps.jump)],
        steps.slope[row % len(steps.slope)],
        steps.limit[row % len(steps.limit)],
        steps.floor[row % len(steps.floor)],
        steps.shortfall[row % len(steps.shortfall)],
        steps.multiple[row % len(steps.multiple)],
    )


@njit(cache=True)
def whole_limit(limit: float, multiple: float) -> float:
    """Return the largest increase in packs."""
    return np.floor(limit / multiple + WHOLE) if multiple > 0 else limit


@njit(cache=True)
def hard_floor(floor: float, multiple: float) -> float:
    """Return the least cumulative increase in packs."""
    return np.ceil(floor / multiple - WHOLE) if multiple > 0 else floor


@njit(cache=True)
def cost_all(steps: Steps, quantities: FloatArray, cost: FloatArray) -> None:
    """Add to cost, (n_series,), what the increases cost; hard floors are not looked at."""
    for row in range(len(quantities)):
        one, y = series(steps, row), 0.0
        for step in range(quantities.shape[1]):
            y += quantities[row, step]
            above = 0.0
            for point in one.at[step]:
                above += max(y - point, 0.0)
            cost[row] += one.slope[step] * y + one.jump[step] * above
            if one.shortfall[step] > 0 and np.isfinite(one.shortfall[step]):
                cost[row] += one.shortfall[step] * max(one.floor[step] - y, 0.0)


@njit(cache=True)
def further_cost(one: Steps, quantities: FloatArray, first: int, units: float, line: float) -> float:
    """Return what `line` units more at step `first` cost, where `units` arrive then and at later steps what was planned."""
    y, more = units + quantities[:first].sum(), 0.0
    for step in range(first, len(quantities)):
        if step > first:
            y += quantities[step]
        above = 0.0
        for point in one.at[step]:
            above += max(min(y + line - point, line), 0.0)
        more += one.slope[step] * line + one.jump[step] * above
        if one.shortfall[step] > 0 and np.isfinite(one.shortfall[step]):
            more -= one.shortfall[step] * max(min(one.floor[step] - y, line), 0.0)
    return float(more)


@njit(cache=True)
def worthwhile(one: Steps, quantities: FloatArray, first: int, line: float, accuracy: float) -> float:
    """Return the units at step `first` above which `line` units more no longer pay; inf where they always do.

    What a further line costs rises with the units: its root is looked for between those that pay and those that do not, where
    a straight line would have it, right beside, and half-way.
    """
    low, high = 0.0, quantities[first]
    for step in range(len(quantities)):
        high = max(high, one.at[step, -1], one.floor[step])
    saves, costs = -further_cost(one, quantities, first, low, line), further_cost(one, quantities, first, high, line)
    if saves <= 0:
        return 0.0
    if costs < 0:
        return np.inf
    while high - low > accuracy:
        width, straight = high - low, low + (high - low) * saves / (saves + costs)
        for tried in (straight, straight - accuracy / 2, straight + accuracy / 2, low + width / 2):
            if low < tried < high:
                found = further_cost(one, quantities, first, tried, line)
                if found < 0:
                    low, saves = tried, -found
                else:
                    high, costs = tried, found
    return float(high)


@njit(cache=True)
def worthwhile_all(
    steps: Steps, quantities: FloatArray, first: IntArray, line: FloatArray, accuracy: float, units: FloatArray
) -> None:
    """Set units, (n_series,), to those of `worthwhile`.

    Args:
        steps: of n_series chains.
        quantities: shape (n_series, n_steps), the plans, units.
        first: shape (n_series,), step of today's order.
        line: shape (n_series,), units, > 0.
        accuracy: units.
        units: written to.
    """
    for row in range(len(quantities)):
        units[row] = worthwhile(series(steps, row), quantities[row], first[row], line[row], accuracy)
