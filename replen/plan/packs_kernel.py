"""The searches along whole lines, compiled: exact cost over the paths of a plan that differs from a known one in few steps.

The stock of every path at the start of every step of the known plan is kept, so that only later steps are played again.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from replen.plan.path_tree import Terms, terms_of
from replen.plan.timing import FloatArray

MAX_SWEEPS = 100
REACH = 3  # packs move this many steps earlier or later
SAVING = 1e-9  # a move must save more than this share of the cost
NOWHERE = -1


class Lines(NamedTuple):
    """What lines are made of, (n_series,) each: units in a pack, units of the smallest line, money of a line."""

    multiple: FloatArray
    smallest: FloatArray
    cost: FloatArray


class Plan(NamedTuple):
    """A plan of one series, and what is known of it.

    Attributes:
        quantities: shape (n_steps,), units.
        stock: shape (n_steps + 1, n_paths), units at the start of the step before its order arrives.
        spent: shape (n_steps + 1,), money of the steps before.
    """

    quantities: FloatArray
    stock: FloatArray
    spent: FloatArray


@njit(cache=True)
def search_rows(needs: FloatArray, terms: Terms, lines: Lines, quantities: FloatArray) -> None:
    """Better plans until no pack or line that is added, taken away or moved in time saves money.

    Args:
        needs: shape (n_steps, n_series, n_paths), units; opening stock is taken off the first step.
        terms: money and limits by series and step.
        lines: what lines are made of.
        quantities: shape (n_series, n_steps), plans of whole lines; changed.
    """
    n_steps, n_series, n_paths = needs.shape
    for row in range(n_series):
        need = needs[:, row].copy()
        own = terms_of(terms, row, n_paths)
        line = Lines(lines.multiple[row : row + 1], lines.smallest[row : row + 1], lines.cost[row : row + 1])
        plan = Plan(quantities[row], np.zeros((n_steps + 1, n_paths)), np.zeros(n_steps + 1))
        _play(need, own, plan, line.cost[0], 0)
        for _ in range(MAX_SWEEPS):
            if not _sweep(need, own, line, plan):
                break


@njit(cache=True)
def _sweep(need: FloatArray, terms: Terms, line: Lines, plan: Plan) -> bool:
    """Return whether any move saved money; every order grows, shrinks, ends, or goes to its neighbours in time."""
    n_steps, saved = len(need), False
    for taker in range(n_steps):
        saved |= _try(need, terms, line, plan, NOWHERE, taker, False)
    for giver in range(n_steps):
        for everything in (False, True):
            saved |= _try(need, terms, line, plan, giver, NOWHERE, everything)
    for giver in range(n_steps):
        for taker in range(max(giver - REACH, 0), min(giver + REACH + 1, n_steps)):
            for everything in (False, True):
                if taker != giver:
                    saved |= _try(need, terms, line, plan, giver, taker, everything)
    return saved


@njit(cache=True)
def _try(need: FloatArray, terms: Terms, line: Lines, plan: Plan, giver: int, taker: int, everything: bool) -> bool:
    """Return whether packs that move between two steps, or from or to nowhere, save money; the plan is changed if so."""
    amount = line.multiple[0]
    given = plan.quantities[giver] if giver != NOWHERE else np.inf
    taken = plan.quantities[taker] if taker != NOWHERE else -np.inf
    if given <= 0.0 or (taker != NOWHERE and taken >= terms.upper[taker]):
        return False
    if giver != NOWHERE:
        amount = given if everything or given - amount < line.smallest[0] - amount / 2 else amount
        plan.quantities[giver] = given - amount if given - amount > amount / 2 else 0.0
    if taker != NOWHERE:
        plan.quantities[taker] = min(max(taken + amount, line.smallest[0]), terms.upper[taker])
    first = min(giver, taker) if min(giver, taker) != NOWHERE else max(giver, taker)
    known = plan.spent[-1]
    if _tail(need, terms, plan, line.cost[0], first) < known - SAVING * max(1.0, abs(known)):
        _play(need, terms, plan, line.cost[0], first)
        return True
    if giver != NOWHERE:
        plan.quantities[giver] = given
    if taker != NOWHERE:
        plan.quantities[taker] = taken
    return False


@njit(cache=True)
def _tail(need: FloatArray, terms: Terms, plan: Plan, line_cost: float, first: int) -> float:
    """Return the money of a plan that is changed from a step on."""
    n_paths = need.shape[1]
    stock, held = plan.stock[first].copy(), np.zeros(n_paths)
    cost = plan.spent[first]
    for t in range(first, len(need)):
        quantity, wanted, price = plan.quantities[t], need[t], terms.stock[t]
        for w in range(n_paths):
            stock[w] = max(stock[w] + (quantity - wanted[w]), 0.0)
            held[w] += price[w] * stock[w]
        cost += terms.order[t] * quantity + (line_cost if quantity > 0.0 else 0.0)
    return float(cost + _mean(held))


@njit(cache=True)
def _play(need: FloatArray, terms: Terms, plan: Plan, line_cost: float, first: int) -> None:
    """Note stock and money of a plan from a step on."""
    for t in range(first, len(need)):
        quantity, before, after = plan.quantities[t], plan.stock[t], plan.stock[t + 1]
        for w in range(need.shape[1]):
            after[w] = max(before[w] + (quantity - need[t, w]), 0.0)
        line = line_cost if quantity > 0.0 else 0.0
        plan.spent[t + 1] = plan.spent[t] + terms.order[t] * quantity + line + _mean(terms.stock[t] * after)


@njit(cache=True)
def _mean(values: FloatArray) -> float:
    """Return the mean, summed in an order that no processor changes."""
    a = b = c = d = 0.0
    rest = len(values) % 4
    for w in range(rest):
        a += values[w]
    for w in range(rest, len(values), 4):
        a, b, c, d = a + values[w], b + values[w + 1], c + values[w + 2], d + values[w + 3]
    return ((a + b) + (c + d)) / len(values)


@njit(cache=True)
def worthwhile_rows(needs: FloatArray, terms: Terms, quantities: FloatArray, line: FloatArray, accuracy: float) -> FloatArray:
    """Return how many units today's order could be, (n_series,), before a further line no longer pays (see `levels`).

    Args:
        needs: shape (n_steps, n_series, n_paths), units; opening stock is taken off the first step.
        terms: money and limits by series and step.
        quantities: shape (n_series, n_steps), the plans, units.
        line: shape (n_series,), units of a further line, > 0.
        accuracy: units.
    """
    n_steps, n_series, n_paths = needs.shape
    units = np.empty(n_series)
    for row in range(n_series):
        need = needs[:, row].copy()
        own = terms_of(terms, row, n_paths)
        plan = Plan(quantities[row].copy(), np.zeros((n_steps + 1, n_paths)), np.zeros(n_steps + 1))
        wanted = np.zeros(n_paths)
        for t in range(n_steps):
            wanted += np.maximum(need[t], 0.0)
        low, high = 0.0, max(wanted.max(), plan.quantities[0]) + line[row]
        while high - low > accuracy:
            middle = (low + high) / 2
            plan.quantities[0] = middle + line[row]
            more = _tail(need, own, plan, 0.0, 0)
            plan.quantities[0] = middle
            low, high = (middle, high) if more < _tail(need, own, plan, 0.0, 0) else (low, middle)
        units[row] = high
    return units
