"""Small random planning problems, and the naive oracles they are checked with."""

import numpy as np
from hypothesis import strategies as st
from scipy.optimize import linprog

from replen.plan.positions import Positions
from replen.plan.problem import problems
from replen.plan.projection import project

PLAIN = {
    "on_hand": 0.0,
    "backorders": 0.0,
    "receipts": 0.0,
    "lead_time": 0,
    "review_period": 1,
    "order_multiple": 1.0,
    "min_order_quantity": 0.0,
    "max_order_quantity": np.inf,
    "unit_cost": 1.0,
    "holding_cost": 0.1,
    "lost_sale_cost": 3.0,
    "backorder_cost": 1.0,
    "order_cost": 0.0,
    "end_value": 0.5,
}


def positions(n_series=1, horizon=4, **changed):
    """Return plain positions, all values those of PLAIN but for what is changed (a number, or an array by series)."""
    optional = ("order_window", "shelf_life", "line_limit", "delays")
    assert set(changed) <= {*PLAIN, *optional}
    arrays = {name: changed.get(name) for name in optional}
    for name, plain in PLAIN.items():
        shape = (n_series, horizon) if name == "receipts" else (n_series,)
        arrays[name] = np.array(
            np.broadcast_to(changed.get(name, plain), shape), dtype=int if isinstance(plain, int) else float
        )
    return Positions(**arrays)


@st.composite
def instances(draw, *, max_series=3, backorders=False):
    """Draw positions and demand (horizon, n_series, n_paths): ties, zeros, caps, late arrivals and packs included."""
    horizon, n_series, n_paths = draw(st.integers(1, 6)), draw(st.integers(1, max_series)), draw(st.integers(1, 7))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    level = draw(st.sampled_from([0.3, 2.0, 30.0]))
    unit_cost = rng.choice([0.0, 1.0, 2.5], n_series)
    drawn = positions(
        n_series,
        horizon,
        on_hand=rng.poisson(level * rng.choice([0, 1, 3], n_series)),
        backorders=rng.poisson(level, n_series) * backorders,
        receipts=rng.poisson(level, (n_series, horizon)) * rng.integers(0, 2, (n_series, horizon)),
        lead_time=rng.integers(0, horizon + 1, n_series),
        review_period=rng.integers(1, 4, n_series),
        order_multiple=rng.choice([1.0, 1.0, 6.0], n_series),
        min_order_quantity=rng.choice([0.0, 0.0, 8.0], n_series),
        max_order_quantity=rng.choice([0.0, 5.0, 12.0, np.inf, np.inf], n_series),
        unit_cost=unit_cost,
        holding_cost=rng.choice([0.01, 0.2, 1.0], n_series),
        lost_sale_cost=unit_cost + rng.choice([0.5, 2.0, 10.0], n_series),
        order_cost=rng.choice([0.0, 0.0, 3.0], n_series),
        end_value=unit_cost * rng.choice([0.0, 0.5, 1.0], n_series),
        order_window=draw(st.sampled_from([None, rng.random((n_series, horizon)) < 0.7])),
    )
    return drawn, rng.poisson(level, (horizon, n_series, n_paths)).astype(float)


def row_problem(drawn, demand, row):
    """Return the problem of one series; None if no order can arrive within the horizon."""
    one, paths = drawn.take(np.array([row])), demand[:, [row]]
    found = list(problems(one, paths, project(one.on_hand, one.receipts, paths)))
    return found[0][1] if found else None


def least_cost(problem):
    """Return one series' least expected cost from its first arrival on: scipy on the program with lost units written out.

    Columns: orders by step, then stock, then lost units by step and path. Rows: stock - stock before - order - lost = - needs.
    """
    n_steps, _, n_paths = problem.needs.shape
    costs = {name: values[0] for name, values in vars(problem.positions).items() if values is not None}
    n_cells = n_steps * n_paths
    cost = np.zeros(n_steps + 2 * n_cells)
    orders, stock, lost = np.split(cost, [n_steps, n_steps + n_cells])
    orders += problem.unit_cost[0]
    stock += np.repeat(problem.holding_cost[0], n_paths) / n_paths
    stock[-n_paths:] -= costs["end_value"] / n_paths
    lost += costs["lost_sale_cost"] / n_paths
    right = -problem.needs[:, 0].copy()
    right[0] += problem.opening[0]
    matrix = np.hstack(
        [
            -np.repeat(np.eye(n_steps), n_paths, axis=0),
            np.eye(n_cells) - np.eye(n_cells, k=-n_paths),
            -np.eye(n_cells),
        ]
    )
    bounds = [(0, limit) for limit in problem.largest[0]] + [(0, None)] * (2 * n_cells)
    result = linprog(cost, A_eq=matrix, b_eq=right.ravel(), bounds=bounds)
    assert result.success, result.message
    return result.fun


def naive_order_steps(drawn, row):
    """Return the steps at which one series may order, one step at a time."""
    horizon, found, due = drawn.receipts.shape[1], [], False
    for step in range(horizon - drawn.lead_time[row]):
        due = due or step % drawn.review_period[row] == 0
        if due and (drawn.order_window is None or drawn.order_window[row, step]):
            found.append(step)
            due = False
    return found


def naive_simulation(drawn, demand, order, *, backorders=False):
    """Return orders, ending stock, shortage and sales, (n_steps, n_series, n_paths), one series, path and step at a time."""
    orders, on_hand, short, sales = (np.zeros(demand.shape) for _ in range(4))
    n_steps = len(demand)
    for row, path in np.ndindex(demand.shape[1:]):
        stock, owed, due = drawn.on_hand[row], drawn.backorders[row], list(drawn.receipts[row])
        allowed = naive_order_steps(drawn, row)
        for step in range(n_steps):
            arrival = step + drawn.lead_time[row]
            if step in allowed:
                orders[step, row, path] = order(step, row, stock + sum(due[step:]) - owed)
                due[arrival] += orders[step, row, path]
            stock += due[step]
            late = min(stock, owed)
            stock, owed = stock - late, owed - late
            sold = min(stock, demand[step, row, path])
            stock, sales[step, row, path] = stock - sold, sold
            missed = demand[step, row, path] - sold
            owed = owed + missed if backorders else 0.0
            on_hand[step, row, path], short[step, row, path] = stock, owed if backorders else missed
    return orders, on_hand, short, sales
