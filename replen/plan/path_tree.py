"""Vertices of the lost-sales program over paths as spanning trees, compiled (see `lost_sales` for the program).

Nodes 0..n are cumulative orders: the level of node t is what was ordered before step t. A vertex is a tree of n edges, each
of which fixes the difference of two levels: at a bound (the order of a step is nothing, or the largest) or at a tie (stock of
one path runs out exactly at the end of a step, counted from the last step at whose end that path had run out before).
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from replen.plan.timing import FloatArray, IntArray

LOWER, UPPER, TIE = 0, 1, 2
NOTHING = -1


class Paths(NamedTuple):
    """What the paths of one series need.

    Attributes:
        need: shape (n_steps, n_paths), units; opening stock is taken off the first step.
        total: shape (n_steps + 1, n_paths), its running sums, from 0.
        share: shape (n_paths,), chances; their sum is 1.
    """

    need: FloatArray
    total: FloatArray
    share: FloatArray


class Terms(NamedTuple):
    """Money and limits of one series, or of a bucket, whose arrays have the series in front.

    Attributes:
        order: shape (n_steps,), money a unit ordered, less that of a lost sale.
        stock: shape (n_steps, n_paths), money a unit left at the end of the step; at the last step more by a lost sale less the
            end value. One column of a bucket is shared by all paths.
        upper: shape (n_steps,), units that may be ordered at most.
    """

    order: FloatArray
    stock: FloatArray
    upper: FloatArray


class Tree(NamedTuple):
    """The edges of a vertex, and how they hang together as of the last `orient`.

    Attributes:
        kind: shape (n_steps,), LOWER, UPPER or TIE.
        high: shape (n_steps,), later node of the edge.
        low: shape (n_steps,), earlier node of the edge.
        path: shape (n_steps,), path of a tie.
        order: shape (n_steps + 1,), nodes from the root on.
        parent: shape (n_steps + 1,), edge that leads from the root to the node.
    """

    kind: IntArray
    high: IntArray
    low: IntArray
    path: IntArray
    order: IntArray
    parent: IntArray


@njit(cache=True)
def terms_of(terms: Terms, row: int, n_paths: int) -> Terms:
    """Return the terms of one series of a bucket."""
    stock = np.empty((terms.stock.shape[1], n_paths))
    stock[:] = terms.stock[row]
    return Terms(terms.order[row], stock, terms.upper[row])


@njit(cache=True)
def paths_of(need: FloatArray, share: FloatArray) -> Paths:
    """Return paths with the running sums of what they need."""
    total = np.zeros((len(need) + 1, need.shape[1]))
    for t in range(len(need)):
        total[t + 1] = total[t] + need[t]
    return Paths(need, total, share)


@njit(cache=True)
def idle_tree(n_steps: int) -> Tree:
    """Return the vertex at which nothing is ordered."""
    steps, zeros = np.arange(n_steps), np.zeros(n_steps, np.int64)
    return Tree(zeros, steps + 1, steps, zeros.copy(), np.zeros(n_steps + 1, np.int64), np.zeros(n_steps + 1, np.int64))


@njit(cache=True)
def orient(tree: Tree, without: int) -> int:
    """Return how many nodes hang on the root when one edge is left out; fill `order` with them and `parent`."""
    tree.parent[:] = NOTHING
    tree.order[0] = 0
    count, done = 1, 0
    while done < count:
        node = tree.order[done]
        done += 1
        for edge in range(len(tree.kind)):
            if edge == without or edge == tree.parent[node]:
                continue
            high, low = tree.high[edge], tree.low[edge]
            other = low if node == high else high
            if node in (high, low) and other != 0 and tree.parent[other] == NOTHING:
                tree.order[count], tree.parent[other] = other, edge
                count += 1
    return count


@njit(cache=True)
def fill_levels(tree: Tree, paths: Paths, terms: Terms, level: FloatArray) -> None:
    """Fill the level of every node, (n_steps + 1,), from the edges."""
    level[0] = 0.0
    for i in range(1, len(level)):
        node = tree.order[i]
        edge = tree.parent[node]
        high, low, w = tree.high[edge], tree.low[edge], tree.path[edge]
        gap = 0.0
        if tree.kind[edge] == UPPER:
            gap = terms.upper[low]
        elif tree.kind[edge] == TIE:
            gap = paths.total[high, w] - paths.total[low, w]
        level[node] = level[low] + gap if node == high else level[high] - gap


@njit(cache=True)
def fill_net(paths: Paths, level: FloatArray, net: FloatArray) -> None:
    """Fill the stock at the end of each step before it is cut at 0, (n_steps, n_paths)."""
    for t in range(len(net)):
        quantity = level[t + 1] - level[t]
        for w in range(net.shape[1]):
            left = max(net[t - 1, w], 0.0) if t > 0 else 0.0
            net[t, w] = left + (quantity - paths.need[t, w])


@njit(cache=True)
def newsvendor_tree(paths: Paths, terms: Terms) -> Tree:
    """Return the vertex where each order meets the critical share of the paths until the next one can arrive."""
    n_steps, n_paths = paths.need.shape
    tree, first = idle_tree(n_steps), 0
    stock, ran_out = np.zeros(n_paths), np.zeros(n_paths, np.int64)
    while first < n_steps:
        stop = first + 1
        while stop < n_steps and terms.upper[stop] <= 0.0:
            stop += 1
        quantity = 0.0
        if terms.upper[first] > 0.0 and terms.order[first] < 0.0:
            w, peak, wanted = _critical_path(paths, terms, stock, first, stop)
            quantity = min(max(wanted, 0.0), terms.upper[first])
            if wanted >= terms.upper[first]:
                tree.kind[first] = UPPER
            elif wanted > 0.0:
                tree.kind[first], tree.path[first], tree.high[first], tree.low[first] = TIE, w, peak + 1, ran_out[w]
        stock += quantity
        _sell(tree, paths, stock, ran_out, first, stop)
        first = stop
    return tree


@njit(cache=True)
def _critical_path(paths: Paths, terms: Terms, stock: FloatArray, first: int, stop: int) -> tuple[int, int, float]:
    """Return the path whose need is the newsvendor's quantity of steps first..stop-1, the step it peaks at, and the need."""
    n_paths, under, over = len(stock), -terms.order[first], terms.order[first]
    running, short = -stock, np.full(n_paths, -np.inf)
    for t in range(first, stop):
        running += paths.need[t]
        short = np.maximum(short, running)
        over += terms.stock[t].max()
    if stop < len(paths.need):
        over -= terms.order[stop]
    rank = int(np.ceil(n_paths * under / (under + max(over, 1e-9 * under)))) - 1
    rank = min(max(rank, 0), n_paths - 1)
    w = int(np.argmin(np.abs(short - np.partition(short, rank)[rank])))
    left, peak = stock[w], first
    for t in range(first, stop):
        left -= paths.need[t, w]
        if -left >= short[w]:
            peak = t
    return w, peak, short[w]


@njit(cache=True)
def _sell(tree: Tree, paths: Paths, stock: FloatArray, ran_out: IntArray, first: int, stop: int) -> None:
    """Take the needs of steps first..stop-1 off the stock of every path, and note at which node each ran out."""
    for t in range(first, stop):
        for w in range(len(stock)):
            if stock[w] <= paths.need[t, w]:
                ran_out[w] = t + 1
            stock[w] = max(stock[w] - paths.need[t, w], 0.0)
        if tree.kind[first] == TIE and tree.high[first] == t + 1:
            ran_out[tree.path[first]], stock[tree.path[first]] = t + 1, 0.0
