"""How many packs can pay: the bound that makes a search of all totals finite and short."""

import numpy as np
from numba import njit

from replen.plan.chain_steps import TIE, WHOLE, FloatArray, IntArray, Steps, series, whole_limit


@njit(cache=True)
def count_states(steps: Steps, smallest: IntArray, most: FloatArray) -> None:
    """Write the packs above which nothing can be gained, (n_series,); inf where more pays without end.

    Let no F_t fall beyond `top`, nor any safety stock lie above it. Of a plan that ends higher take the line that passes top,
    and each later one: the line shrunk to the smallest that may be placed, or to what reaches top, lowers y from then on, and
    where y stays above top that saves money and breaks nothing. So no more than smallest - 1 packs above top are needed, and
    no line after it.
    """
    for row in range(len(most)):
        one = series(steps, row)
        multiple, reach, first = one.multiple[0], 0.0, len(one.slope)
        for step in range(len(one.slope)):
            limit = whole_limit(one.limit[step], multiple)
            if limit >= smallest[row]:
                first, reach = min(first, step), reach + limit
        top = np.ceil(_top(one, first) / multiple - WHOLE)
        most[row] = min(max(top, 0.0) + smallest[row] - 1.0, reach)


@njit(cache=True)
def _top(one: Steps, first: int) -> float:
    """Return units beyond which no cost that an order can change falls; inf if one falls without end."""
    n_points = one.at.shape[1]
    cheapest, highest, tail, scale, tails_rise, all_rise = 0.0, 0.0, 0.0, 0.0, True, True
    for step in range(len(one.slope) - 1, first - 1, -1):
        slope, jump, at = one.slope[step], one.jump[step], one.at[step]
        right = slope + n_points * jump
        scale += abs(slope) + n_points * jump
        tie = TIE * scale
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
