"""Values by step moved to the step in which each path has them, compiled: one pass over memory."""

import numpy as np
from numba import njit

from replen.plan.timing import FloatArray, IntArray


@njit(cache=True)
def take_later(values: FloatArray, delays: IntArray, later: FloatArray) -> None:
    """Write values of `delay` steps later, those of the last step where there is no later one.

    Args:
        values: shape (horizon, n_series, n_paths), or (horizon, n_series, 1): one path that stands for all.
        delays: shape (n_series, n_paths), steps.
        later: filled, shape (horizon, n_series, n_paths).
    """
    horizon, n_series, n_paths = later.shape
    one = values.shape[2] == 1
    for step in range(horizon):
        for row in range(n_series):
            for path in range(n_paths):
                later[step, row, path] = values[min(step + delays[row, path], horizon - 1), row, 0 if one else path]


@njit(cache=True)
def come_later(by_step: FloatArray, delays: IntArray, came: FloatArray) -> None:
    """Write what comes `delay` steps later than it is due, 0 where nothing does.

    Args:
        by_step: shape (n_series, horizon), units due at each step.
        delays: shape (n_series, n_paths), steps.
        came: filled, shape (horizon, n_series, n_paths).
    """
    horizon, n_series, n_paths = came.shape
    for row in range(n_series):
        due = by_step[row]
        for step in range(horizon):
            for path in range(n_paths):
                placed = step - delays[row, path]
                came[step, row, path] = due[placed] if placed >= 0 else 0.0


@njit(cache=True)
def mean_later(values: FloatArray, delays: IntArray, means: FloatArray) -> None:
    """Write the mean of values of `delay` steps later, on the paths on which that is within the horizon.

    Args:
        values: shape (horizon, n_series, n_paths).
        delays: shape (n_series, n_paths), steps, 0 on at least one path.
        means: filled, shape (n_series, horizon).
    """
    horizon, n_series, n_paths = values.shape
    for row in range(n_series):
        for step in range(horizon):
            total, count = 0.0, 0
            for path in range(n_paths):
                later = step + delays[row, path]
                if later < horizon:
                    total += values[later, row, path]
                    count += 1
            means[row, step] = total / count


@njit(cache=True)
def running_net(net: FloatArray, receipts: FloatArray, running: FloatArray, ending: FloatArray, short: FloatArray) -> None:
    """Write stock, and what is owed, at the end of every step where demand that is not met waits.

    Args:
        net: shape (n_series,), units on the shelf less those owed before the first step.
        receipts: shape (horizon, n_series, n_paths or 1), units at the start of each step.
        running: shape (horizon, n_series, n_paths), units wanted up to and with each step.
        ending: filled, of the same shape.
        short: filled, of the same shape.
    """
    horizon, n_series, n_paths = running.shape
    one, arrived = receipts.shape[2] == 1, np.empty(n_paths)
    for row in range(n_series):
        arrived[:] = 0.0
        for step in range(horizon):
            for path in range(n_paths):
                arrived[path] += receipts[step, row, 0 if one else path]
                left = net[row] + arrived[path] - running[step, row, path]
                ending[step, row, path], short[step, row, path] = max(left, 0.0), max(-left, 0.0)
