"""Base-stock levels where demand that is not met waits: the newsvendor of all steps that an order protects."""

import numpy as np

from replen.plan.policies.service import interval_demand
from replen.plan.positions import Positions
from replen.plan.search import critical_value
from replen.plan.timing import FloatArray


def base_stock_levels(positions: Positions, demand: FloatArray) -> FloatArray:
    """Return the inventory position after each order that costs least until the next order arrives, (n_series, n_steps).

    An order of step s shows at steps s + lead_time to s + lead_time + review_period - 1; at each of them a unit too
    many costs holding_cost and one too few backorder_cost, so the level is the critical share of all paths' demand up to them.
    Steps after the last are not known; where none is left the level of the step before stands. Where lead times vary they do so
    by path, and near the last step the last interval that fits stands for those that do not.

    Args:
        positions: n_series positions.
        demand: shape (n_steps, n_series, n_paths), units.

    Source: Snyder & Shen, Fundamentals of Supply Chain Theory, ch. 4: base-stock policy with linear holding and backorder cost.
    """
    ratio = positions.backorder_cost / (positions.backorder_cost + positions.holding_cost)
    levels = np.zeros((positions.n_series, len(demand)))
    timings = np.stack([positions.lead_time, positions.review_period, positions.varies], axis=1)
    for lead_time, review_period, varies in np.unique(timings, axis=0):
        rows = np.flatnonzero((timings == (lead_time, review_period, varies)).all(axis=1))
        if varies:
            ends = positions.take(rows).lead_times + 1
            late = [interval_demand(demand[:, rows], ends + more) for more in range(int(review_period))]
            levels[rows] = critical_value(np.concatenate(late, axis=2), ratio[rows]).T
            continue
        for step in range(len(demand)):
            first, end = step + int(lead_time), step + int(lead_time) + int(review_period)
            if first >= len(demand):
                levels[rows, step] = levels[rows, max(step - 1, 0)]
                continue
            units = np.cumsum(demand[step:end, rows], axis=0)[int(lead_time) :]
            levels[rows, step] = critical_value(units.transpose(1, 0, 2).reshape(len(rows), -1), ratio[rows])
    return levels
