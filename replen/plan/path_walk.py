"""From one vertex of the lost-sales program to a cheaper one, compiled: a set of nodes moves until that no longer pays.

Giving up an edge of the tree cuts off some nodes, which then move together by the same units. The money of a path is convex and
piecewise linear in how far they move, with a kink wherever stock at the end of a step reaches zero or leaves it. The walk goes
from kink to kink over all paths until money no longer falls: the last kink is the new tie.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from replen.plan.path_tree import LOWER, NOTHING, TIE, UPPER, Paths, Terms, Tree, orient
from replen.plan.timing import FloatArray

MOST_KINKS = 4  # that a move passes, by step and path; fewer are met unless rounding errors lead in circles


class Kinks(NamedTuple):
    """By path, (n_paths,): `slope` of the money after the last kink, distance `at` and `step` of the next; inf = none.

    `stock` and `rate` are what the search for them works in: units left at the end of a step, and how fast they grow.
    """

    slope: FloatArray
    at: FloatArray
    step: FloatArray
    stock: FloatArray
    rate: FloatArray


class Way(NamedTuple):
    """Levels of the nodes and how they move.

    Attributes:
        level: shape (n_steps + 1,), units before the move.
        move: shape (n_steps + 1,), 0 where a node stays, elsewhere all 1 or all -1.
        net: shape (n_steps, n_paths), stock at the end of each step before the move and before it is cut at 0.
        kinks: of every path.
        zero: units below which stock is none: rounding errors are smaller.
    """

    level: FloatArray
    move: FloatArray
    net: FloatArray
    kinks: Kinks
    zero: float


@njit(cache=True)
def no_way(n_steps: int, n_paths: int, zero: float) -> Way:
    """Return a way with room for everything."""
    by_path = np.empty((5, n_paths))
    kinks = Kinks(by_path[0], by_path[1], by_path[2], by_path[3], by_path[4])
    return Way(np.zeros(n_steps + 1), np.zeros(n_steps + 1), np.empty((n_steps, n_paths)), kinks, zero)


@njit(cache=True)
def pivot(tree: Tree, paths: Paths, terms: Terms, way: Way, leaving: int, sign: int) -> bool:
    """Swap one edge for another; False if the money has no bottom, which sound costs exclude.

    Args:
        tree: the vertex; changed.
        paths: the needs.
        terms: money and limits.
        way: the levels of the vertex; its move is overwritten.
        leaving: edge given up.
        sign: +1 if its difference grows, -1 if it shrinks.
    """
    if tree.kind[leaving] == TIE and sign > 0:  # the path keeps stock there now: its next tie counts from where this one did
        for edge in range(len(tree.kind)):
            on_path = tree.kind[edge] == TIE and tree.path[edge] == tree.path[leaving]
            if on_path and tree.low[edge] == tree.high[leaving]:
                tree.low[edge] = tree.low[leaving]
    count = orient(tree, leaving)
    way.move[:] = 1.0
    for i in range(count):
        way.move[tree.order[i]] = 0.0
    if way.move[tree.high[leaving]] == 0.0:
        sign = -sign
    way.move[:] *= sign
    return _walk(tree, paths, terms, way, leaving)


@njit(cache=True)
def _walk(tree: Tree, paths: Paths, terms: Terms, way: Way, leaving: int) -> bool:
    """Put the edge at which the move no longer pays in the place of the one given up; False if there is none."""
    n_steps, n_paths = paths.need.shape
    kinks = way.kinks
    _follow_all(paths, terms, way)
    slope = kinks.slope.sum()
    for t in range(n_steps):
        slope += terms.order[t] * (way.move[t + 1] - way.move[t])
    room, bound, kind = _room(terms, way)
    for _ in range(MOST_KINKS * n_steps * n_paths):
        w = int(np.argmin(kinks.at))
        if kinks.at[w] >= room:
            if bound == NOTHING:
                return False
            tree.kind[leaving], tree.high[leaving], tree.low[leaving] = kind, bound + 1, bound
            return True
        at, step = kinks.at[w], int(kinks.step[w])
        after, further, next_step = _follow(paths, terms, way, w, at)
        slope += after - kinks.slope[w]
        kinks.slope[w], kinks.at[w], kinks.step[w] = after, at + further, next_step
        if slope >= 0.0 or _next_tie(tree, step, w) != NOTHING:
            low = _ran_out(paths, way, w, at, step)
            for edge in range(len(tree.kind)):
                if edge != leaving and _spans(tree, edge, step, w):
                    tree.low[edge] = step + 1
            tree.kind[leaving], tree.high[leaving], tree.low[leaving], tree.path[leaving] = TIE, step + 1, low, w
            return True
    return False


@njit(cache=True)
def _room(terms: Terms, way: Way) -> tuple[float, int, int]:
    """Return how far the move can go until the order of a step is nothing or the largest, that step, and which of the two."""
    room, bound, kind = np.inf, NOTHING, LOWER
    for t in range(len(terms.upper)):
        quantity, change = way.level[t + 1] - way.level[t], way.move[t + 1] - way.move[t]
        if change < 0.0 and quantity < room:
            room, bound, kind = quantity, t, LOWER
        if change > 0.0 and terms.upper[t] - quantity < room:
            room, bound, kind = terms.upper[t] - quantity, t, UPPER
    return room, bound, kind


@njit(cache=True)
def _spans(tree: Tree, edge: int, step: int, w: int) -> bool:
    """Return whether an edge is a tie of the path that depends on whether the path runs out at the end of the step."""
    return bool(tree.kind[edge] == TIE and tree.path[edge] == w and tree.low[edge] <= step + 1 < tree.high[edge])


@njit(cache=True)
def _next_tie(tree: Tree, step: int, w: int) -> int:
    """Return a tie of the path that would be lost if the move went on past this kink; NOTHING if there is none."""
    for edge in range(len(tree.kind)):
        if tree.path[edge] == w and _spans(tree, edge, step, w):
            return edge
    return NOTHING


@njit(cache=True)
def _follow_all(paths: Paths, terms: Terms, way: Way) -> None:
    """Fill slope and next kink of every path, seen from where the move starts."""
    slope, nearest, step, stock, rate = way.kinks
    first = 0
    while way.move[first + 1] == way.move[first]:
        first += 1
    for w in range(len(stock)):
        stock[w] = max(way.net[first - 1, w], 0.0) if first > 0 else 0.0
        slope[w], nearest[w], step[w], rate[w] = 0.0, np.inf, float(NOTHING), 0.0
    for t in range(first, len(paths.need)):
        quantity, change = way.level[t + 1] - way.level[t], way.move[t + 1] - way.move[t]
        need, cost, here = paths.need[t], terms.stock[t], float(t)
        for w in range(len(stock)):
            net, moved = stock[w] + (quantity - need[w]), rate[w] + change
            kept = net > (-way.zero if moved > 0.0 else way.zero)
            far = abs(net) if (-moved if kept else moved) > 0.0 else np.inf
            known = nearest[w]
            step[w] = here if far < known else step[w]
            nearest[w] = far if far < known else known
            stock[w] = net if kept else 0.0
            rate[w] = moved if kept else 0.0
            slope[w] += cost[w] * rate[w]
    for w in range(len(stock)):
        slope[w] *= paths.share[w]


@njit(cache=True)
def _follow(paths: Paths, terms: Terms, way: Way, w: int, at: float) -> tuple[float, float, int]:
    """Return the slope of one path after `at`, and distance from there and step of its next kink."""
    stock = rate = slope = 0.0
    nearest, step = np.inf, NOTHING
    for t in range(len(paths.need)):
        change = way.move[t + 1] - way.move[t]
        net = stock + (way.level[t + 1] - way.level[t] + at * change - paths.need[t, w])
        rate += change
        kept = net > (-way.zero if rate > 0.0 else way.zero)
        if (-rate if kept else rate) > 0.0 and abs(net) < nearest:
            nearest, step = abs(net), t
        stock, rate = (net, rate) if kept else (0.0, 0.0)
        slope += terms.stock[t, w] * rate
    return slope * paths.share[w], nearest, step


@njit(cache=True)
def _ran_out(paths: Paths, way: Way, w: int, at: float, step: int) -> int:
    """Return the node at which a path last ran out before a step, once the move has come to `at`."""
    stock, rate, node = 0.0, 0.0, 0
    for t in range(step):
        change = way.move[t + 1] - way.move[t]
        net = stock + (way.level[t + 1] - way.level[t] + at * change - paths.need[t, w])
        rate += change
        if net > (-way.zero if rate > 0.0 else way.zero):
            stock = net
        else:
            stock, rate, node = 0.0, 0.0, t + 1
    return node
