"""Whole packs, minimum and maximum quantities: a search by exact cost over the paths, not a rounding.

A line is nothing or a number of packs between `smallest_order` and `largest_order`. From the best rounding of the program's
optimum the search adds, takes, moves and merges packs until no such move saves money; the optimum of the program is the dual
bound. All series of a problem are searched together, each on its own way: a series alone ends where it ends in a bucket.
"""

from typing import NamedTuple

import numpy as np

from replen.plan.positions import Positions, chunks
from replen.plan.problem import Problem
from replen.plan.timing import FloatArray

CHUNK = 256  # series searched together: what fits the processor's cache
MAX_SWEEPS = 100
REACH = 3  # packs move this many order steps earlier or later
SAVING = 1e-9  # a move must save more than this share of the cost
ROUNDING = 1e-6  # packs: what the solver may be off


class Move(NamedTuple):
    """Packs from one order step to another; None = from or to nowhere: an order grows or shrinks."""

    giver: int | None
    taker: int | None
    everything: bool


def whole_packs(problem: Problem, quantities: FloatArray) -> FloatArray:
    """Return quantities that may be ordered, (n_series, n_steps), cheap on the paths, near the program's.

    Args:
        problem: series with one timing.
        quantities: shape (n_series, n_steps), the program's optimum, units.
    """
    parts = chunks(np.arange(len(quantities)), CHUNK)
    return np.concatenate([_search(problem.take(rows), quantities[rows]) for rows in parts])


def _search(problem: Problem, quantities: FloatArray) -> FloatArray:
    """Return the cheapest plan that no move betters, (n_series, n_steps)."""
    best, cost = _cheapest_rounding(problem, quantities)
    active, moves = np.arange(len(best)), _moves(list(range(problem.needs.shape[0])))
    for _ in range(MAX_SWEEPS):
        before = cost[active]
        for move in moves:
            tried = _moved(problem.take(active), best[active], move)
            changed = (tried != best[active]).any(axis=1)
            rows = active[changed]
            tried, tried_cost = tried[changed], problem.take(rows).cost(tried[changed])
            better = tried_cost < cost[rows] - SAVING * np.maximum(1.0, np.abs(cost[rows]))
            best[rows[better]], cost[rows[better]] = tried[better], tried_cost[better]
        active = active[cost[active] < before]
        if not len(active):
            break
    return _in_packs(problem.positions, best)


def _moves(steps: list[int]) -> list[Move]:
    """Return the moves tried in each sweep: every order by a pack or as a whole, away or to its neighbours in time."""
    ways: list[tuple[int, int | None]] = [(step, None) for step in steps]
    near = [(steps[i], later) for i in range(len(steps)) for later in steps[i + 1 : i + 1 + REACH]]
    ways += [way for earlier, later in near for way in ((earlier, later), (later, earlier))]
    grow = [Move(None, step, everything=False) for step in steps]
    return grow + [Move(giver, taker, everything=everything) for giver, taker in ways for everything in (False, True)]


def _moved(problem: Problem, quantities: FloatArray, move: Move) -> FloatArray:
    """Return the quantities after a move, every line still one that may be placed."""
    positions, moved, amount = problem.positions, quantities.copy(), problem.positions.order_multiple
    smallest, nearly = positions.smallest_order, positions.order_multiple / 2
    if move.giver is not None:
        given = quantities[:, move.giver]
        amount = given if move.everything else np.where(given - amount < smallest - nearly, given, amount)
        moved[:, move.giver] -= amount
    if move.taker is not None:
        taken = quantities[:, move.taker] + amount
        taken = np.where((taken > 0) & (taken < smallest), smallest, taken)
        moved[:, move.taker] = np.minimum(taken, problem.largest[:, move.taker])
    return moved


def _cheapest_rounding(problem: Problem, quantities: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the best of four roundings that may be ordered, (n_series, n_steps), and its cost (n_series,)."""
    multiple = problem.positions.order_multiple[:, None]
    packs = quantities / multiple
    running = np.floor(np.cumsum(packs, axis=1) + 0.5)
    roundings = [
        np.floor(packs + ROUNDING),
        np.floor(packs + 0.5),
        np.ceil(packs - ROUNDING),
        np.diff(running, axis=1, prepend=0.0),
    ]
    allowed = np.stack(
        [np.minimum(nearest_line(problem.positions, rounding * multiple), problem.largest) for rounding in roundings]
    )
    costs = np.stack([problem.cost(plan) for plan in allowed])
    cheapest = costs.argmin(axis=0)
    rows = np.arange(len(cheapest))
    return allowed[cheapest, rows], costs[cheapest, rows]


def nearest_line(positions: Positions, quantities: FloatArray) -> FloatArray:
    """Return the nearest quantities that may be ordered, shape of `quantities` (n_series, ...); half packs go up.

    Below half the smallest line nothing is ordered.
    """
    shape = (-1,) + (1,) * (quantities.ndim - 1)
    smallest, largest = positions.smallest_order.reshape(shape), positions.largest_order.reshape(shape)
    whole = np.maximum(_in_packs(positions, quantities), np.where(quantities >= smallest / 2, smallest, 0.0))
    return np.minimum(np.where(whole < smallest, 0.0, whole), largest)


def _in_packs(positions: Positions, quantities: FloatArray) -> FloatArray:
    """Return the nearest whole multiples, shape of `quantities` (n_series, ...)."""
    multiple = positions.order_multiple.reshape((-1,) + (1,) * (quantities.ndim - 1))
    return np.floor(quantities / multiple + 0.5) * multiple
