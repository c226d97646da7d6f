"""The lost-sales program over paths in whole packs, compiled: solved exactly, as a program over paths of whole packs.

For cumulative orders Y in whole packs, stock is a difference of a = Y - N at two times, N being cumulative needs. Rounding N to
whole packs up with the same chance U, uniform on [0, 1), at every step of a path, N(U) = pack * floor(N / pack + U), keeps the
order of the a's, so that stock-outs stay where they were, and its mean over U is N. So the cost of whole packs is exactly the
mean cost over the rounded paths: as many as there are intervals of U in which nothing changes. Over these all data of the
program are whole packs, its matrix is that of a network, and its cheapest vertex is in whole packs: the optimum, proven.

Source: total unimodularity of networks; the same interpolation between whole numbers makes an L-natural-convex function convex
(Murota, Discrete Convex Analysis, ch. 7).
"""

import numpy as np
from numba import njit

from replen.plan.path_simplex import FEW, ZERO, descend, largest_need, mean, vertex_cost, vertex_quantities
from replen.plan.path_tree import Paths, Terms, newsvendor_tree, paths_of, terms_of
from replen.plan.timing import FloatArray, IntArray

SAME = 1e-9  # chances nearer to each other are one


@njit(cache=True)
def solve_whole_rows(
    needs: FloatArray, terms: Terms, shaking: FloatArray, lost_sale_cost: FloatArray, multiple: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the cheapest quantities in whole packs (n_series, n_steps), their cost and the proven bound, (n_series,) each.

    Args:
        needs: shape (n_steps, n_series, n_paths), units; opening stock is taken off the first step.
        terms: by series and step; largest orders in whole packs.
        shaking: shape (n_steps, n_paths * (n_steps + 1)), packs that no two ties happen at once with; too few to matter.
        lost_sale_cost: shape (n_series,), money a unit.
        multiple: shape (n_series,), units in a pack.
    """
    n_steps, n_series, n_paths = needs.shape
    quantities, cost, bound = np.empty((n_series, n_steps)), np.empty(n_series), np.empty(n_series)
    share = np.full(n_paths, 1.0 / n_paths)
    for row in range(n_series):
        exact = paths_of(needs[:, row].copy(), share)
        whole, origin = whole_paths(exact, multiple[row])
        size = max(largest_need(exact), 1e-300)
        shaken = paths_of(whole.need + multiple[row] * shaking[:, : len(whole.share)], whole.share)
        own = terms_of(terms, row, n_paths)
        spread = Terms(own.order, own.stock[:, origin], own.upper)
        some = paths_of(shaken.need[:, :n_paths].copy(), share)
        tree = newsvendor_tree(Paths(some.need[:, :FEW], some.total[:, :FEW], share[:FEW]), own)
        descend(tree, some, own, ZERO * size, some)
        least = descend(tree, shaken, spread, ZERO * size, whole)
        quantities[row] = vertex_quantities(tree, whole, spread, size)
        missed = lost_sale_cost[row] * mean(share, exact.total[-1])
        cost[row], bound[row] = missed + vertex_cost(quantities[row], exact, own), missed + least
    return quantities, cost, bound


@njit(cache=True)
def whole_paths(paths: Paths, multiple: float) -> tuple[Paths, IntArray]:
    """Return the paths rounded to whole packs in every way that happens, and which path each comes from, (n_rounded,).

    The first of them are those of U = 1/2, in order.
    """
    n_nodes, n_paths = paths.total.shape
    total, share = np.empty((n_nodes, n_paths * n_nodes)), np.empty(n_paths * n_nodes)
    origin, count = np.empty(n_paths * n_nodes, np.int64), n_paths
    for w in range(n_paths):
        packs = paths.total[:, w] / multiple
        cuts = np.sort(np.ceil(packs - SAME) - packs)  # where one more step rounds up to the next pack
        low = 0.0
        for i in range(n_nodes):
            high = cuts[i + 1] if i + 1 < n_nodes else 1.0
            if high - low <= SAME:
                continue
            place = w
            if not low <= 1 / 2 < high:
                place, count = count, count + 1
            total[:, place] = np.floor(packs + (low + high) / 2) * multiple
            share[place], origin[place] = (high - low) * paths.share[w], w
            low = high
    total, share = total[:, :count].copy(), share[:count].copy()
    return Paths(total[1:] - total[:-1], total, share), origin[:count].copy()
