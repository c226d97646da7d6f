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
        demand: shape (n_series, horizon, n_paths), units.
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


class Room(NamedTuple):
    """Memory for the paths of one series.

    Attributes:
        net: shape (n_paths,), units on the shelf less those owed.
        money: shape (n_paths,), spent so far on stock and its lack.
        units: shape (n_paths,), of one step.
        received: shape (horizon + 1, n_paths), units that have arrived before each step, 0 before the first.
    """

    net: FloatArray
    money: FloatArray
    units: FloatArray
    received: FloatArray


@njit(cache=True)
def cost_rows(goods: Goods, quantities: FloatArray) -> FloatArray:
    """Return money of plans, (n_series,), units by step (n_series, horizon)."""
    cost, room = np.empty(len(quantities)), _room(goods)
    for row in range(len(quantities)):
        cost[row] = _cost(goods, row, quantities[row], room)
    return cost


@njit(cache=True)
def search_rows(goods: Goods, quantities: FloatArray) -> None:
    """Better plans, (n_series, horizon), until no packs that are added, taken away or moved save money; halves of them next."""
    moves, room = _moves(quantities.shape[1]), _room(goods)
    for row in range(len(quantities)):
        plan = quantities[row]
        known = _cost(goods, row, plan, room)
        packs = max(np.floor(plan.max() / goods.multiple[row] / PARTS), 1.0)
        while True:
            known = _search(goods, row, plan, known, packs * goods.multiple[row], moves, room)
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
def _search(goods: Goods, row: int, plan: FloatArray, known: float, amount: float, moves: IntArray, room: Room) -> float:
    """Return the money of the plan after moves of `amount` units, or of whole lines, until all in a row save nothing."""
    tried = in_vain = 0
    while in_vain < len(moves) and tried < MAX_SWEEPS * len(moves):
        giver, taker, everything = moves[tried % len(moves)]
        cost = _try(goods, row, plan, known, (giver, taker), np.inf if everything else amount, room)
        tried, in_vain, known = tried + 1, in_vain + 1 if cost == known else 0, cost
    return known


@njit(cache=True, inline="always")
def _try(goods: Goods, row: int, plan: FloatArray, known: float, move: tuple[int, int], amount: float, room: Room) -> float:
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
    cost = _cost(goods, row, plan, room)
    if cost < known - SAVING * max(1.0, abs(known)):
        return cost
    if giver != NOWHERE:
        plan[giver] = given
    if taker != NOWHERE:
        plan[taker] = taken
    return known


@njit(cache=True)
def _room(goods: Goods) -> Room:
    """Return memory for the paths of one series."""
    _, horizon, n_paths = goods.demand.shape
    return Room(np.zeros(n_paths), np.zeros(n_paths), np.zeros(n_paths), np.zeros((horizon + 1, n_paths)))


@njit(cache=True, inline="always")
def _cost(goods: Goods, row: int, plan: FloatArray, room: Room) -> float:
    """Return the money of a plan of one series, the value of what is left taken off.

    All paths take a step together, in loops so plain that they are compiled into instructions for several paths at once.
    """
    room.net[:], room.money[:] = goods.opening[row], 0.0
    for t in range(len(plan)):
        _meet(goods, row, t, plan, room)
        _keep(goods, row, t, room)
    cost = (room.money.sum() - goods.end[row] * room.net.sum()) / len(room.net)
    for t in range(len(plan)):
        cost += goods.order[row, t] * plan[t] + (goods.line[row] if plan[t] > 0.0 else 0.0)
    return float(cost)


@njit(cache=True, inline="always")
def _meet(goods: Goods, row: int, t: int, plan: FloatArray, room: Room) -> None:
    """Receive what comes in a step, and serve what is wanted."""
    net, _, units, received = room
    demand, coming, arrival, paths = goods.demand, goods.coming, goods.arrival, range(len(net))
    for w in paths:
        placed = t - arrival[row, w]
        units[w] = plan[placed] if placed >= 0 else 0.0
    for w in paths:
        received[t + 1, w] = received[t, w] + coming[row, t, w] + units[w]
    for w in paths:
        net[w] += coming[row, t, w] + units[w] - demand[row, t, w]


@njit(cache=True, inline="always")
def _keep(goods: Goods, row: int, t: int, room: Room) -> None:
    """Throw away what is too old, and count what is left and what is missing."""
    net, money, units, received = room
    holding, short, too_old, paths = goods.holding[row, t], goods.short[row], t + 2 - goods.shelf_life[row], range(len(net))
    for w in paths:
        units[w] = max(net[w], 0.0)
    if too_old > 0:
        for w in paths:
            units[w] = min(units[w], received[t + 1, w] - received[too_old, w])
    for w in paths:
        money[w] += holding * units[w] - short * min(net[w], 0.0)
    for w in paths:
        net[w] = units[w] + (min(net[w], 0.0) if goods.waits else 0.0)
