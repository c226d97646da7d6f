"""The dynamic program of a convex chain, compiled: one sorted list of kinks a series, worked on from its right end.

With V_t(y) the least cost of steps 0..t that ends in y,

    V_t(y) = F_t(y) + min over u in [0, limit_t] of V_{t-1}(y - u).

V is convex and piecewise linear on [low, high]: its kinks ascend in x, w is by how much the slope grows at each, `right` is
the slope right of the last. The minimum over u inserts a flat piece where V is least (infimal convolution): what is right of
there moves by the piece's length, or is cut off where the piece has no end. F adds its kinks.
Both start from the right, where the kinks of a later step lie. Outside of [low, high] V is infinite, and what the list says
there is never read.

Where increases are whole packs, the unit is the pack and F is interpolated between whole numbers, where it is unchanged. All
kinks, lengths and therefore optima are then whole: differences bounded by whole numbers are a totally unimodular program.

Source: infimal convolution of polyhedral functions: Rockafellar, Convex Analysis, sections 16 and 19; the sorted list is known
as the slope trick.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from replen.plan.chain_steps import TIE, FloatArray, Steps, hard_floor, series, whole_limit


class Value(NamedTuple):
    """V but for its kinks: how many, the slope right of the last, and the ends."""

    n: int
    right: float
    low: float
    high: float


@njit(cache=True)
def solve_all(steps: Steps, quantities: FloatArray) -> None:
    """Write the increases of every series into quantities, (n_series, n_steps); NaN where more pays without end."""
    _, n_steps, n_points = steps.at.shape
    kinks = np.empty((2, n_steps * (2 * n_points + 4) + 2))
    own, passes = np.empty((2, 2 * n_points + 2)), np.zeros(n_steps)
    for row in range(len(quantities)):
        one = series(steps, row)
        _backward(one, passes, _forward(one, kinks, own, passes), quantities[row])


@njit(cache=True)
def _forward(one: Steps, kinks: FloatArray, own: FloatArray, passes: FloatArray) -> float:
    """Return the cheapest total, in packs.

    Args:
        one: a series.
        kinks: of V, places and weights, (2, enough); memory that all series share.
        own: of one step, likewise.
        passes: filled with where each V is least, (n_steps,).
    """
    multiple, tie = one.multiple[0], _tie(one)
    value = Value(0, 0.0, 0.0, 0.0)
    for step in range(len(one.slope)):
        limit = whole_limit(one.limit[step], multiple)
        if limit > 0:
            passes[step], value = _insert(kinks, value, limit, tie)
        shortfall, floor = one.shortfall[step], one.floor[step]
        if np.isinf(shortfall):
            value = Value(value.n, value.right, max(value.low, hard_floor(floor, multiple)), value.high)
        if value.high > value.low:  # else one point only, where slopes mean nothing yet
            n = _kinks(one.at[step], one.jump[step], multiple, own)
            value = _merge(kinks, value, own, n, one.slope[step])
            if 0 < shortfall < np.inf:
                n = _kinks(one.floor[step : step + 1], shortfall, multiple, own)
                value = _merge(kinks, value, own, n, -shortfall)
    return _crossing(kinks, value, -tie)[2]


@njit(cache=True)
def _tie(one: Steps) -> float:
    """Return the difference up to which slopes are equal."""
    scale = 0.0
    for step in range(len(one.slope)):
        shortfall = one.shortfall[step] if np.isfinite(one.shortfall[step]) else 0.0
        scale += abs(one.slope[step]) + one.at.shape[1] * one.jump[step] + shortfall
    return TIE * scale


@njit(cache=True)
def _crossing(kinks: FloatArray, value: Value, level: float) -> tuple[int, float, float]:
    """Return the kinks up to the smallest y from which V's slope is at least level, the slope there, and y."""
    n, slope = value.n, value.right
    if slope < level:
        return n, slope, value.high
    while n > 0 and kinks[0, n - 1] > value.low and slope - kinks[1, n - 1] >= level:
        n -= 1
        slope -= kinks[1, n]
    inside = n > 0 and kinks[0, n - 1] > value.low
    return n, slope, kinks[0, n - 1] if inside else value.low


@njit(cache=True)
def _insert(kinks: FloatArray, value: Value, length: float, tie: float) -> tuple[float, Value]:
    """Return where V is least, and V after a flat piece of that length, > 0, is inserted there."""
    n, right, high = value.n, value.right, value.high
    left, slope, y = _crossing(kinks, value, -tie)
    if slope < -tie and np.isinf(high):
        return y, value
    if slope < -tie:
        kinks[0, n], kinks[1, n] = high, -slope
        n, right = n + 1, 0.0
    else:
        excess = max(slope, 0.0)
        if y > value.low:
            kinks[1, left - 1] -= excess
        if np.isinf(length):
            n, right = left, 0.0
        else:
            for i in range(n, left, -1):
                kinks[0, i], kinks[1, i] = kinks[0, i - 1] + length, kinks[1, i - 1]
            kinks[0, left], kinks[1, left] = y + length, excess
            n += 1
    return y, Value(n, right, value.low, high + length)


@njit(cache=True)
def _kinks(at: FloatArray, jump: float, multiple: float, own: FloatArray) -> int:
    """Return how many kinks `jump * sum of max(y - at, 0)` has; they are written in ascending order, no place twice."""
    n = 0
    for point in at:
        if multiple > 0:
            place = point / multiple
            cell = np.floor(place)
            n = _put(own, n, cell, jump * (1.0 - (place - cell)))
            n = _put(own, n, cell + 1.0, jump * (place - cell))
        else:
            n = _put(own, n, point, jump)
    return n


@njit(cache=True)
def _put(own: FloatArray, n: int, x: float, w: float) -> int:
    """Return the number of the step's kinks after one more, which lies at or after the last or at the one before it."""
    if w == 0.0:
        return n
    if n > 0 and own[0, n - 1] == x:
        own[1, n - 1] += w
    elif n > 1 and own[0, n - 2] == x:
        own[1, n - 2] += w
    else:
        own[0, n], own[1, n] = x, w
        n += 1
    return n


@njit(cache=True)
def _merge(kinks: FloatArray, value: Value, own: FloatArray, n_own: int, slope: float) -> Value:
    """Return V after a slope and the first n_own kinks of a step are added."""
    while n_own > 0 and own[0, n_own - 1] >= value.high:
        n_own -= 1
    right = value.right + slope
    for i in range(n_own):
        right += own[1, i]
    outside = 0
    while outside < n_own and own[0, outside] <= value.low:
        outside += 1
    n = value.n + n_own - outside
    old, new, free = value.n - 1, n_own - 1, n - 1
    while new >= outside:
        if old >= 0 and kinks[0, old] > own[0, new]:
            kinks[0, free], kinks[1, free] = kinks[0, old], kinks[1, old]
            old -= 1
        else:
            kinks[0, free], kinks[1, free] = own[0, new], own[1, new]
            new -= 1
        free -= 1
    return Value(n, right, value.low, value.high)


@njit(cache=True)
def _backward(one: Steps, passes: FloatArray, total: float, quantities: FloatArray) -> None:
    """Write the increases that lead to the total."""
    multiple = one.multiple[0]
    if np.isinf(total):
        quantities[:] = np.nan
        return
    y = total
    for step in range(len(quantities) - 1, -1, -1):
        limit, before = whole_limit(one.limit[step], multiple), y
        if limit > 0:
            before = min(max(passes[step], y - limit), y)
        quantities[step] = min(y - before, limit) * (multiple if multiple > 0 else 1.0)
        y = before
