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
from numpy.typing import NDArray

from replen.plan.chain_steps import TIE, WHOLE, FloatArray, Steps, hard_floor, series, whole_limit

IntArray = NDArray[np.int64]


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


class Arm(NamedTuple):
    """An increase of shortest to longest packs costs fixed + slope * packs."""

    shortest: int
    longest: int
    fixed: float
    slope: float


@njit(cache=True)
def count_states(steps: Steps, smallest: IntArray, most: FloatArray) -> None:
    """Write the packs above which nothing can be gained, (n_series,); inf where more pays without end.

    Let no F_t fall beyond `top`, nor any safety stock lie above it. Of a plan that ends higher take the line that passes top,
    and each later one: the line shrunk to the smallest that may be placed, or to what reaches top, lowers y from then on, and
    where y stays above top that saves money and breaks nothing. So no more than smallest - 1 packs above top are needed, and
    no line after it. A line that follows the last plan may be worth its keep above top, up to the last plan's size.
    """
    for row in range(len(most)):
        one = series(steps, row)
        multiple, reach, kept, first = one.multiple[0], 0.0, 0.0, len(one.slope)
        for step in range(len(one.slope)):
            limit = whole_limit(one.limit[step], multiple)
            if limit >= smallest[row]:
                first, reach = min(first, step), reach + limit
                if one.change_price[step] > 0:
                    kept += max(smallest[row], np.ceil(one.previous[step] / multiple))
        top = np.ceil(_top(one, first) / multiple - WHOLE)
        most[row] = min(max(top, 0.0) + smallest[row] - 1.0 + kept, reach)


@njit(cache=True)
def _top(one: Steps, first: int) -> float:
    """Return units beyond which no cost that an order can change falls; inf if one falls without end."""
    n_points = one.at.shape[1]
    cheapest, highest, tail, tails_rise, all_rise = 0.0, 0.0, 0.0, True, True
    for step in range(len(one.slope) - 1, first - 1, -1):
        slope, jump, at = one.slope[step], one.jump[step], one.at[step]
        right = slope + n_points * jump
        tie = TIE * (abs(slope) + n_points * jump)
        tail += right
        tails_rise, all_rise = tails_rise and tail >= -tie, all_rise and right >= -tie
        if slope < -tie and jump > 0:
            kink = min(int(np.ceil(-slope / jump - WHOLE)), n_points)
            cheapest, highest = max(cheapest, at[kink - 1]), max(highest, at[n_points - 1])
        elif jump > 0:
            highest = max(highest, at[n_points - 1])
        if one.shortfall[step] > 0:
            cheapest, highest = max(cheapest, one.floor[step]), max(highest, one.floor[step])
    if all_rise:
        return cheapest
    return highest if tails_rise else np.inf


@njit(cache=True)
def solve_all(steps: Steps, lines: Lines, inside: bool, quantities: FloatArray) -> FloatArray:
    """Return the least cost without constants, (n_series,), and write the increases, (n_series, n_steps), units.

    Args:
        steps: the chains; `multiple` is the pack.
        lines: what may be ordered.
        inside: True: a state is any place from k to k + 1 packs, at the least cost found there: a bound, and no plan.
        quantities: filled.
    """
    n_steps, most = quantities.shape[1], lines.most.max()
    table, reached = np.empty((n_steps + 1, most + 1)), np.empty(n_steps + 1, np.int64)
    costs, queue, least = np.empty(most + 2), np.empty(most + 1, np.int64), np.empty(len(quantities))
    for row in range(len(quantities)):
        one, line = series(steps, row), Line(lines.smallest[row], lines.cost[row], lines.most[row])
        table[0, 0], reached[0] = 0.0, 0
        for step in range(n_steps):
            before = table[step, : reached[step] + 1]
            reached[step + 1] = _last_state(one, step, line, reached[step])
            after = table[step + 1, : reached[step + 1] + 1]
            _order(one, step, line, before, after, queue)
            _tabulate(one, step, costs[: len(after) + 1])
            if inside:
                _lower(one, step, costs[: len(after) + 1])
            _add(one, step, inside, costs, after)
        least[row] = _trace(one, line, table, reached, quantities[row])
    return least


@njit(cache=True)
def _last_state(one: Steps, step: int, line: Line, reached: int) -> int:
    """Return the most packs in all after the step's order."""
    limit = whole_limit(one.limit[step], one.multiple[0])
    return reached if limit < line.smallest else int(min(reached + limit, line.most))


