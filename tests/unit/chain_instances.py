"""Small random chains, and the naive oracle: the linear program with every kink written out, solved by HiGHS."""

from itertools import product

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from replen.plan.chain import Chains, cost

NO_LIMIT = 1e5  # more than any of these chains needs


def drawn_chains(rng, n_series, *, n_steps, n_points, packs=False):
    """Return chains as backorder programs make them: zeros, ties, caps of zero, late arrivals and floors."""
    shape = (n_series, n_steps)

    def pick(values, *size):
        return rng.choice(values, size or shape).astype(float)

    level = pick([0, 0.3, 2, 30], n_series, 1, 1)
    need = rng.poisson(level, (*shape, n_points)) + pick([0, 0, 0.37], n_series, 1, 1) * rng.random((*shape, n_points))
    stock = rng.poisson(level[:, 0] * pick([0, 0, 1, 4], n_series, 1))
    at = np.sort(np.cumsum(need, axis=1) - stock[:, :, None], axis=2)
    held, owed, bought = pick([0, 0.1, 1], n_series, 1), pick([0, 1, 1, 9.7], n_series, 1), pick([0, 1, 2.5], n_series, 1)
    price = bought + pick([0, 0, 0.3], *shape) * rng.random(shape)
    slope = price - np.hstack([price[:, 1:], np.zeros((n_series, 1))]) - owed
    slope[:, -1:] -= held * pick([0, 0.5, 1], n_series, 1)
    limit = np.where(rng.random(shape) < pick([0, 0.5, 1], n_series, 1), pick([0, 0, 1, 3, 7.5, 24]), np.inf)
    limit[np.arange(n_steps) < rng.integers(0, n_steps + 1, (n_series, 1)) * pick([0, 1], n_series, 1)] = 0
    size = pick([1, 1, 6, 0.3, 2.5], n_series) if packs else np.zeros(n_series)
    return Chains(
        at=at,
        jump=np.broadcast_to((held + owed) / n_points, shape),
        slope=slope,
        limit=limit,
        constant=rng.random(n_series),
        multiple=size,
        floor=rng.poisson(pick([0, 5, 20], n_series, 1), shape) - 2.0,
        shortfall=np.where(rng.random(shape) < pick([0, 0, 1], n_series, 1), pick([0, 0.3, 5, np.inf]), 0.0),
    )


def rows_of_one(n_steps, n_points):
    """Return the matrix of one chain's program; columns: y, then excess over each point and shortfall of each step."""
    eye = sp.eye_array(n_steps)
    steps, excess = eye - sp.eye_array(n_steps, k=-1), sp.kron(eye, np.ones((n_points, 1)))
    return sp.block_array(
        [
            [excess, -sp.eye_array(n_steps * n_points), None],
            [-eye, None, -eye],
            [-steps, None, None],
            [steps, None, None],
        ]
    )


def least_costs(chains):
    """Return the least cost of every chain, (n_series,), any amount allowed: their programs side by side in one.

    A hard floor above what can have arrived gives way to it.
    """
    n_series, n_steps, n_points = chains.at.shape
    limit, hard, zeros = np.minimum(chains.limit, NO_LIMIT), np.isinf(chains.shortfall), np.zeros((n_series, n_steps))
    at = chains.at.reshape(n_series, -1)
    prices = [chains.slope, np.repeat(chains.jump, n_points, axis=1), np.where(hard, 0, chains.shortfall)]
    cost, right = np.hstack(prices), np.hstack([at, -chains.floor, zeros, limit])
    least = np.where(hard, np.minimum(chains.floor, np.cumsum(limit, axis=1)), -np.inf)
    lower = np.hstack([least, np.zeros_like(at), zeros])
    found = linprog(
        cost.ravel(),
        A_ub=sp.kron(sp.eye_array(n_series), rows_of_one(n_steps, n_points), format="csr"),
        b_ub=right.ravel(),
        bounds=np.stack([lower.ravel(), np.full(lower.size, np.inf)], axis=1),
    )
    assert found.success, found.message
    return (cost * found.x.reshape(cost.shape)).sum(axis=1) + chains.constant


def cheapest_plan(chains, most, smallest=0, line_cost=0.0):
    """Return least cost and least total among the cheapest plans of one chain: every plan of 0..most packs a step is tried."""
    packs = np.array(list(product(range(most + 1), repeat=chains.at.shape[1])))
    packs = packs[((packs == 0) | (packs >= smallest)).all(axis=1)]
    plans = packs * chains.multiple[0]
    costs = cost(chains.take(np.zeros(len(plans), dtype=int)), plans) + line_cost * np.count_nonzero(packs, axis=1)
    return costs.min(), plans[costs <= costs.min() + 1e-9].sum(axis=1).min()
