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
    previous: FloatArray
    change_price: FloatArray
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
        steps.previous[row % len(steps.previous)],
        steps.change_price[row % len(steps.change_price)],
        steps.multiple[row % len(steps.multiple)],
    )


@njit(cache=True)
def in_units(units: float, multiple: float) -> float:
    """Return units in packs; as they are where any amount may be ordered."""
    return units / multiple if multiple > 0 else units


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
            u = quantities[row, step]
            y += u
            above = 0.0
            for point in one.at[step]:
                above += max(y - point, 0.0)
            cost[row] += one.slope[step] * y + one.jump[step] * above + one.change_price[step] * abs(u - one.previous[step])
            if one.shortfall[step] > 0 and np.isfinite(one.shortfall[step]):
                cost[row] += one.shortfall[step] * max(one.floor[step] - y, 0.0)