@njit(cache=True)
def _order(one: Steps, step: int, line: Line, before: FloatArray, after: FloatArray, queue: IntArray) -> None:
    """Write the least cost of each total after the step's order, the step's own cost still left out."""
    stay, slope = one.change_price[step] * one.previous[step], one.change_price[step] * one.multiple[0]
    after[: len(before)] = before + stay
    after[len(before) :] = np.inf
    limit = whole_limit(one.limit[step], one.multiple[0])
    if limit < line.smallest:
        return
    largest = int(min(limit, len(after)))
    kept = int(min(np.floor(one.previous[step] / one.multiple[0]), largest)) if slope > 0 else largest
    _slide(before, after, Arm(line.smallest, kept, line.cost + stay, -slope), queue)
    if slope > 0:
        _slide(before, after, Arm(max(line.smallest, kept + 1), largest, line.cost - stay, slope), queue)


@njit(cache=True)
def _slide(before: FloatArray, after: FloatArray, arm: Arm, queue: IntArray) -> None:
    """Lower after[k] to the least of before[k - u] + what u costs, over u from shortest to longest.

    The queue holds the states of the window that no later one beats, the best first.
    """
    first = last = 0
    for k in range(arm.shortest, len(after)):
        new = k - arm.shortest
        if new < len(before):
            value = before[new] - arm.slope * new
            while last > first and before[queue[last - 1]] - arm.slope * queue[last - 1] > value:
                last -= 1
            queue[last] = new
            last += 1
        while first < last and queue[first] < k - arm.longest:
            first += 1
        if first < last:
            best = queue[first]
            after[k] = min(after[k], before[best] + arm.fixed + arm.slope * (k - best))


@njit(cache=True)
def _tabulate(one: Steps, step: int, costs: FloatArray) -> None:
    """Write the step's cost of each total."""
    at, jump, slope, shortfall = one.at[step], one.jump[step], one.slope[step], one.shortfall[step]
    passed, below = 0, 0.0
    for k in range(len(costs)):
        y = k * one.multiple[0]
        while passed < len(at) and at[passed] < y:
            below += at[passed]
            passed += 1
        costs[k] = slope * y + jump * (passed * y - below)
    if 0 < shortfall < np.inf:
        for k in range(len(costs)):
            costs[k] += shortfall * max(one.floor[step] - k * one.multiple[0], 0.0)


@njit(cache=True)
def _lower(one: Steps, step: int, costs: FloatArray) -> None:
    """Lower the cost of each total to the least up to the next: convex, it is at an end or at a kink."""
    for k in range(len(costs) - 1):
        costs[k] = min(costs[k], costs[k + 1])
    soft = one.shortfall[step] if np.isfinite(one.shortfall[step]) else 0.0
    for i in range(one.at.shape[1] + 1):
        y = one.at[step, i] if i < one.at.shape[1] else one.floor[step]
        k = int(np.floor(y / one.multiple[0]))
        if 0 <= k < len(costs):
            cost = one.slope[step] * y + one.jump[step] * np.maximum(y - one.at[step], 0.0).sum()
            costs[k] = min(costs[k], cost + soft * max(one.floor[step] - y, 0.0))


@njit(cache=True)
def _add(one: Steps, step: int, inside: bool, costs: FloatArray, after: FloatArray) -> None:
    """Add the step's cost of each total; totals below a hard floor are out."""
    for k in range(len(after)):
        after[k] += costs[k]
    if np.isinf(one.shortfall[step]):
        low = hard_floor(one.floor[step], one.multiple[0]) - inside
        after[: int(max(low, 0.0))] = np.inf


@njit(cache=True)
def _trace(one: Steps, line: Line, table: FloatArray, reached: IntArray, quantities: FloatArray) -> float:
    """Return the least cost and write the plan of it: the smallest total, then no order rather than one that saves nothing."""
    multiple, n_steps = one.multiple[0], len(quantities)
    slopes = np.abs(one.slope).sum() + one.at.shape[1] * one.jump.sum() + one.change_price.sum()
    tie = TIE * (slopes * multiple * max(line.most, 1) + line.cost)
    total = table[n_steps, : reached[n_steps] + 1]
    least: float = total.min()
    k = 0
    while total[k] > least + tie:
        k += 1
    for step in range(n_steps - 1, -1, -1):
        before, price, last = table[step], one.change_price[step], one.previous[step]
        best, origin = before[k] + price * last if k <= reached[step] else np.inf, k
        largest = int(min(whole_limit(one.limit[step], multiple), k))
        for j in range(k - largest, min(reached[step], k - line.smallest) + 1):
            value = before[j] + line.cost + price * abs((k - j) * multiple - last)
            if value < best - tie:
                best, origin = value, j
        quantities[step] = (k - origin) * multiple
        k = origin
    return least
