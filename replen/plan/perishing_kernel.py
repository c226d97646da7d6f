"""The search among orders of goods that perish, compiled: exact cost over the paths of every plan it looks at.

What is done some hundred times a series is compiled into its caller: to hand the arrays on takes as long as to work with them.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from replen.plan.timing import FloatArray, IntArray

MAX_SWEEPS = 20
REACH = 1  # packs move this many steps earlier or later
PARTS = 8.0  # the first moves are of this part of the largest line
SAVING = 1e-9  # a move must save more than this share of the cost
NOWHERE = -1


class Goods(NamedTuple):
    """n_series series that perish.

    Attributes:
        opening: shape (n_series,), units on the shelf before the first step, less those owed.
        demand: shape (n_series, n_paths, horizon), units.
        coming: of the same shape, units that arrive at the start of each step whatever is ordered.
        arrival: shape (n_series, n_paths), steps from an order to its arrival.
        shelf_life: shape (n_series,), steps in which a unit can be sold, that of its arrival included.
        order: shape (n_series, horizon), money a unit ordered at the step.
        holding: shape (n_series, horizon), money a unit left at the end of the step.
        short: shape (n_series,), money a unit lost, or owed at the end of a step.
        end: shape (n_series,), money a unit left at the horizon is worth.
        line: shape (n_series,), money an order line.
        multiple: shape (n_series,), units in a pack.
        smallest: shape (n_series,), units of the smallest line.
        largest: shape (n_series, horizon), units that may be ordered at the step at most, whole packs.
        waits: whether demand that is not met waits.
    """

    opening: FloatArray
    demand: FloatArray
    coming: FloatArray
    arrival: IntArray
    shelf_life: IntArray
    order: FloatArray
    holding: FloatArray
    short: FloatArray
    end: FloatArray
    line: FloatArray
    multiple: FloatArray
    smallest: FloatArray
    largest: FloatArray
    waits: bool


@njit(cache=True)
def cost_rows(goods: Goods, quantities: FloatArray) -> FloatArray:
    """Return money of plans, (n_series,), units by step (n_series, horizon)."""
    cost = np.empty(len(quantities))
    for row in range(len(quantities)):
        cost[row] = _cost(goods, row, quantities[row])
    return cost


@njit(cache=True)
def search_rows(goods: Goods, quantities: FloatArray) -> None:
    """Better plans, (n_series, horizon), until no packs that are added, taken away or moved save money; halves of them next."""
    moves = _moves(quantities.shape[1])
    for row in range(len(quantities)):
        plan = quantities[row]
        known = _cost(goods, row, plan)
        packs = max(np.floor(plan.max() / goods.multiple[row] / PARTS), 1.0)
        while True:
            known = _search(goods, row, plan, known, packs * goods.multiple[row], moves)
            if packs == 1.0:
                break
            packs = np.floor(packs / 2)


@njit(cache=True)
def _moves(horizon: int) -> IntArray:
    """Return the moves of a sweep: from which step packs go, to which, and whether all of them do, (n_moves, 3)."""
    moves = [
        (giver, taker, everything)
        for giver in range(NOWHERE, horizon)
        for taker in range(NOWHERE, horizon)
        for everything in range(1 if giver == NOWHERE else 2)
        if giver != taker and (min(giver, taker) == NOWHERE or abs(giver - taker) <= REACH)
    ]
    return np.array(moves)


@njit(cache=True, inline="always")
def _search(goods: Goods, row: int, plan: FloatArray, known: float, amount: float, moves: IntArray) -> float:
    """Return the money of the plan after moves of `amount` units, or of whole lines, until all in a row save nothing."""
    tried = in_vain = 0
    while in_vain < len(moves) and tried < MAX_SWEEPS * len(moves):
        giver, taker, everything = moves[tried % len(moves)]
        cost = _try(goods, row, plan, known, (giver, taker), np.inf if everything else amount)
        tried, in_vain, known = tried + 1, in_vain + 1 if cost == known else 0, cost
    return known


@njit(cache=True, inline="always")
def _try(goods: Goods, row: int, plan: FloatArray, known: float, move: tuple[int, int], amount: float) -> float:
    """Return the money of the plan, changed if units that move from one step to another, or nowhere, save some."""
    giver, taker = move
    given = plan[giver] if giver != NOWHERE else 0.0
    taken = plan[taker] if taker != NOWHERE else 0.0
    if (giver != NOWHERE and given <= 0.0) or (taker != NOWHERE and taken >= goods.largest[row, taker]):
        return known
    if giver != NOWHERE:
        amount = given if given - amount < goods.smallest[row] - goods.multiple[row] / 2 else amount
        plan[giver] = given - amount
    if taker != NOWHERE:
        plan[taker] = min(max(taken + amount, goods.smallest[row]), goods.largest[row, taker])
    cost = _cost(goods, row, plan)
    if cost < known - SAVING * max(1.0, abs(known)):
        return cost
    if giver != NOWHERE:
        plan[giver] = given
    if taker != NOWHERE:
        plan[taker] = taken
    return known


@njit(cache=True, inline="always")
def _cost(goods: Goods, row: int, plan: FloatArray) -> float:
    """Return the money of a plan of one series, the value of what is left taken off."""
    n_paths, horizon = goods.demand[row].shape
    keeps, received, total = goods.shelf_life[row], np.zeros(horizon + 1), 0.0
    for w in range(n_paths):
        net, lead_time = goods.opening[row], goods.arrival[row, w]
        for t in range(horizon):
            arrived = goods.coming[row, w, t] + (plan[t - lead_time] if t >= lead_time else 0.0)
            received[t + 1] = received[t] + arrived
            net += arrived - goods.demand[row, w, t]
            if net > 0.0:
                if t + 2 > keeps:
                    net = min(net, received[t + 1] - received[t + 2 - keeps])
                total += goods.holding[row, t] * net
            else:
                total -= goods.short[row] * net
                net = net if goods.waits else 0.0
        total -= goods.end[row] * net
    cost = total / n_paths
    for t in range(horizon):
        cost += goods.order[row, t] * plan[t] + (goods.line[row] if plan[t] > 0.0 else 0.0)
    return float(cost)
