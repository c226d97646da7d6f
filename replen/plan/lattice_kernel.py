"""The dynamic program over whole packs with a smallest order and a fixed cost an order line, compiled.

With V_t(k) the least cost of steps 0..t after k packs in all, and m units in a pack,

    V_t(k) = F_t(m k) + min( V_{t-1}(k) + G_t(0),
                             line_cost + min over u in smallest..largest_t of V_{t-1}(k - u) + G_t(m u) ).

The inner minimum slides over k: states x steps comparisons in all. G_t, the price of leaving the last plan, has two straight
arms, and each arm is a window of its own.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from replen.plan.chain_steps import TIE, FloatArray, IntArray, Steps, hard_floor, series, whole_limit


class Lines(NamedTuple):
    """What may be ordered: arrays (n_series,) of the smallest order in packs, money a line, and the last state."""

    smallest: IntArray
    cost: FloatArray
    most: IntArray


class Line(NamedTuple):
    """The lines of one series."""

    smallest: int
    cost: float
    most: int


class Step(NamedTuple):
    """Numbers of one step of one series; the limit is in packs."""

    jump: float
    slope: float
    shortfall: float
    floor: float
    limit: float
    multiple: float


class Arm(NamedTuple):
    """An increase of shortest to longest packs costs what a line does."""

    shortest: int
    longest: int
    cost: float


@njit(cache=True)
def solve_all(steps: Steps, lines: Lines, inside: bool, quantities: FloatArray) -> FloatArray:
    """Return the least cost without constants, (n_series,), and write the increases, (n_series, n_steps), units.

    Args:
        steps: the chains; `multiple` is the pack.
        lines: what may be ordered.
        inside: True: a state is any place from k to k + 1 packs, at the least cost found there: a bound, and no plan; for
            chains without hard floors.
        quantities: filled.
    """
    n_steps, most = quantities.shape[1], lines.most.max()
    table, reached = np.empty((n_steps + 1, most + 1)), np.empty(n_steps + 1, np.int64)
    costs, queue, least = np.empty(most + 2), np.empty(most + 1, np.int64), np.empty(len(quantities))
    for row in range(len(quantities)):
        one, line = series(steps, row), Line(lines.smallest[row], lines.cost[row], lines.most[row])
        table[0, 0], reached[0] = 0.0, 0
        for t in range(n_steps):
            step = _step(one, t)
            reached[t + 1] = reached[t] if step.limit < line.smallest else int(min(reached[t] + step.limit, line.most))
            before, after = table[t, : reached[t] + 1], table[t + 1, : reached[t + 1] + 1]
            _order(step, line, before, after, queue)
            _tabulate(step, one.at[t], costs[: len(after) + 1])
            if inside:
                _lower(step, one.at[t], costs[: len(after) + 1])
            _add(step, costs, after)
        least[row] = _trace(one, line, table, reached, quantities[row])
    return least


@njit(cache=True)
def _step(one: Steps, t: int) -> Step:
    """Return the numbers of a step: unlike arrays they cost nothing to pass on."""
    multiple = one.multiple[0]
    return Step(
        one.jump[t],
        one.slope[t],
        one.shortfall[t],
        one.floor[t],
        whole_limit(one.limit[t], multiple),
        multiple,
    )


@njit(cache=True)
def _order(step: Step, line: Line, before: FloatArray, after: FloatArray, queue: IntArray) -> None:
    """Write the least cost of each total after the step's order, the step's own cost still left out."""
    after[: len(before)] = before
    after[len(before) :] = np.inf
    if step.limit < line.smallest:
        return
    largest = int(min(step.limit, len(after)))
    _slide(before, after, Arm(line.smallest, largest, line.cost), queue)


@njit(cache=True)
def _slide(before: FloatArray, after: FloatArray, arm: Arm, queue: IntArray) -> None:
    """Lower after[k] to the least of before[k - u] + what u costs, over u from shortest to longest.

    The queue holds the states of the window that no later one beats, the best first.
    """
    if arm.longest >= len(after) - 1:
        _slide_endless(before, after, arm)
        return
    first = last = 0
    for k in range(arm.shortest, len(after)):
        new = k - arm.shortest
        if new < len(before):
            while last > first and before[queue[last - 1]] > before[new]:
                last -= 1
            queue[last] = new
            last += 1
        while first < last and queue[first] < k - arm.longest:
            first += 1
        if first < last:
            after[k] = min(after[k], before[queue[first]] + arm.cost)


@njit(cache=True)
def _slide_endless(before: FloatArray, after: FloatArray, arm: Arm) -> None:
    """Do the same where no state ever leaves the window: its least is a running minimum."""
    least = np.inf
    for k in range(arm.shortest, len(after)):
        new = k - arm.shortest
        if new < len(before):
            least = min(least, before[new])
        after[k] = min(after[k], least + arm.cost)


@njit(cache=True)
def _tabulate(step: Step, at: FloatArray, costs: FloatArray) -> None:
    """Write the step's cost of each total."""
    passed, below = 0, 0.0
    for k in range(len(costs)):
        y = k * step.multiple
        while passed < len(at) and at[passed] < y:
            below += at[passed]
            passed += 1
        costs[k] = step.slope * y + step.jump * (passed * y - below)
    if 0 < step.shortfall < np.inf:
        for k in range(len(costs)):
            costs[k] += step.shortfall * max(step.floor - k * step.multiple, 0.0)


@njit(cache=True)
def _lower(step: Step, at: FloatArray, costs: FloatArray) -> None:
    """Lower the cost of each total to the least up to the next: convex, it is at an end or at a kink."""
    for k in range(len(costs) - 1):
        costs[k] = min(costs[k], costs[k + 1])
    soft = step.shortfall if np.isfinite(step.shortfall) else 0.0
    for i in range(len(at) + 1):
        y = at[i] if i < len(at) else step.floor
        k = int(np.floor(y / step.multiple))
        if 0 <= k < len(costs):
            cost = step.slope * y + step.jump * np.maximum(y - at, 0.0).sum()
            costs[k] = min(costs[k], cost + soft * max(step.floor - y, 0.0))


@njit(cache=True)
def _add(step: Step, costs: FloatArray, after: FloatArray) -> None:
    """Add the step's cost of each total; totals below a hard floor are out."""
    for k in range(len(after)):
        after[k] += costs[k]
    if np.isinf(step.shortfall):
        after[: int(max(hard_floor(step.floor, step.multiple), 0.0))] = np.inf


@njit(cache=True)
def _trace(one: Steps, line: Line, table: FloatArray, reached: IntArray, quantities: FloatArray) -> float:
    """Return the least cost and write the plan of it: the smallest total, the latest orders."""
    slopes = np.abs(one.slope).sum() + one.at.shape[1] * one.jump.sum()
    tie = TIE * (slopes * one.multiple[0] * max(line.most, 1) + line.cost)
    total = table[len(quantities), : reached[len(quantities)] + 1]
    least: float = total.min()
    k = 0
    while total[k] > least + tie:
        k += 1
    for t in range(len(quantities) - 1, -1, -1):
        step = _step(one, t)
        best, origin = np.inf, k
        for j in range(k - int(min(step.limit, k)), min(reached[t], k - line.smallest) + 1):
            value = table[t, j] + line.cost
            if value < best - tie:
                best, origin = value, j
        if k <= reached[t] and table[t, k] < best - tie:
            origin = k
        quantities[t] = (k - origin) * step.multiple
        k = origin
    return least
