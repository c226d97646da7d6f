"""The simplex method of the lost-sales program over paths, compiled: prices of a vertex, the pivots, and the proof.

Prices are those of one unit more on a path at the start of a step: nothing if the path runs out in it, else what keeping the
unit costs, and the price in the next step. At a tie the price may lie anywhere between; the vertex is the cheapest plan if the
flow over the tree's edges that balances all levels lies within these limits. Any prices within the limits prove a lower bound.
"""

import numpy as np
from numba import njit

from replen.plan.path_tree import (
    LOWER,
    NOTHING,
    TIE,
    Paths,
    Terms,
    Tree,
    fill_levels,
    fill_net,
    newsvendor_tree,
    orient,
    paths_of,
    terms_of,
)  # fmt: skip
from replen.plan.path_walk import no_way, pivot
from replen.plan.timing import FloatArray

MOST_PIVOTS = 200  # a step; far fewer are needed
ZERO = 3e-14  # share of the largest need over all steps below which stock is none
FEW = 25  # paths that say where to start
FLOOR = 1e-11  # share of the money of a lost sale that no move is made for


@njit(cache=True)
def solve_rows(
    needs: FloatArray, terms: Terms, shaking: FloatArray, lost_sale_cost: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the cheapest quantities (n_series, n_steps), their cost and the proven bound, (n_series,) each, money.

    Args:
        needs: shape (n_steps, n_series, n_paths), units; opening stock is taken off the first step.
        terms: by series and step.
        shaking: shape (n_steps, n_paths), shares of the largest need over all steps that no two ties happen at once with; too
            small to matter.
        lost_sale_cost: shape (n_series,), money a unit.
    """
    n_steps, n_series, n_paths = needs.shape
    quantities, cost, bound = np.empty((n_series, n_steps)), np.empty(n_series), np.empty(n_series)
    share = np.full(n_paths, 1.0 / n_paths)
    for row in range(n_series):
        exact = paths_of(needs[:, row].copy(), share)
        size = max(largest_need(exact), 1e-300)
        shaken = paths_of(exact.need + size * shaking, share)
        own = terms_of(terms, row, n_paths)
        few = Paths(shaken.need[:, :FEW], shaken.total[:, :FEW], share[:FEW])
        tree = newsvendor_tree(few, own)
        least = descend(tree, shaken, own, ZERO * size, exact)
        quantities[row] = vertex_quantities(tree, exact, own, size)
        missed = lost_sale_cost[row] * mean(share, exact.total[-1])
        cost[row] = missed + vertex_cost(quantities[row], exact, own)
        bound[row] = missed + least
    return quantities, cost, bound


@njit(cache=True)
def descend(tree: Tree, paths: Paths, terms: Terms, zero: float, exact: Paths) -> float:
    """Return a lower bound of the money of every plan on the exact paths; the tree is left at the cheapest vertex.

    Args:
        tree: the vertex to start from.
        paths: the needs, no two ties at once.
        terms: money and limits.
        zero: units below which stock is none.
        exact: the needs as they are.
    """
    n_steps, n_paths = paths.need.shape
    way, worth, cost, flow = no_way(n_steps, n_paths, zero), np.empty(n_paths), np.empty(n_steps + 1), np.empty(n_steps)
    net = way.net
    floor = -FLOOR * np.abs(terms.order).max()
    for _ in range(MOST_PIVOTS * n_steps):
        if orient(tree, NOTHING) <= n_steps:  # not a tree: rounding errors, which no test has seen
            return -np.inf
        fill_levels(tree, paths, terms, way.level)
        fill_net(paths, way.level, net)
        for edge in range(n_steps):
            if tree.kind[edge] == TIE:
                net[tree.high[edge] - 1, tree.path[edge]] = 0.0
        _fill_flow(tree, paths, terms, net, worth, cost, flow)
        leaving, sign = _worst_edge(tree, paths, terms, net, flow, floor)
        if leaving == NOTHING or not pivot(tree, paths, terms, way, leaving, sign):
            break
    return _bound(tree, exact, terms, net, flow)


@njit(cache=True)
def _fill_flow(
    tree: Tree, paths: Paths, terms: Terms, net: FloatArray, worth: FloatArray, cost: FloatArray, flow: FloatArray
) -> None:
    """Fill what it costs that an edge's difference grows by a unit, (n_steps,), tied paths taken as run out.

    On the way `worth` of a unit on each path and `cost` of a unit more at each node are filled.
    """
    n_steps = len(flow)
    worth[:] = 0.0
    after = 0.0
    for t in range(n_steps - 1, -1, -1):
        kept, row = terms.stock[t], net[t]
        for w in range(len(worth)):
            more = kept[w] + worth[w]
            worth[w] = more if row[w] > 0.0 else 0.0
        here = terms.order[t] + mean(paths.share, worth)
        cost[t + 1] = here - after
        after = here
    cost[0] = 0.0
    for i in range(n_steps, 0, -1):
        node = tree.order[i]
        edge = tree.parent[node]
        flow[edge] = cost[node] if node == tree.high[edge] else -cost[node]
        cost[tree.high[edge] + tree.low[edge] - node] += cost[node]


@njit(cache=True)
def _worst_edge(tree: Tree, paths: Paths, terms: Terms, net: FloatArray, flow: FloatArray, floor: float) -> tuple[int, int]:
    """Return the edge best given up, and +1 if its difference then grows, -1 if it shrinks; NOTHING at the cheapest vertex."""
    best, leaving, sign = floor, NOTHING, 0
    for edge in range(len(flow)):
        kind = tree.kind[edge]
        may_grow = kind == TIE or (kind == LOWER and terms.upper[tree.low[edge]] > 0.0)
        if kind != LOWER and -flow[edge] < best:
            best, leaving, sign = -flow[edge], edge, -1
        elif may_grow and flow[edge] < best:
            grows = flow[edge]
            if kind == TIE:
                most, after = _most(tree, terms, net, edge)
                grows += paths.share[tree.path[edge]] * most - (flow[after] if after != NOTHING else 0.0)
            if grows < best:
                best, leaving, sign = grows, edge, 1
    return leaving, sign


@njit(cache=True)
def _most(tree: Tree, terms: Terms, net: FloatArray, edge: int) -> tuple[float, int]:
    """Return the price of a unit on a tied path that keeps it until it next runs out, and the tie it meets there, if any."""
    w, first = tree.path[edge], tree.high[edge]
    most = terms.stock[first - 1, w]
    for t in range(first, len(net)):
        if net[t, w] <= 0.0:
            for other in range(len(tree.kind)):
                if tree.kind[other] == TIE and tree.path[other] == w and tree.high[other] == t + 1:
                    return most, other
            return most, NOTHING
        most += terms.stock[t, w]
    return most, NOTHING


@njit(cache=True)
def _bound(tree: Tree, paths: Paths, terms: Terms, net: FloatArray, flow: FloatArray) -> float:
    """Return the least money that the prices prove: units needed at their price, and what orders still seem to save.

    Prices are cut to their limits, so that the bound holds whatever rounding errors they have.
    """
    n_steps, n_paths = net.shape
    worth, met, enough, bound = np.zeros(n_paths), np.zeros(n_steps), largest_need(paths), 0.0
    for t in range(n_steps - 1, -1, -1):
        for edge in range(n_steps):
            if tree.kind[edge] == TIE and tree.high[edge] == t + 1:
                w = tree.path[edge]
                met[edge] = min(max(-flow[edge] / paths.share[w], 0.0), terms.stock[t, w] + worth[w])
        worth = np.where(net[t] > 0.0, terms.stock[t] + worth, 0.0)
        for edge in range(n_steps):
            if tree.kind[edge] == TIE and tree.high[edge] == t + 1:
                worth[tree.path[edge]] = met[edge]
        order = terms.order[t] + mean(paths.share, worth)
        bound += min(order, 0.0) * min(terms.upper[t], enough) - mean(paths.share, worth * paths.need[t])
    return bound


@njit(cache=True)
def vertex_quantities(tree: Tree, paths: Paths, terms: Terms, size: float) -> FloatArray:
    """Return the orders of a vertex, (n_steps,), units, free of rounding errors below nothing or above the largest."""
    level = np.empty(len(tree.order))
    fill_levels(tree, paths, terms, level)
    quantities = np.minimum(np.maximum(np.diff(level), 0.0), terms.upper)
    return np.where(quantities < ZERO * size, 0.0, quantities)


@njit(cache=True)
def vertex_cost(quantities: FloatArray, paths: Paths, terms: Terms) -> float:
    """Return the expected money of orders less that of losing all sales."""
    stock, cost = np.zeros(len(paths.share)), 0.0
    for t in range(len(quantities)):
        stock = np.maximum(stock + (quantities[t] - paths.need[t]), 0.0)
        cost += terms.order[t] * quantities[t] + mean(paths.share, terms.stock[t] * stock)
    return cost


@njit(cache=True)
def largest_need(paths: Paths) -> float:
    """Return units that no path can need more of over all steps."""
    needed = np.zeros(paths.need.shape[1])
    for t in range(len(paths.need)):
        needed += np.abs(paths.need[t])
    return float(needed.max())


@njit(cache=True)
def mean(share: FloatArray, value: FloatArray) -> float:
    """Return the expected value, summed in an order that no processor changes."""
    a = b = c = d = 0.0
    rest = len(value) % 4
    for w in range(rest):
        a += share[w] * value[w]
    for w in range(rest, len(value), 4):
        a += share[w] * value[w]
        b += share[w + 1] * value[w + 1]
        c += share[w + 2] * value[w + 2]
        d += share[w + 3] * value[w + 3]
    return (a + b) + (c + d)
